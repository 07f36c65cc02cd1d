"""OpenVINO's own form: two XML files and one file of constants, each constant in it once."""

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
_ALIGNMENT = 64  # bytes; what vector instructions like best


def to_openvino(place: Path, described: dict[str, Any], precision: str | None, calibration: Crops) -> dict[str, Any]:
    """Turn a folder's ONNX graphs into OpenVINO's form.

    Args:
        place: folder with ONNX graphs; they are removed.
        described: what `config.json` says of them.
        precision: "int8" for 8-bit arithmetic, "float16" for smaller constants, anything else for float32.
        calibration: crops for 8-bit arithmetic.

    Returns:
        The entry of `config.json` for the new graphs.
    """
    models = {name: core().read_model(place / described[name]) for name in ("remember", "locate")}
    fold(models["locate"])
    if precision == "int8":  # then `remember` keeps its weights as they are stored, in 8 bits
        from mixformer.export.int8 import quantize

        memory = tuple(described["memory"])
        models["locate"] = quantize(models["remember"], models["locate"], memory, calibration)
    else:
        fold(models["remember"])
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
    """A file of constants, in which equal ones share a place."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places: dict[bytes, int] = {}

    def put(self, content: bytes) -> int:
        """Return the first byte of this content; write it if it is new."""
        key = hashlib.sha256(content).digest()
        if key not in self._places:
            self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
            self._places[key] = self._file.tell()
            self._file.write(content)
        return self._places[key]


def _share(source: Path, target: Path, constants: _Constants) -> None:
    """Copy a graph, its constants moved to the common file."""
    tree = ElementTree.parse(source)
    with source.with_suffix(".bin").open("rb") as own:
        for data in tree.iterfind(".//layer[@type='Const']/data"):
            own.seek(int(data.attrib["offset"]))
            data.set("offset", str(constants.put(own.read(int(data.attrib["size"])))))
    tree.write(target, encoding="utf-8", xml_declaration=True)
