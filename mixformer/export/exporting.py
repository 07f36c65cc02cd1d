"""Export a model: write its graphs, compare them with PyTorch, and move the folder to its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError

from mixformer.errors import ConfigError, MixFormerError, OutputError, remedy
from mixformer.export.settings import ExportPlan, ExportReport
from mixformer.files import read_json_file
from mixformer.files.partial_names import beside, own_mark
from mixformer.files.places import claimed_folder, require_name
from mixformer.optional import explain_missing, require
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE
from mixformer.weights.model_folder import ModelFolder, find_folder, read_folder
from mixformer.weights.tracker_settings import load_tracker_config

_CARD = "MODEL_CARD.md"
_GRAPH_FILES = ("remember.onnx", "locate.onnx", "remember.xml", "locate.xml", "graphs.bin")


def export_model(
    model: str | Path,
    out: str | Path,
    *,
    to: str = "onnx",
    precision: str | None = None,
    batch: int | None = None,
    templates: int | None = None,
    video: str | Path = DEMO_CLIP,
    box: Sequence[float] = DEMO_BOX,
    overwrite: bool = False,
) -> ExportReport:
    """Write a model folder with graphs for other runtimes, after a comparison with PyTorch on real crops.

    Args:
        model: name, folder or checkpoint file, as for `mixformer.load_model`.
        out: folder to write; if it is the folder of `model`, graphs are added to it.
        to: "onnx" for two graphs that read the folder's `model.safetensors`, or "openvino" for OpenVINO's own format
            with one file of constants.
        precision: "float32", "float16" or "int8" for the stored weights; None keeps the precision of `model`. For
            "openvino", "int8" also means 8-bit arithmetic, calibrated on real crops.
        batch: number of targets in a call, or None for graphs that take any number.
        templates: number of templates of a target, including the static one, or None for any number.
        video: source of the crops for comparison and calibration: anything that `mixformer.open_video` takes.
        box: x, y, width, height of the target in the video's first frame, in pixels.
        overwrite: replace another model in `out`.

    Returns:
        Sizes of the files and the largest differences from PyTorch.

    Raises:
        CheckpointError: if the model is missing or does not fit.
        ConfigError: for an unknown format or precision, a number below 1, or if `out` is a folder without a model.
        ExportError: if the graphs differ too much from PyTorch, or smaller weights from `model`; nothing is written.
        MissingDependencyError: if a package is missing; the message has its install command.
        OutputError: if the folder cannot be written, or holds another model; it is then unchanged.
        SourceError: if the video cannot be read.

    Example:
        >>> from mixformer import export_model
        >>> report = export_model("mixformerv2_dino_s8", "exported", to="onnx")  # doctest: +SKIP
        >>> sorted(report.sizes)  # doctest: +SKIP
        ['config.json', 'locate.onnx', 'model.safetensors', 'remember.onnx']
        >>> export_model("mixformerv2_dino_s8", "exported", to="tflite")
        Traceback (most recent call last):
        mixformer.errors.ConfigError: can export to onnx, openvino, not to 'tflite'
    """
    plan, out = ExportPlan(to, precision, batch, templates, video, box), Path(out).absolute()
    _require_packages(plan)
    require_name(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / CONFIG_FILE).is_file()):
        raise ConfigError(f"{out} is not a model folder; give a new folder, or a model folder to replace")
    place = beside(out, ".", f".{own_mark()}.partial")
    try:
        with (
            claimed_folder(out, CONFIG_FILE, "model folder", overwrite or _is_own(model, out)),
            explain_missing("export"),
        ):
            place.mkdir()
            report = _make(model, place, plan)
            _move(place, out)
    except MixFormerError:
        raise
    except (OSError, SafetensorError) as error:
        raise OutputError(f"could not write {out}: {error}; {remedy(error)}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return replace(report, folder=out)


def _make(model: str | Path, place: Path, plan: ExportPlan) -> ExportReport:
    from mixformer.export.differences import Check
    from mixformer.export.graph_files import write_graphs
    from mixformer.weights.load_save import load_model

    lossy = _store(model, place, plan.precision)
    check = Check.of(model, plan)
    described = write_graphs(load_model(place), place, plan, check.calibration)
    folder = _describe(place, described)
    differences, iou = check.run(folder, plan, lossy)
    return ExportReport(
        folder=place,
        config=folder.config,
        precision=folder.precision,
        templates=plan.templates,
        batch=plan.batch,
        sizes={file.name: file.stat().st_size for file in sorted(place.iterdir())},
        differences=tuple(differences),
        iou=iou,
    )


def _require_packages(plan: ExportPlan) -> None:
    wanted = ["torch", "onnxscript"]
    if plan.to == "openvino":
        wanted += ["openvino", "nncf"] if plan.precision == "int8" else ["openvino"]
    for package in wanted:
        require(package, "export")


def _is_own(model: str | Path, out: Path) -> bool:
    source = find_folder(model)
    return source is not None and out.is_dir() and source.path.samefile(out)


def _store(model: str | Path, place: Path, precision: str | None) -> bool:
    """Write the weights and their description; return True if they have fewer bits than those of `model`."""
    from mixformer.weights.load_save import load_weights, save_weights

    source = find_folder(model)
    stored = "float32" if source is None else source.precision
    if source is None or precision not in (None, stored):
        save_weights(load_weights(model), place, precision=precision or stored)
    else:
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            shutil.copyfile(source.path / name, place / name)
    if source is not None and (source.path / _CARD).is_file():
        shutil.copyfile(source.path / _CARD, place / _CARD)
    return precision not in (None, "float32", stored)


def _describe(place: Path, graphs: dict[str, object]) -> ModelFolder:
    """Add the graphs and the tracker settings to the folder's description."""
    path = place / CONFIG_FILE
    content = read_json_file(path) | {"graphs": graphs, "tracker": load_tracker_config(place).to_dict()}
    path.write_text(json.dumps(content, indent=2) + "\n")
    return read_folder(place)


def _move(place: Path, out: Path) -> None:
    """Move the finished files to their folder, the description last, and delete graphs of an earlier export."""
    out.mkdir(exist_ok=True)
    names = [file.name for file in place.iterdir() if file.name != CONFIG_FILE]
    for name in (*names, CONFIG_FILE):
        (place / name).replace(out / name)
    for name in _GRAPH_FILES:
        if name not in names:
            (out / name).unlink(missing_ok=True)
