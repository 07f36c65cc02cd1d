"""Your own annotated videos for fine-tuning: checked, split, and drawn from."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixformer.annotation.project_files import ENDING
from mixformer.data.checks import Options, Problem, check
from mixformer.data.datasets.registry import read_any
from mixformer.data.frame_storage import ArchiveFrame, ClipFrame
from mixformer.data.sampling import AnnotatedFrame, Random, SequenceSamples, elsewhere
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError, counted, first_few

_SHOWN = 20  # problems in a message
_CHECKED = 500  # sequences
_PART, _MOST = 0.2, 20  # of the videos that are held back, and at most this many
_TWO_SETS = 4  # held-back videos from which on half of them are only measured
_FEW = 5  # videos below which the measured gain says little


@dataclass(frozen=True)
class HeldBack:
    """Sequences to train on, and those that are held back: some to choose the best weights, others to measure them."""

    train: list[VideoSequence]
    choose: list[VideoSequence]
    measure: list[VideoSequence]  # the same as `choose` where there are few


def open_videos(data: Path, work: Path, fresh: bool = False) -> tuple[list[VideoSequence], list[Problem]]:
    """Check and read annotated videos; return the sequences, and warnings about them.

    An annotation project gets its pictures written to `work`, unless they are there and not `fresh`. Raises DataError
    if there are no videos, or some have errors; the message lists them, with advice.
    """
    if data.name.endswith(ENDING):
        data = _pictures_of(data, work, fresh)
    problems = [problem for _, found in check(data, Options(limit=_CHECKED)) for problem in found]
    errors = [f"  {each.sequence}: {each.text}; {each.advice}" for each in problems if each.level == "error"]
    if errors:
        raise DataError(
            "\n".join([f"{counted(len(errors), 'error')} in {data}; nothing is trained:", *first_few(errors, _SHOWN)])
        )
    return list(read_any(data)), problems


def _pictures_of(project_file: Path, folder: Path, fresh: bool) -> Path:
    """Write the targets of an annotation project as training data."""
    from mixformer.annotation import export_annotations, find_video, load_project

    if fresh or not folder.is_dir():
        project = load_project(project_file)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        export_annotations(project, "folder", folder, video=find_video(project.video, project_file))
    return folder


def split_videos(sequences: Sequence[VideoSequence], seed: int) -> tuple[HeldBack, list[str]]:
    """Hold back a fifth of the videos, of a single video its last third; return the parts, and warnings.

    All targets of a video stay together. The same videos and seed give the same split. Raises DataError if there is too
    little.
    """
    usable = [each for each in sequences if len(each.visible)]
    videos: dict[str, list[VideoSequence]] = {}
    for sequence in usable:
        videos.setdefault(video_name(sequence), []).append(sequence)
    can_track = [name for name, group in videos.items() if any(map(_tracked_part, group))]
    if len(videos) < 2 or not can_track:
        return _split_in_time(usable), [
            "there is one video: its last third is held back, so the gain may be flattering"
        ]
    random.Random(seed).shuffle(can_track)
    chosen = can_track[: min(_MOST, max(1, round(_PART * len(videos))))]
    held = [[part for each in videos[name] if (part := _tracked_part(each))] for name in chosen]
    two = len(chosen) >= _TWO_SETS
    train = [each for name, group in videos.items() if name not in chosen for each in group]
    warnings = []
    if len(videos) < _FEW:
        warnings.append(f"{counted(len(videos), 'video')} are few: the measured gain says little; annotate more")
    if not two:
        warnings.append("the videos that are held back also choose the best weights, so the gain may be flattering")
    choose = [each for group in (held[::2] if two else held) for each in group]
    measure = [each for group in held[1::2] for each in group] if two else choose
    return HeldBack(train, choose, measure), warnings


def video_name(sequence: VideoSequence) -> str:
    """Name the video of a sequence: several targets of one video have the same name."""
    first = sequence.frames[0]
    if isinstance(first, ClipFrame):
        return str(first.clip)
    if isinstance(first, ArchiveFrame):
        return f"{first.archive}:{sequence.name}"
    folder = first.parent.parent
    if (folder / "target.json").is_file():  # exported from an annotation project: VIDEO_TARGET
        return str(folder.with_name(folder.name.rpartition("_")[0]))
    return str(first.resolve().parent)  # pictures that were imported once are links


def shorten(sequences: Sequence[VideoSequence], frames: int) -> list[VideoSequence]:
    """Cut sequences so that they have about `frames` frames together, each at least two."""
    share = max(2, frames // max(1, len(sequences)))
    return [_part(each, 0, share) for each in sequences]


def _part(sequence: VideoSequence, start: int, stop: int | None = None) -> VideoSequence:
    rows = slice(start, stop)
    hidden = None if sequence.hidden is None else sequence.hidden[rows]
    return VideoSequence(
        sequence.name, sequence.frames[rows], sequence.boxes[rows], sequence.source, hidden, sequence.label
    )


def _tracked_part(sequence: VideoSequence) -> VideoSequence | None:
    """The part from the first visible frame on; None if there is nothing to track after it."""
    start = int(sequence.visible[0]) if len(sequence.visible) else len(sequence)
    return _part(sequence, start) if len(sequence) - start >= 2 else None


def _split_in_time(sequences: Sequence[VideoSequence]) -> HeldBack:
    train, held = [], []
    for sequence in sequences:
        cut = len(sequence) * 2 // 3
        rest = _tracked_part(_part(sequence, cut)) if cut else None
        if rest is not None and (sequence.visible < cut).any():
            train.append(_part(sequence, 0, cut))
            held.append(rest)
    if not train:
        raise DataError(
            "there is too little to train on and to hold back: give at least two videos, or one in which the target is "
            "visible in several frames"
        )
    return HeldBack(train, held, held)


class OwnVideoSamples(SequenceSamples):
    """Samples of a few videos, whose negatives never show the target of the templates."""

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """Draw a frame without the target: a real one, another place, a target of another video, or it is painted over.

        The box of the frame is where a tracker would look.
        """
        makers: list[Callable[[Random, AnnotatedFrame], AnnotatedFrame | None]] = [self._gone, elsewhere, self._other]
        for number in random.permutation(len(makers)):
            if (found := makers[int(number)](random, view)) is not None:
                return found
        return _painted_over(view)

    def _gone(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """A frame of the same video that has no box, at the nearest place where the target was."""
        sequence = view.origin
        if sequence is None or len(sequence.valid) == len(sequence):
            return None
        frame = int(random.choice(np.setdiff1d(np.arange(len(sequence)), sequence.valid)))
        nearest = int(sequence.valid[np.abs(sequence.valid - frame).argmin()])
        return AnnotatedFrame(self.cache.read(sequence.frames[frame]), sequence.box(nearest), sequence)

    def _other(self, random: Random, view: AnnotatedFrame, tries: int = 5) -> AnnotatedFrame | None:
        """A target of another video."""
        for _ in range(tries):
            found = self.view(random)
            if found.origin and view.origin and video_name(found.origin) != video_name(view.origin):
                return found
        return None


def _painted_over(view: AnnotatedFrame) -> AnnotatedFrame:
    """The frame with the color of its surroundings in place of the target."""
    height, width = view.image.shape[:2]
    x, y, w, h = view.box.x, view.box.y, view.box.w, view.box.h

    def area(margin: float) -> tuple[slice, slice]:
        left, top = (max(0, int(v)) for v in (x - margin * w, y - margin * h))
        right, bottom = min(width, int(x + w + margin * w) + 1), min(height, int(y + h + margin * h) + 1)
        return slice(top, max(top, bottom)), slice(left, max(left, right))

    image = view.image.copy()
    around = image[area(0.5)].reshape(-1, 3)
    if len(around):
        image[area(0.1)] = np.median(around, axis=0).astype(np.uint8)
    return AnnotatedFrame(image, view.box, view.origin)
