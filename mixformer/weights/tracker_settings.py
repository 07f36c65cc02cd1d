"""Tracker settings and variant of whatever weights are named. Only an official checkpoint needs torch for it."""

from __future__ import annotations

from pathlib import Path

from mixformer.configs.presets import tracker_config
from mixformer.configs.tracker import TrackerConfig
from mixformer.weights.model_folder import ModelFolder, find_folder


def load_tracker_config(name_or_path: str | Path, variant: str | None = None) -> TrackerConfig:
    """Tracker settings stored beside the weights, else the default ones of the variant.

    Args:
        name_or_path: as in `load_model`.
        variant: name of the model there, if it is loaded already; spares reading an official file again.

    Raises:
        CheckpointError: if nothing fitting is found, or an official file cannot be used.
        ConfigError: if the stored settings are invalid.
    """
    folder = find_folder(name_or_path)
    if folder is not None and folder.tracker is not None:
        return folder.tracker
    return tracker_config(variant or _variant(folder, name_or_path))


def variant_of(name_or_path: str | Path) -> str:
    """Name of the variant that a folder says or an official file's weights tell; errors as `load_tracker_config`."""
    return _variant(find_folder(name_or_path), name_or_path)


def _variant(folder: ModelFolder | None, name_or_path: str | Path) -> str:
    if folder is not None:
        return folder.config.name
    from mixformer.weights.load_save import load_weights  # needs torch, which a folder does not

    return load_weights(name_or_path).config.name
