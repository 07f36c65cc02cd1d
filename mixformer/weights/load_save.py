"""Model folders (`config.json` and `model.safetensors`) and the one way to load a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.configs.tracker import TrackerConfig
from mixformer.errors import CheckpointError, ConfigError
from mixformer.files import write_files
from mixformer.models import MixFormer, build_model
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE, ModelInfo, find_weights, list_models
from mixformer.weights.check_state_dict import check_state_dict, current_names, model_shapes
from mixformer.weights.checkpoint_reader import read_checkpoint
from mixformer.weights.infer_config import infer_config
from mixformer.weights.model_folder import FORMAT, read_folder
from mixformer.weights.official_names import as_official, from_official
from mixformer.weights.quantize import dequantize_state, quantize_state

__all__ = [
    "ModelInfo",
    "Weights",
    "list_models",
    "load_model",
    "load_weights",
    "save_model",
    "save_weights",
]


@dataclass(frozen=True)
class Weights:
    """A model before it is built.

    Attributes:
        config: its sizes.
        state: our state dict, complete and checked, float32 on the CPU.
        tracker: settings stored with it, or None.
    """

    config: ModelConfig
    state: dict[str, Tensor]
    tracker: TrackerConfig | None = None


def save_model(
    model: MixFormer, folder: str | Path, *, precision: str = "float32", tracker: TrackerConfig | None = None
) -> Path:
    """Write a model folder. It is replaced as a whole or, after an error, left as it was.

    Args:
        model: the network; its weights may be on any device.
        folder: made if it is missing.
        precision: "float32", "float16" or "int8" (see `quantize.compress`).
        tracker: settings to load with the model; by default those of the variant's name apply.

    Returns:
        The folder.

    Raises:
        OutputError: if it cannot be written.
        ConfigError: for an unknown precision.
    """
    return save_weights(Weights(model.config, model.state_dict(), tracker), folder, precision=precision)


def save_weights(weights: Weights, folder: str | Path, *, precision: str = "float32") -> Path:
    """`save_model` for a state dict that no network was built for; same errors."""
    folder = Path(folder)
    tensors = quantize_state(weights.state, precision)
    description: dict[str, Any] = {"format": FORMAT, "precision": precision, "model": weights.config.to_dict()}
    if weights.tracker is not None:
        description["tracker"] = weights.tracker.to_dict()
    text = json.dumps(description, indent=2) + "\n"
    write_files(
        {
            folder / WEIGHTS_FILE: lambda path: save_file(tensors, path, {"format": "pt"}),
            folder / CONFIG_FILE: lambda path: path.write_text(text),
        }
    )
    return folder


def load_model(
    name_or_path: str | Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> MixFormer:
    """Build a network with its weights, in evaluation mode.

    Args:
        name_or_path: a variant whose weights come with the package, a model folder, a `.safetensors` file beside a
            `config.json`, or an official or mmtracking checkpoint (converted in memory; nothing in it is executed).
        device: where to put it.
        dtype: of its weights.

    Raises:
        CheckpointError: if nothing fitting is found, or the file is damaged or of another model.
        ConfigError: if a `config.json` holds invalid values.
    """
    weights = load_weights(name_or_path)
    model = build_model(weights.config)
    model.load_state_dict(weights.state)
    return model.to(device=device, dtype=dtype).eval()


def load_weights(name_or_path: str | Path, *, known: Mapping[str, Any] | None = None) -> Weights:
    """Sizes and weights of what `load_model` would build.

    Args:
        name_or_path: as in `load_model`.
        known: values of `ModelConfig` that an official file does not tell, where they are not the usual ones:
            `heads` (width / 64), `search_size` and `template_size` of a MixCvT (320, 128), its `activation`.

    Raises:
        CheckpointError: if nothing fitting is found, or the file is damaged or of another model.
        ConfigError: if a `config.json` holds invalid values.
    """
    path = find_weights(name_or_path)
    if path.is_dir():
        return _load_ours(path / WEIGHTS_FILE)
    if path.suffix == ".safetensors":
        return _load_ours(path)
    state = as_official(read_checkpoint(path))
    try:
        config = infer_config(state, known)
        return Weights(config, _floats(from_official(state, config)))
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"cannot use {path}: {error}") from error


def _load_ours(path: Path) -> Weights:
    folder = read_folder(path.parent)
    try:
        stored = current_names(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {path}: missing or damaged; convert or download it again ({error})"
        ) from error
    state = dequantize_state(stored, str(path))
    check_state_dict(state, model_shapes(folder.config), str(path))
    return Weights(folder.config, state, folder.tracker)


def _floats(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
