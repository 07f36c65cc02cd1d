"""Find the tracker settings and the variant of a model without loading it. Only official checkpoints need PyTorch."""

from __future__ import annotations

from pathlib import Path

from mixformer.configs.model import ModelConfig
from mixformer.configs.presets import tracker_config
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import CheckpointError, ConfigError
from mixformer.weights.model_folder import find_folder


def load_tracker_config(name_or_path: str | Path, variant: str | None = None) -> TrackerConfig:
    """Read the tracker settings stored with the weights; if there are none, return the defaults of the variant.

    With `variant`, an official file is not read. Raises CheckpointError and ConfigError if the model cannot be used.
    """
    folder = find_folder(name_or_path)
    if folder is not None and folder.tracker is not None:
        return folder.tracker
    return tracker_config(variant or stored_config(name_or_path).name)


def stored_config(name_or_path: str | Path) -> ModelConfig:
    """Return the configuration of the network in a folder or official file. Only the shapes of a file are read."""
    if (folder := find_folder(name_or_path)) is not None:
        return folder.config
    from mixformer.weights.checkpoint_reader import read_checkpoint  # imported late: these need PyTorch
    from mixformer.weights.infer_config import infer_config
    from mixformer.weights.official_names import as_official

    try:
        return infer_config(as_official(read_checkpoint(name_or_path, shapes_only=True)))
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"cannot use {name_or_path}: {error}") from error
