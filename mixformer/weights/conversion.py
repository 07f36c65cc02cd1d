"""Between official checkpoints and model folders, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError, OutputError
from mixformer.files import write_files
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE
from mixformer.weights.load_save import Weights, load_weights, save_weights
from mixformer.weights.official_names import to_mmtracking_names, to_official

TARGETS = ("mixformer", "official", "mmtracking")


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion wrote.

    Attributes:
        config: sizes of the model; its name is that of a variant if the sizes are.
        files: paths written.
        tensors: entries in the state dict.
        size: bytes written.
    """

    config: ModelConfig
    files: tuple[Path, ...]
    tensors: int
    size: int


def convert(
    source: str | Path,
    out: str | Path,
    to: str = "mixformer",
    precision: str = "float32",
    *,
    known: Mapping[str, Any] | None = None,
) -> ConvertReport:
    """Convert weights; no code in a checkpoint is executed.

    Args:
        source: official `.pth.tar`, mmtracking `.pth`, model folder, `.safetensors` file beside its `config.json`, or a
            variant's name.
        out: folder to write for "mixformer", file (such as `model.pth.tar`) for the others.
        to: "mixformer", "official" or "mmtracking".
        precision: "float32", "float16" or "int8" for a folder; official files are float32.
        known: values of `ModelConfig` that the source does not tell; see `load_weights`.

    Raises:
        CheckpointError: if the source cannot be used; missing, unknown and mis-shaped entries are named.
        ConfigError: for an unknown target or precision.
        OutputError: if the result cannot be written.
    """
    if to not in TARGETS:
        raise ConfigError(f"can convert to {', '.join(TARGETS)}, not to {to!r}")
    if to != "mixformer" and precision != "float32":
        raise ConfigError(f"files for {to} are float32; {precision!r} is for --to mixformer")
    weights, out = load_weights(source, known=known), Path(out)
    if to == "mixformer":
        folder = save_weights(weights, out, precision=precision)
        files: tuple[Path, ...] = (folder / CONFIG_FILE, folder / WEIGHTS_FILE)
    else:
        write: Callable[[Weights, Path], Path] = write_official if to == "official" else write_mmtracking
        files = (write(weights, out),)
    return ConvertReport(weights.config, files, len(weights.state), sum(file.stat().st_size for file in files))


def write_official(weights: Weights, path: str | Path) -> Path:
    """Write an official checkpoint: the weights under `net`, plain values under the other official keys.

    Raises:
        OutputError: if `path` is a folder or cannot be written.
    """
    score = weights.config.score == "spm"
    content = {
        "epoch": 0,
        "actor_type": None,
        "net_type": "MixFormerOnlineScore" if score else "MixFormer",
        "net": to_official(weights.state, weights.config),
        "net_info": None,
        "constructor": None,
        "optimizer": None,
        "stats": None,
        "settings": None,
    }
    return _write(content, Path(path), weights.config.name)


def write_mmtracking(weights: Weights, path: str | Path) -> Path:
    """Write a checkpoint of mmtracking's MixCvT: the weights under `state_dict`.

    Raises:
        CheckpointError: if the network is no MixCvT with a plain corner head.
        OutputError: if `path` is a folder or cannot be written.
    """
    content = {"meta": {}, "state_dict": to_mmtracking_names(weights.state, weights.config)}
    return _write(content, Path(path), weights.config.name)


def _write(content: dict[str, Any], path: Path, name: str) -> Path:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give a file name such as {path / (name + '.pth.tar')}")
    write_files({path: lambda place: torch.save(content, place)})
    return path
