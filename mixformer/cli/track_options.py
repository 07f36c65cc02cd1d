"""Options of `mixformer track`, `mixformer track-all` and `mixformer demo`, and the values made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.parser import (
    add_flag,
    add_model,
    add_option,
    add_overwrite,
    add_quiet,
    add_runtime,
    runtime_from,
)
from mixformer.cli.settings_options import add_settings, changed_settings
from mixformer.errors import BoxError, ConfigError, OutputError
from mixformer.files.places import require_free, require_unclaimed
from mixformer.video.output_formats import OUTPUT_FORMATS

if TYPE_CHECKING:
    from mixformer.tracking import MultiTracker, TrackerFactory
    from mixformer.video import Target


def add_live(parser: ArgumentParser) -> None:
    """Add the options of cameras and streams."""
    wait = "seconds to wait until a camera or an address opens, and for each frame"
    busy = "skip the frames that arrive while the tracker is busy"
    add_option(parser, "--timeout", float, wait, 10.0)
    add_flag(parser, "--every-frame", f"track every frame of a camera or stream, however late; default: {busy}")


def add_model_and_outputs(parser: ArgumentParser) -> None:
    """Add the options of the model, the outputs and the tracker's settings."""
    add_model(parser)
    add_runtime(parser)
    for each in OUTPUT_FORMATS.values():
        add_option(parser, f"--{each.option or each.name}", Path, each.help, metavar="PATH")
    pipeline = "read, track, draw and write one frame after the other; slower, with the same results"
    add_flag(parser, "--no-pipeline", pipeline)
    add_overwrite(parser)
    add_quiet(parser)
    add_settings(parser)


def targets_of(options: Namespace) -> list[Target]:
    """Return the targets to track.

    Raises BoxError if there are none, or one cannot be tracked, and ConfigError if they are given twice.
    """
    from mixformer.cli.ask import ask_box
    from mixformer.imaging import parse_box
    from mixformer.video import Target, read_targets

    if options.targets is None:
        box = ask_box(options.source, options.start) if options.box is None else parse_box(options.box)
        return [Target(1, box, options.start)]
    if options.box is not None:
        raise ConfigError("--box and --targets both name targets; give one of them, or put the box into the file too")
    targets = read_targets(options.targets, options.start)
    for target in targets:
        if target.start < options.start:
            raise BoxError(f"{target.where}: the target begins in frame {target.start}, before --start {options.start}")
    return targets


def outputs_from(options: Namespace, source: str, goes_on: Callable[[Mapping[str, Path]], bool]) -> dict[str, Path]:
    """Return the path of each output that the options ask for.

    Without boxes and video, the annotated video of `source` goes to the current folder, under a name that is free, or
    that the same command was interrupted with (`goes_on`).
    """
    outputs = {name: options[each.key] for name, each in OUTPUT_FORMATS.items() if options[each.key] is not None}
    if not set(outputs) - {"masks"}:
        name = Path(source.split("://")[-1].rstrip("/\\")).stem or "video"
        for number in count(1):
            path = Path(f"{name}_tracked.mp4" if number == 1 else f"{name}_tracked_{number}.mp4")
            if _is_free(path, options.overwrite or goes_on({**outputs, "video": path})):
                return {**outputs, "video": path}
    return outputs


def _is_free(path: Path, overwrite: bool) -> bool:
    """Tell whether no result has the name, and no other process writes it just now."""
    try:
        require_unclaimed(path)
        if not overwrite:
            require_free(path)
    except OutputError:
        return False
    return True


def tracker_factory(options: Namespace) -> TrackerFactory:
    """Make the factory of the tracker that the options describe."""
    from mixformer.tracking.factory import TrackerFactory, rules_for

    config = rules_for(options.model, options.preset or "none", "").replace(**changed_settings(options))
    return TrackerFactory(options.model, config, runtime_from(options))


def make_tracker(options: Namespace) -> MultiTracker:
    """Make the tracker, with the settings of the model or the preset and the changes of the options."""
    from mixformer.tracking import MultiTracker

    factory = tracker_factory(options)
    return MultiTracker(options.model, factory.config, runtime=factory.runtime, on_resize="rescale")
