"""`mixformer track` and `mixformer demo`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from mixformer.assets import DEMO_BOX, DEMO_CLIP
from mixformer.cli.parser import make_parser
from mixformer.errors import OutputError
from mixformer.presets import DEFAULT_TRACKERS, PRESETS
from mixformer.variants import DEFAULT_MODEL

if TYPE_CHECKING:
    from mixformer.masks import Mask
    from mixformer.tracking import Tracker
    from mixformer.types import Box, Image, TrackResult
    from mixformer.video.reader import VideoFrame, VideoSource

_TRACK = """Follow one object through a video, a folder of pictures, a webcam or a stream.

Without --out, --json, --csv and --mot, the annotated video goes to NAME_tracked.mp4 in the
current folder. Boxes are x, y, width, height in pixels, counted from 0 at the top left; frames
count from 0.

  mixformer track clip.mp4 --box 260 29 41 142
  mixformer track frames/ --box 260 29 41 142 --out annotated.mp4 --json boxes.jsonl
  mixformer track clip.mp4 --start 100 --box 260 29 41 142 --csv boxes.csv
  mixformer track rtsp://camera/stream --box 260 29 41 142 --show
  mixformer track clip.mp4 --box 260 29 41 142 --masks masks/
"""
_DEMO = """Track the person in the orange shirt in the bundled clip, and print where the annotated video is."""


def track_parser() -> ArgumentParser:
    """Options of `mixformer track`."""
    parser = make_parser(_TRACK)
    parser.add_argument(
        "source", type=str, help="video file, folder of pictures, webcam number, or rtsp:// or http:// address"
    )
    parser.add_argument(
        "--box",
        nargs=4,
        type=float,
        metavar=("X", "Y", "W", "H"),
        help="target in the first frame; asked for if left out",
    )
    parser.add_argument("--start", type=int, default=0, help="number of the frame that --box belongs to")
    parser.add_argument("--stop", type=int | None, default=None, help="number after the last frame")
    parser.add_argument("--show", action="store_true", help="show the frames in a window while tracking")
    _add_common(parser)
    _add_rules(parser)
    return parser


def demo_parser() -> ArgumentParser:
    """Options of `mixformer demo`."""
    parser = make_parser(_DEMO)
    _add_common(parser)
    _add_rules(parser)
    return parser


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument("--model", type=str, default=DEFAULT_MODEL, help="name, folder or checkpoint file of a model")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision",
        type=str,
        default="auto",
        help="auto (float32 on a CPU, bfloat16 on a GPU), float32, bfloat16 (twice as fast on CPUs with AVX512-BF16 or "
        "AMX: see mixformer info) or float16",
    )
    parser.add_argument(
        "--out", type=Path | None, default=None, help="annotated video (sound is kept), or a folder name for PNG files"
    )
    parser.add_argument("--json", type=Path | None, default=None, help="boxes as JSON lines: frame, time, box, score")
    parser.add_argument("--csv", type=Path | None, default=None, help="boxes as CSV with a header")
    parser.add_argument("--mot", type=Path | None, default=None, help="boxes as MOTChallenge text (counted from 1)")
    parser.add_argument(
        "--masks",
        type=Path | None,
        default=None,
        metavar="FOLDER",
        help="also find the target's pixels in every box by their colours (GrabCut) and write FOLDER/00000000.png and "
        "so on, numbered like the frames: 255 on the target, 0 elsewhere. The annotated video shows them tinted. Slow: "
        "some 10 frames a second. Needs: pip install 'mixformer[masks]'",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_rules(parser: ArgumentParser) -> None:
    rules = parser.add_argument_group("inference rules (the defaults come with the model)")
    presets = ", ".join(sorted({entry.benchmark for entry in PRESETS}))
    rules.add_argument("--preset", type=str | None, default=None, help=f"published settings for a benchmark: {presets}")
    default = DEFAULT_TRACKERS[DEFAULT_MODEL]
    rules.add_argument(
        "--search-factor",
        type=float | None,
        default=None,
        help="reach of the search in units of the target's size; larger follows faster motion "
        f"(default model: {default.search_factor})",
    )
    rules.add_argument(
        "--update-interval",
        type=int | None,
        default=None,
        help=f"frames between template updates, 0 = never (default model: {default.update_interval})",
    )
    rules.add_argument("--online-templates", type=int | None, default=None, help="number of online templates kept")
    rules.add_argument(
        "--score-threshold", type=float | None, default=None, help="least score (0..1) of a new template"
    )


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
    _spare_source(source, options)
    from mixformer.video.reader import open_video

    with open_video(source, start, stop) as video:
        box = DEMO_BOX if demo else _box_of(options, source)
        summary = _follow(options, video, box, console)
    _report(options, summary, console)


def _box_of(options: Namespace, source: str) -> Box:
    from mixformer.boxes import parse_box
    from mixformer.cli.ask import ask_box

    if options.box is not None:
        return parse_box(options.box)
    return ask_box(source, options.start)


def _spare_source(source: str, options: Namespace) -> None:
    """Refuse to write a result over the video that is being read, or masks over annotated pictures."""
    for path in (options.out, options.json, options.csv, options.mot, options.masks):
        if path and path.exists() and Path(source).exists() and path.samefile(source):
            raise OutputError(f"{path} is the source itself; give the result another name")
    if options.masks and options.out and options.masks.resolve() == options.out.resolve():
        raise OutputError(f"--out and --masks both write into {options.out}; give the masks another folder")


def _default_output(source: str) -> Path:
    name = Path(source.split("://")[-1].rstrip("/\\")).stem or "video"
    return Path(f"{name}_tracked.mp4")


def _tracker(options: Namespace) -> Tracker:
    """The tracker with the model's or the preset's rules, and the options' changes to them."""
    from mixformer.tracking import Tracker

    names = ("search_factor", "update_interval", "online_templates", "score_threshold")
    changes = {name: options[name] for name in names if options[name] is not None}
    where = {"device": options.device, "precision": options.precision}
    tracker = Tracker(options.model, preset=options.preset, on_resize="rescale", **where)
    tracker.config = tracker.config.replace(**changes)
    return tracker


def _follow(options: Namespace, video: VideoSource, box: Iterable[float], console: Console) -> Summary:
    """Track, draw and write; everything opened is finished whatever happens."""
    from mixformer.run import follow
    from mixformer.video.results import open_results
    from mixformer.video.writer import open_writer
    from mixformer.view.draw import Annotator
    from mixformer.view.window import Window

    masks = _Masks(options.masks) if options.masks else None
    tracker = _tracker(options)
    annotator, scores, frames, begin = Annotator(), [], 0, time.perf_counter()
    show = "show" in options and options.show
    with ExitStack() as stack:
        forms = {"json": options.json, "csv": options.csv, "mot": options.mot}
        texts = [stack.enter_context(open_results(path, form)) for form, path in forms.items() if path]  # type: ignore[arg-type]
        out = stack.enter_context(open_writer(options.out, video.fps, _sound(video.name))) if options.out else None
        window = stack.enter_context(Window(video.name)) if show else None
        advance = stack.enter_context(_Bar(video, options, console))
        for frame, result in follow(tracker, _counted(video, advance), box):
            for text in texts:
                text.write(result)
            mask = masks.write(frame.image, result) if masks else None
            if out is not None or window is not None:
                picture = annotator.draw(frame.image, result, mask)
                if out is not None:
                    out.write(picture, frame.time)
                if window is not None and not window.show(picture):
                    break
            frames += 1
            if result.score is not None and frames > 1:
                scores.append(result.score)
    return Summary(frames, time.perf_counter() - begin, sum(scores) / len(scores) if scores else None, video.skipped)


class _Masks:
    """A mask for every result, found and written."""

    def __init__(self, folder: Path) -> None:
        from mixformer.masks.grabcut import GrabCutRefiner
        from mixformer.masks.output import MaskWriter

        self._refine, self._writer = GrabCutRefiner(), MaskWriter(folder)

    def write(self, image: Image, result: TrackResult) -> Mask:
        """The mask of the result's box in its frame, after writing it."""
        mask = self._refine(image, result.box)
        self._writer.write(mask, result.frame_index)
        return mask


def _counted(video: VideoSource, bar: _Bar) -> Iterator[VideoFrame]:
    """Frames of the video, each moving the bar when it is done."""
    for frame in video:
        yield frame
        bar.advance()


def _sound(source: str) -> str | None:
    return source if Path(source).is_file() else None


class _Bar:
    """Progress with frames per second; silent when not asked for or not on a terminal."""

    def __init__(self, video: VideoSource, options: Namespace, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.0f} FPS"),
            TimeRemainingColumn(),
            console=Console(stderr=True, quiet=options.quiet or not sys.stderr.isatty()),
        )
        start, stop = ("start" in options and options.start) or 0, "stop" in options and options.stop
        total = None if video.frame_count is None else max(video.frame_count, 1) - start
        if stop:
            total = stop - start if total is None else min(stop - start, total)
        self._task = self._progress.add_task("tracking", total=total, fps=0.0)
        self._begin, self._done = time.perf_counter(), 0

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self) -> None:
        """One frame more."""
        self._done += 1
        self._progress.update(self._task, advance=1, fps=self._done / (time.perf_counter() - self._begin))


def _report(options: Namespace, summary: Summary, console: Console) -> None:
    score = "" if summary.mean_score is None else f", mean score {summary.mean_score:.2f}"
    rate = summary.frames / summary.seconds if summary.seconds else 0.0
    console.print(
        f"{summary.frames} frames in {summary.seconds:.1f} s ({rate:.0f} FPS with reading and writing){score}"
    )
    if summary.skipped:
        shown = ", ".join(map(str, summary.skipped[:10])) + (" ..." if len(summary.skipped) > 10 else "")
        Console(stderr=True, soft_wrap=True).print(f"skipped {len(summary.skipped)} unreadable frames: {shown}")
    for path in (options.out, options.json, options.csv, options.mot, options.masks):
        if path:
            console.print(f"wrote {path.resolve()}")
