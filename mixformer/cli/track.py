"""`mixformer track` and `mixformer demo`."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace
from rich.console import Console

from mixformer.cli.bars import FrameBar
from mixformer.cli.parser import runtime_from
from mixformer.cli.track_options import demo_parser, track_parser
from mixformer.errors import BoxError, ConfigError, OutputError
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

if TYPE_CHECKING:
    from mixformer.run.outputs import Paths
    from mixformer.tracking import MultiTracker
    from mixformer.video.reader import VideoSource
    from mixformer.video.targets import Target


__all__ = ["demo_parser", "run", "track_parser"]


@dataclass(frozen=True)
class Summary:
    """What a run did, for the closing lines."""

    frames: int
    seconds: float
    mean_score: float | None
    skipped: list[int]


def run(options: Namespace) -> None:
    """Track as the options say."""
    demo = "source" not in options
    source = str(DEMO_CLIP) if demo else options.source
    start, stop = (0, None) if demo else (options.start, options.stop)
    console = Console(quiet=options.quiet, highlight=False, soft_wrap=True)
    if options.out is None and not (options.json or options.csv or options.mot):
        options.out = _default_output(source)
    from mixformer.run.outputs import Paths
    from mixformer.video.reader import open_video

    paths = Paths(options.out, options.json, options.csv, options.mot, options.masks)
    _spare_inputs(paths, [source] if demo or options.targets is None else [source, str(options.targets)])
    with open_video(source, start, stop) as video:
        targets = _demo_targets() if demo else _targets(options)
        summary = _follow(options, video, targets, paths)
    _report(summary, paths, console)


def make_tracker(options: Namespace) -> MultiTracker:
    """The tracker with the model's or the preset's rules, and the options' changes to them."""
    from mixformer.tracking import MultiTracker

    runtime = runtime_from(options)
    tracker = MultiTracker(options.model, preset=options.preset, runtime=runtime, on_resize="rescale")
    tracker.config = tracker.config.replace(**changed_rules(options))
    return tracker


def changed_rules(options: Namespace) -> dict[str, Any]:
    """Rules that the options change."""
    names = ("search_factor", "update_interval", "online_templates", "score_threshold")
    return {name: options[name] for name in names if options[name] is not None}


def _demo_targets() -> list[Target]:
    from mixformer.types import Box
    from mixformer.video.targets import Target

    return [Target(1, Box(*DEMO_BOX))]


def _targets(options: Namespace) -> list[Target]:
    """Whom to follow.

    Raises:
        BoxError: if that is not said, or not possible.
        ConfigError: if it is said twice.
    """
    from mixformer.cli.ask import ask_box
    from mixformer.imaging.boxes import parse_box
    from mixformer.video.targets import Target, read_targets

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


def _spare_inputs(paths: Paths, inputs: list[str]) -> None:
    """Refuse to write a result over what is being read, or masks over annotated pictures."""
    for path in paths.given():
        for source in inputs:
            if path.exists() and Path(source).exists() and path.samefile(source):
                raise OutputError(f"{path} is the source itself; give the result another name")
    if paths.masks and paths.video and paths.masks.resolve() == paths.video.resolve():
        raise OutputError(f"--out and --masks both write into {paths.video}; give the masks another folder")


def _default_output(source: str) -> Path:
    name = Path(source.split("://")[-1].rstrip("/\\")).stem or "video"
    return Path(f"{name}_tracked.mp4")


def _follow(options: Namespace, video: VideoSource, targets: list[Target], paths: Paths) -> Summary:
    """Track, draw and write; everything opened is finished whatever happens."""
    from mixformer.run.multi_target import track_targets
    from mixformer.run.outputs import VideoOutput
    from mixformer.video.pipeline import pipelined
    from mixformer.video.window import Window

    ids = "targets" in options and options.targets is not None
    show = "show" in options and options.show
    tracker = make_tracker(options)
    scores, frames, begin = [], 0, time.perf_counter()
    with ExitStack() as stack:
        output = stack.enter_context(VideoOutput(paths, video, ids=ids, show=show))
        window = stack.enter_context(Window(video.name)) if show else None
        bar = stack.enter_context(FrameBar(_frames_to_come(options, video), options.quiet))
        threads = not (options.no_pipeline or video.live)
        tracked = track_targets(tracker, video, targets)
        done = stack.enter_context(closing(pipelined(tracked, output.draw, output.write, ahead=2, threads=threads)))
        for drawn in done:
            frames += 1
            bar.advance()
            scores += [r.score for r in drawn.results.values() if r.score is not None and not r.is_initial]
            if window is not None and drawn.picture is not None and not window.show(drawn.picture):
                break
    return Summary(frames, time.perf_counter() - begin, sum(scores) / len(scores) if scores else None, video.skipped)


def _frames_to_come(options: Namespace, video: VideoSource) -> int | None:
    """How many frames will be tracked, as far as that is known."""
    start: int = options.start if "start" in options else 0
    stop: int | None = options.stop if "stop" in options else None
    total = None if video.frame_count is None else max(video.frame_count, 1) - start
    if stop is None:
        return total
    return stop - start if total is None else min(stop - start, total)


def _report(summary: Summary, paths: Paths, console: Console) -> None:
    score = "" if summary.mean_score is None else f", mean score {summary.mean_score:.2f}"
    rate = summary.frames / summary.seconds if summary.seconds else 0.0
    console.print(
        f"{summary.frames} frames in {summary.seconds:.1f} s ({rate:.0f} FPS with reading and writing){score}"
    )
    if summary.skipped:
        shown = ", ".join(map(str, summary.skipped[:10])) + (" ..." if len(summary.skipped) > 10 else "")
        Console(stderr=True, soft_wrap=True).print(f"skipped {len(summary.skipped)} unreadable frames: {shown}")
    for path in paths.given():
        console.print(f"wrote {path.resolve()}")
