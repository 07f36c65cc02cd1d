"""Give videos without annotations boxes, so that they can be trained on.

python tools/pseudo_label.py clips/*.mp4 --out pseudo                   # what moves by itself
python tools/pseudo_label.py dog.mp4 --box 260,29,41,142 --out pseudo   # a target of your own in the first frame
python tools/pseudo_label.py clips/*.mp4 --keys keys.json --out pseudo   # targets of your own in some frames

Each target is followed forwards and, from where that ends, back again. Frames in which both agree are kept, if there
are enough in a row, as a folder of sequences: `mixformer data check pseudo`, and in a recipe
`sets = [{ name = "custom", root = "pseudo", weight = 0.5 }]`. These boxes are a tracker's own: they show it more of the
world, but no more precision than it has.

`--keys` names boxes in key frames, {"dog.mp4": [{"0": [260, 29, 41, 142], "25": [...]}, ...], ...}: one entry for each
target. Between two key frames it is tracked from both, and a frame in which both agree (--agree) gets a box. Leave the
frames in which a target is hidden out of the keys; what lies more than --apart frames apart is not joined, and with
--apart 0 nothing is: the key frames alone are written.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from pseudo import Run, Trust, between, follow, moving
from rich.console import Console

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.frame_storage import ClipFrame
from mixformer.data.importers.folder_writer import write_folders
from mixformer.data.sequence import VideoSequence
from mixformer.engines import Runtime
from mixformer.errors import BoxError, MixFormerError
from mixformer.imaging.boxes import parse_box
from mixformer.tracking import Tracker
from mixformer.types import Box, Image
from mixformer.video import open_frames
from mixformer.video.reader import open_video
from mixformer.weights.tracker_settings import load_tracker_config


def main() -> None:
    options, screen = parse(), Console(stderr=True, soft_wrap=True)
    config = load_tracker_config(options.model).replace(**json.loads(options.settings))
    tracker = Tracker(options.model, config, runtime=Runtime(device=options.device))
    trust = Trust(options.agree, options.score, options.shortest)
    found: list[tuple[VideoSequence, Run]] = []
    for path in options.videos:
        try:
            new = list(label_keys(path, tracker, options) if options.keys else label(path, tracker, trust, options))
        except MixFormerError as error:
            screen.print(f"{path}: {error}")
            continue
        screen.print(f"{path}: {len(new)} sequences, {sum(len(sequence) for sequence, _ in new)} frames")
        found += new
    if not found:
        raise SystemExit("nothing was followed both ways; lower --agree or --shortest, or give a --box")
    folders = write_folders([sequence for sequence, _ in found], options.out)
    facts = {folder.name: facts_of(*pair) for folder, pair in zip(folders, found, strict=True)}
    content = {"model": str(options.model), "agree": trust.agree, "score": trust.score, "sequences": facts}
    (options.out / "pseudo.json").write_text(json.dumps(content, indent=2) + "\n")


def facts_of(sequence: VideoSequence, run: Run) -> dict[str, object]:
    agreement = None if np.isnan(run.agreement) else round(run.agreement, 4)
    first = sequence.frames[0]
    assert isinstance(first, ClipFrame)
    return {"video": first.clip.name, "first": run.start, "boxes": len(sequence.visible), "agreement": agreement}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="folder for the sequences")
    parser.add_argument("--box", default="", help="x,y,w,h in the first frame, followed for --length frames")
    parser.add_argument("--keys", type=Path, help="JSON with boxes in key frames, for each video's file name")
    parser.add_argument(
        "--apart",
        type=int,
        default=60,
        help="most frames between two key frames that are joined; 0 takes the key frames alone",
    )
    parser.add_argument("--settings", default="{}", help="tracker settings to change, as JSON")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--targets", type=int, default=2, help="at most, in each piece of a video")
    parser.add_argument("--length", type=int, default=60, help="frames of a piece")
    parser.add_argument("--gap", type=int, default=5, help="frames between those compared for motion")
    parser.add_argument("--agree", type=float, default=0.6, help="least IoU of both directions")
    parser.add_argument("--score", type=float, default=0.5, help="least score, both ways")
    parser.add_argument("--shortest", type=int, default=20, help="frames in a row to keep")
    return parser.parse_args()


def label(
    path: Path, tracker: Tracker, trust: Trust, options: argparse.Namespace
) -> Iterator[tuple[VideoSequence, Run]]:
    """Trusted sequences of a video, piece by piece."""
    for start, frames in pieces(path, options.length):
        if len(frames) < trust.shortest:
            continue
        first = options.gap if not options.box else 0
        for box in boxes_of(frames, start, options):
            try:
                run = follow(tracker, frames[first:], box, trust)
            except BoxError:
                continue
            if run is not None:
                begin = start + first + run.start
                shown = tuple(ClipFrame(path, begin + index) for index in range(len(run.boxes)))
                name = f"{path.stem}_{begin:06d}"
                yield VideoSequence(name, shown, run.boxes, "pseudo"), Run(begin, run.boxes, run.agreement)


def label_keys(path: Path, tracker: Tracker, options: argparse.Namespace) -> Iterator[tuple[VideoSequence, Run]]:
    """Sequences of the targets that have key frames in a video, from the first of these to the last."""
    targets = json.loads(options.keys.read_text()).get(path.name, [])
    if not targets:
        return
    with open_frames(path) as reader:
        count = reader.make_index() or max(int(index) for target in targets for index in target) + 1
    for number, target in enumerate(targets):
        keys = sorted((int(index), parse_box(box)) for index, box in target.items() if int(index) < count)
        start, end = keys[0][0], keys[-1][0]
        boxes = np.full((end - start + 1, 4), np.nan)
        for (here, first), (there, last) in pairwise(keys):
            if there - here <= options.apart:
                with open_video(path, here, there + 1) as video:  # no more in memory than lies between two keys
                    frames = [frame.image for frame in video]
                boxes[here - start : there - start + 1] = between(tracker, frames, first, last, options.agree)
        for index, box in keys:
            boxes[index - start] = box
        kept = range(start, end + 1) if options.apart else [index for index, _ in keys]
        boxes = boxes[[index - start for index in kept]]
        shown = tuple(ClipFrame(path, index) for index in kept)
        yield VideoSequence(f"{path.stem}_{number}", shown, boxes, "keys"), Run(start, boxes, float("nan"))


def pieces(path: Path, length: int) -> Iterator[tuple[int, list[Image]]]:
    """Number of the first frame, and frames, of piece after piece."""
    with open_video(path) as video:
        start, frames = 0, []
        for frame in video:
            frames.append(frame.image)
            if len(frames) == length:
                yield start, frames
                start, frames = start + length, []
        yield start, frames


def boxes_of(frames: list[Image], start: int, options: argparse.Namespace) -> list[Box]:
    """Where to begin in a piece: the given box in the first one, or what moves in frame `gap`."""
    if options.box:
        return [parse_box(np.fromstring(options.box, sep=","))] if start == 0 else []
    if len(frames) <= 2 * options.gap:
        return []
    return moving(frames[0], frames[options.gap], frames[2 * options.gap], options.targets)


if __name__ == "__main__":
    main()
