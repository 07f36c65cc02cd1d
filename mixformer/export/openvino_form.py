"""Write OpenVINO's own format: two XML files, and one file that holds each constant once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO
from xml.etree import ElementTree

import openvino as ov

from mixformer.engines.openvino_compiler import core
from mixformer.export.runtimes import fold
from mixformer.export.sample_crops import Crops

CONSTANTS_FILE = "graphs.bin"
_ALIGNMENT = 64  # bytes, for vector instructions


def to_openvino(place: Path, described: dict[str, Any], precision: str | None, calibration: Crops) -> dict[str, Any]:
    """Convert a folder's ONNX graphs to OpenVINO's format; return the new entry of `config.json`.

    "int8" is 8-bit arithmetic, calibrated on crops, "float16" smaller constants, any other precision float32.
    """
    # 1. Read the graphs; fold constants, or quantize.
    models = {name: core().read_model(place / described[name]) for name in ("remember", "locate")}
    fold(models["locate"])
    if precision == "int8":  # `remember` is not folded, so its weights stay in 8 bits
        from mixformer.export.int8 import quantize

        models["locate"] = quantize(models["remember"], models["locate"], described, calibration)
    else:
        fold(models["remember"])
    # 2. Write them, with all constants in one file, in place of the ONNX files.
    with TemporaryDirectory(dir=place) as raw, (place / CONSTANTS_FILE).open("wb") as constants:
        shared = _Constants(constants)
        for name, model in models.items():
            file = Path(raw) / f"{name}.xml"
            ov.save_model(model, file, compress_to_fp16=precision == "float16")
            _share(file, place / file.name, shared)
    for name in models:
        (place / described[name]).unlink()
    arithmetic = {"arithmetic": "int8"} if precision == "int8" else {}
    kept = {key: described[key] for key in ("memory", "templates", "batch")}
    files = {name: f"{name}.xml" for name in models} | {"weights": CONSTANTS_FILE}
    return {"format": "openvino", **files, **kept, **arithmetic}


class _Constants:
    """A file of constants that stores equal ones once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places: dict[bytes, int] = {}

    def put(self, content: bytes) -> int:
        """Return the position of this content in the file; write it if it is new."""
        key = hashlib.sha256(content).digest()
        if key not in self._places:
            self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
            self._places[key] = self._file.tell()
            self._file.write(content)
        return self._places[key]


def _share(source: Path, target: Path, constants: _Constants) -> None:
    """Copy a graph, and move its constants to the common file."""
    tree = ElementTree.parse(source)
    with source.with_suffix(".bin").open("rb") as own:
        for data in tree.iterfind(".//layer[@type='Const']/data"):
            own.seek(int(data.attrib["offset"]))
            data.set("offset", str(constants.put(own.read(int(data.attrib["size"])))))
    tree.write(target, encoding="utf-8", xml_declaration=True)
