"""Read the description of a model folder, its `config.json`. This needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixformer.configs.model import ModelConfig
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import CheckpointError, ConfigError
from mixformer.files import read_json_file
from mixformer.weights.catalog import CONFIG_FILE, find_weights

FORMAT = 1
"""Version of `config.json`."""


@dataclass(frozen=True)
class ExportedGraphs:
    """Graphs that `mixformer export` wrote into a folder."""

    format: str  # "onnx" or "openvino"
    remember: Path  # file of the graph from templates to the memory
    locate: Path  # file of the graph from a search crop and the memory to boxes and scores
    weights: Path | None  # file of OpenVINO's constants; None for ONNX, whose files name theirs
    memory: tuple[str, ...]  # names of the memory tensors, in order
    templates: int | None = None  # number of templates that the graphs accept; None = any
    batch: int | None = None  # number of targets that the graphs accept; None = any
    arithmetic: str = "float"  # "int8" if the graphs themselves round to 8 bits, else "float"


@dataclass(frozen=True)
class ModelFolder:
    """The content of a folder's `config.json`."""

    path: Path  # the folder
    config: ModelConfig  # sizes of the network
    precision: str  # of the stored weights: "float32", "float16" or "int8"
    tracker: TrackerConfig | None  # settings stored with it, or None
    graphs: ExportedGraphs | None  # exported graphs; None if there are none, or a file is missing


def read_folder(path: str | Path) -> ModelFolder:
    """Read the description of a model folder; CheckpointError if missing or damaged, ConfigError for wrong values."""
    path = Path(path)
    content = _read_json(path / CONFIG_FILE)
    tracker = content.get("tracker")
    try:
        return ModelFolder(
            path,
            ModelConfig.from_dict(content["model"]),
            str(content.get("precision", "float32")),
            None if tracker is None else TrackerConfig.from_dict(tracker),
            _graphs(path, content["graphs"]) if "graphs" in content else None,
        )
    except ConfigError as error:
        raise ConfigError(f"{path / CONFIG_FILE}: {error}") from error


def find_folder(name_or_path: str | Path) -> ModelFolder | None:
    """Read the folder of a name or path, as in `load_model`; return None for an official checkpoint file."""
    path = find_weights(name_or_path)
    if path.is_dir():
        return read_folder(path)
    return read_folder(path.parent) if path.suffix == ".safetensors" else None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise CheckpointError(f"there is no {CONFIG_FILE} in {path.parent}; put it beside the weights")
    content = read_json_file(path, CheckpointError)
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise CheckpointError(f"{path} does not describe a model: it needs an object under 'model'; convert it again")
    if content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {content.get('format')!r}, this version reads {FORMAT}; update mixformer"
        )
    return content


def _graphs(folder: Path, said: Any) -> ExportedGraphs | None:
    """Read the graphs of a description. Return None if a file is missing, since the weights work without graphs."""
    if not isinstance(said, Mapping) or not {"remember", "locate", "memory"} <= set(said):
        raise CheckpointError(f"{folder / CONFIG_FILE}: 'graphs' needs remember, locate and memory; export it again")
    kind, memory = said.get("format", "onnx"), said["memory"]
    files = {key: said.get(key, "graphs.bin") for key in ("remember", "locate", "weights")}
    numbers = said.get("templates"), said.get("batch")
    _require_graphs(folder, kind in ("onnx", "openvino"), "format", kind)
    for key, file in files.items():  # a name without a path: a model folder must not read files elsewhere
        _require_graphs(folder, isinstance(file, str) and file == Path(file).name and "\0" not in file, key, file)
    _require_graphs(
        folder, isinstance(memory, list) and all(isinstance(name, str) for name in memory), "memory", memory
    )
    for key, number in zip(("templates", "batch"), numbers, strict=True):
        _require_graphs(folder, number is None or (type(number) is int and 0 < number <= 4096), key, number)
    remember, locate = folder / files["remember"], folder / files["locate"]
    weights = folder / files["weights"] if kind == "openvino" else None
    if not all(file is None or file.is_file() for file in (remember, locate, weights)):
        return None
    return ExportedGraphs(
        kind, remember, locate, weights, tuple(memory), *numbers, str(said.get("arithmetic", "float"))
    )


def _require_graphs(folder: Path, condition: bool, key: str, value: Any) -> None:
    if not condition:
        raise CheckpointError(f"{folder / CONFIG_FILE}: 'graphs' cannot have {key} = {value!r:.100}; export it again")
