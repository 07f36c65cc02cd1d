"""The description of a tracker from which worker processes build it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixformer.configs.presets import tracker_config
from mixformer.configs.runtime import Runtime
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import ConfigError
from mixformer.weights.catalog import WEIGHTS_FILE, find_weights

if TYPE_CHECKING:
    from mixformer.tracking import Tracker

# Data set -> benchmark with its published settings, if the names differ.
_BENCHMARKS = {"lasot_ext": "lasot", "vot2022": "vot2022stb"}


@dataclass(frozen=True)
class TrackerFactory:
    """A picklable description of a tracker: calling it with the number of a worker makes a `Tracker`.

    Attributes:
        model: name, folder or checkpoint file.
        config: tracker settings.
        runtime: device, engine, precision and threads of each worker. With the device "auto" or "cuda", worker i of
            n GPUs gets GPU i modulo n, if its engine runs on GPUs. `threads` None means 1, so that workers do not
            compete. Results are equal only if the number of threads is equal.

    Example:
        >>> from mixformer import Runtime, TrackerConfig
        >>> from mixformer.tracking import TrackerFactory
        >>> factory = TrackerFactory("mixformerv2_dino_s8", TrackerConfig(), Runtime(precision="float32"))
        >>> factory.threads, factory(0).config.search_factor
        (1, 4.5)
    """

    model: str
    config: TrackerConfig
    runtime: Runtime = Runtime()

    @property
    def threads(self) -> int:
        """CPU threads of each worker's engine."""
        return self.runtime.threads or 1

    def __call__(self, number: int) -> Tracker:
        """Make the tracker of worker `number`."""
        from mixformer.engines import gpu_count, select_engine
        from mixformer.tracking import Tracker

        runtime, count = self.runtime.replace(threads=self.threads), gpu_count()
        on_any = runtime.device in ("auto", "cuda") and count > 0
        if on_any and select_engine(self.model, runtime).device.startswith("cuda"):
            runtime = runtime.replace(device=f"cuda:{number % count}")
        return Tracker(self.model, self.config, runtime=runtime, on_resize="rescale")

    def settings(self) -> dict[str, Any]:
        """Return all values that decide the results: model, checksum of its weights, settings, engine, precision.

        "auto" is replaced by the engine and precision that run on this machine.
        """
        from mixformer.engines.create import running_engine

        choice = running_engine(self.model, self.runtime.replace(threads=self.threads))
        path = find_weights(self.model)
        with (path / WEIGHTS_FILE if path.is_dir() else path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "model": Path(self.model).name,
            "weights": digest[:16],
            "rules": self.config.to_dict(),
            "engine": choice.engine,
            "precision": choice.precision,
            "threads": self.threads,
        }


def published_name(preset: str, dataset: str) -> str:
    """Return the name of published settings; "paper" stands for those of the data set."""
    return _BENCHMARKS.get(dataset, dataset) if preset == "paper" and dataset else preset


def rules_for(model: str, preset: str, dataset: str) -> TrackerConfig:
    """Find the tracker settings for a model on a data set.

    Args:
        model: name, folder or checkpoint file.
        preset: "none" for the settings stored with the model, "paper" for the settings published for this model on
            this data set, or the name of published settings, such as "lasot@1k".
        dataset: name of the data set.

    Raises:
        CheckpointError: if the model is missing or cannot be used.
        ConfigError: if no such settings are published; the message lists the presets.
    """
    from mixformer.weights.tracker_settings import load_tracker_config, stored_config

    if preset == "none":
        return load_tracker_config(model)
    variant = stored_config(model).name
    try:
        return tracker_config(variant, published_name(preset, dataset))
    except ConfigError as error:
        raise ConfigError(
            f"{error}. Choose one with --preset, or --preset none for the model's own settings"
        ) from error
