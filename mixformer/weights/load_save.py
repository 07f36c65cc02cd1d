"""Load and save model folders (`config.json` and `model.safetensors`), and load official checkpoints."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import CheckpointError, ConfigError, shown
from mixformer.files import text_writer, write_files
from mixformer.models import MixFormer, build_model
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE, find_weights
from mixformer.weights.checkpoint_reader import read_checkpoint
from mixformer.weights.infer_config import infer_config
from mixformer.weights.model_folder import FORMAT, read_folder
from mixformer.weights.official_names import as_official, from_official
from mixformer.weights.state_dicts import (
    as_floats,
    check_state_dict,
    current_names,
    dequantize_state,
    model_shapes,
    quantize_state,
)


@dataclass(frozen=True)
class ModelWeights:
    """Weights and sizes of a network, without the network itself."""

    config: ModelConfig  # sizes of the network
    state: dict[str, Tensor]  # state dict in the names of this package, complete and checked, float32 on the CPU
    tracker: TrackerConfig | None = None  # tracker settings stored with it, or None


def save_model(
    model: MixFormer,
    folder: str | Path,
    *,
    precision: str = "float32",
    tracker_config: TrackerConfig | None = None,
    tracker: TrackerConfig | None = None,
) -> Path:
    """Write a model folder and return it. After an error, an existing folder is unchanged.

    Args:
        model: the network; its weights may be on any device.
        folder: folder to write, made if it is missing.
        precision: "float32", "float16" or "int8" for the stored weights; int8 applies only to matrices.
        tracker_config: tracker settings to store with the model; without them, those of the variant's name apply.
        tracker: old name of `tracker_config`.

    Raises:
        OutputError: if it cannot be written.
        ConfigError: for an unknown precision.

    Example:
        >>> model = load_model("mixformerv2_dino_s8")
        >>> sorted(path.name for path in save_model(model, "mine", precision="float16").iterdir())
        ['config.json', 'model.safetensors']
    """
    if tracker is not None:
        warnings.warn("save_model(tracker=...) is now called tracker_config", DeprecationWarning, stacklevel=2)
    stored = tracker_config or tracker
    if not isinstance(model, torch.nn.Module) or not isinstance(stored, TrackerConfig | None):
        raise ConfigError("model must be a network of load_model, and tracker_config a mixformer.TrackerConfig(...)")
    weights = ModelWeights(model.config, model.state_dict(), stored)
    return save_weights(weights, folder, precision=precision)


def save_weights(weights: ModelWeights, folder: str | Path, *, precision: str = "float32") -> Path:
    """Write a model folder from a state dict without building the network; arguments and errors as in `save_model`.

    Example:
        >>> weights = load_weights("mixformerv2_dino_s8")
        >>> save_weights(weights, "mine").name
        'mine'
    """
    folder = Path(folder)
    tensors = quantize_state(weights.state, precision)
    description: dict[str, Any] = {"format": FORMAT, "precision": precision, "model": weights.config.to_dict()}
    if weights.tracker is not None:
        description["tracker"] = weights.tracker.to_dict()
    text = json.dumps(description, indent=2) + "\n"
    write_files(
        {
            folder / WEIGHTS_FILE: lambda path: save_file(tensors, path, {"format": "pt"}),
            folder / CONFIG_FILE: text_writer(text),
        }
    )
    return folder


def load_model(
    name_or_path: str | Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> MixFormer:
    """Build a network with its weights, in evaluation mode.

    Args:
        name_or_path: name of a variant whose weights come with the package, model folder, `.safetensors` file beside a
            `config.json`, or checkpoint of the official code or mmtracking (no code in it is executed).
        device: device of the network, such as "cpu" or "cuda".
        dtype: type of its weights.

    Raises:
        CheckpointError: if the model is not found, or its file is damaged or of another kind.
        ConfigError: if a `config.json` holds invalid values.

    Example:
        >>> model = load_model("mixformerv2_dino_s8")
        >>> model.config.depth, model.config.search_size
        (8, 196)
    """
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"unknown device {shown(device)}; use cpu, cuda, cuda:N or mps") from error
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ConfigError(f"dtype is a number format of PyTorch, such as torch.float32, not {shown(dtype)}")
    return network_of(load_weights(name_or_path)).to(device=place, dtype=dtype)


def network_of(weights: ModelWeights) -> MixFormer:
    """Build the network of loaded weights, in evaluation mode."""
    model = build_model(weights.config)
    model.load_state_dict(weights.state)
    return model.eval()


def load_weights(name_or_path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> ModelWeights:
    """Read sizes and weights of a model without building the network.

    Args:
        name_or_path: as in `load_model`.
        overrides: values of `ModelConfig` that an official file does not contain, if they differ from the usual ones in
            parentheses: `heads` (width / 64); for MixCvT `search_size` (320), `template_size` (128), `activation`
            ("quick_gelu").

    Raises:
        CheckpointError: if the model is not found, or its file is damaged or of another kind.
        ConfigError: if a `config.json` holds invalid values.

    Example:
        >>> weights = load_weights("mixformerv2_dino_s8")
        >>> len(weights.state), weights.state["backbone.pos_search"].shape
        (130, torch.Size([1, 196, 384]))
    """
    path = find_weights(name_or_path)
    if path.is_dir():
        return _load_ours(path / WEIGHTS_FILE)
    if path.suffix == ".safetensors":
        return _load_ours(path)
    state = as_official(read_checkpoint(path))
    try:
        config = infer_config(state, overrides)
        return ModelWeights(config, as_floats(from_official(state, config), str(path)))
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"cannot use {path}: {error}") from error


def _load_ours(path: Path) -> ModelWeights:
    folder = read_folder(path.parent)
    try:
        stored = current_names(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {path}: missing or damaged; convert or download it again ({error})"
        ) from error
    state = dequantize_state(stored, str(path))
    check_state_dict(state, model_shapes(folder.config), str(path))
    return ModelWeights(folder.config, state, folder.tracker)
