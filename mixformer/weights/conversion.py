"""Convert official checkpoints to model folders, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError, OutputError
from mixformer.files import write_files
from mixformer.files.places import claimed_folder, require_apart, require_place
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE, files_of_model
from mixformer.weights.load_save import ModelWeights, load_weights, save_weights
from mixformer.weights.official_names import to_mmtracking_names, to_official

TARGETS = ("mixformer", "official", "mmtracking")


@dataclass(frozen=True)
class ConvertReport:
    """Result of `convert`.

    Attributes:
        config: sizes of the model; if a named variant has the same sizes, also its name.
        files: the written paths.
        tensors: number of entries in the state dict.
        size: number of bytes written.

    Example:
        >>> from mixformer.weights import convert
        >>> convert("mixformerv2_dino_s8", "copy").size > 20e6
        True
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
    overrides: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> ConvertReport:
    """Convert weights to a model folder, or a model folder to an official checkpoint.

    No code in a checkpoint is executed. The kind of model is found from the shapes of its weights.

    Args:
        source: official `.pth.tar`, mmtracking `.pth`, model folder, `.safetensors` file beside its `config.json`, or
            name of a variant.
        out: folder to write for "mixformer"; file (such as `model.pth.tar`) for "official" and "mmtracking".
        to: "mixformer", "official" or "mmtracking".
        precision: "float32", "float16" or "int8" for a folder; official files are float32.
        overrides: values of `ModelConfig` that the source does not contain; see `load_weights`.
        overwrite: replace existing files when the new ones are complete.

    Raises:
        CheckpointError: if the source cannot be used; the message lists missing, unknown and mis-shaped entries.
        ConfigError: for an unknown target or precision, or a network that the target does not support.
        OutputError: if the result cannot be written, or already exists.

    Example:
        >>> report = convert("mixformerv2_dino_s8", "half", precision="float16")
        >>> report.config.name, [path.name for path in report.files]
        ('mixformerv2_dino_s8', ['config.json', 'model.safetensors'])
    """
    if to not in TARGETS:
        raise ConfigError(f"cannot convert to {to!r}; choose from {', '.join(TARGETS)}")
    if to != "mixformer" and precision != "float32":
        raise ConfigError(f"files for {to} are float32; leave out the precision {precision!r}, or convert to mixformer")
    out = Path(out)
    if to == "mixformer":
        require_apart(out / CONFIG_FILE, files_of_model(source))
        with claimed_folder(out, CONFIG_FILE, "model folder", overwrite):
            weights = load_weights(source, overrides=overrides)
            folder = save_weights(weights, out, precision=precision)
        files: tuple[Path, ...] = (folder / CONFIG_FILE, folder / WEIGHTS_FILE)
    else:
        if out.is_dir():
            raise OutputError(f"{out} is a folder; give a file name such as {out / 'model.pth.tar'}")
        require_apart(out, files_of_model(source))
        require_place(out, overwrite)
        weights = load_weights(source, overrides=overrides)
        if weights.config.elimination:
            raise ConfigError(
                f"{weights.config.name} leaves search tokens out, which the format {to} does not support; keep all "
                "tokens first (mixformer prune --eliminate without pairs)"
            )
        if to == "official":
            write_official(weights, out)
        else:
            content = {"meta": {}, "state_dict": to_mmtracking_names(weights.state, weights.config)}
            write_files({out: partial(_save, content)})
        files = (out,)
    return ConvertReport(weights.config, files, len(weights.state), sum(file.stat().st_size for file in files))


def _save(content: Mapping[str, object], path: Path) -> None:
    """Save as PyTorch does, but with the errors of the system: PyTorch's own say nothing of a full disk."""
    made = io.BytesIO()
    torch.save(content, made)
    path.write_bytes(made.getbuffer())


def write_official(weights: ModelWeights, path: Path) -> Path:
    """Write an official checkpoint: the weights under `net`, plain values under the other official keys."""
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
    write_files({path: partial(_save, content)})
    return path
