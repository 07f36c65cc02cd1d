"""The kinds of trackers that `evaluate` accepts, as functions that make the tracker of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from mixformer.configs.flops import frame_flops
from mixformer.configs.runtime import Runtime
from mixformer.engines import Engine
from mixformer.errors import ConfigError
from mixformer.evaluation.runs import TrackerMaker
from mixformer.evaluation.sequence_runner import TrackerLike
from mixformer.tracking.factory import TrackerFactory, published_name, rules_for
from mixformer.tracking.tracker import Tracker
from mixformer.weights.tracker_settings import stored_config

if TYPE_CHECKING:
    from mixformer.models import MixFormer

    TrackerSource = str | Path | MixFormer | Engine | TrackerFactory | TrackerLike


@dataclass(frozen=True)
class NamedTracker:
    """A tracker that workers can make."""

    name: str  # its name in tables, and of its folder
    make: TrackerMaker  # makes the tracker of worker number i
    settings: Mapping[str, Any] = field(default_factory=dict)  # plain values that decide the results
    # Whether `settings` identify the tracker with its weights, so that its results can be resumed
    identified: bool = False
    gflops: float | None = None  # billions of operations per frame; None if the network is not known


def _same(tracker: TrackerLike, number: int) -> TrackerLike:
    """Give every worker the same tracker; another process gets a copy."""
    return tracker


def name_tracker(
    source: TrackerSource,
    preset: str,
    dataset: str,
    runtime: Runtime,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> NamedTracker:
    """Give any kind of tracker a name, and a function that makes it in a worker.

    Arguments are those of `evaluate`. An engine, a factory or a tracker has its own runtime, and a factory or a tracker
    its own settings. Raises CheckpointError if the model cannot be used, and ConfigError if the preset is unknown.
    """
    if isinstance(source, str | Path):
        source = TrackerFactory(str(source), rules_for(str(source), preset, dataset).replace(**changes), runtime)
    elif changes:
        raise ConfigError("settings need the name, folder or file of a model; give them to the tracker itself instead")
    if isinstance(source, TrackerFactory):
        name = Path(source.model).name.removesuffix(".tar").removesuffix(".pth")
        config = stored_config(source.model)
        return NamedTracker(name, source, source.settings(), identified=True, gflops=frame_flops(config) / 1e9)
    if not hasattr(source, "update"):  # a network or an engine
        chosen = None if preset == "none" else published_name(preset, dataset)
        source = Tracker(cast("MixFormer | Engine", source), preset=chosen, runtime=runtime, on_resize="rescale")
    if isinstance(source, Tracker):
        config = source.engine.config
        rules = {"rules": source.config.to_dict()}
        return NamedTracker(config.name, partial(_same, source), rules, gflops=frame_flops(config) / 1e9)
    return NamedTracker(str(getattr(source, "name", type(source).__name__)), partial(_same, cast(TrackerLike, source)))
