"""The contents of an export: the boxes of all targets, frame by frame. Also helpers to make a project of tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from mixformer.annotation.edits import add_target, set_tracked
from mixformer.annotation.formats.key_frames import key_places, visible_runs
from mixformer.annotation.joining import overlaps
from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject, FrameBox, KeyBox
from mixformer.annotation.project_checks import check_frame
from mixformer.annotation.tracked_rows import TrackedBox
from mixformer.data.datasets.sequence_files import number_of
from mixformer.data.importers.tracks import FileTrack, FrameBoxes, folder_name
from mixformer.errors import BoxError, ConfigError, DataError
from mixformer.types import Box

_MOST_LINKED = 2000  # boxes of a frame without ids: the time grows with the square

NO_LABEL = "object"
"""The class of targets without a label, in formats that need one."""


@dataclass(frozen=True)
class ExportContents:
    """A project, prepared for exports."""

    project: AnnotationProject
    tolerance: float = 1.0  # largest error of a box between key frames in pixels, in formats with key frames

    @property
    def video(self) -> AnnotatedVideo:
        """The video."""
        return self.project.video

    @property
    def name(self) -> str:
        """Name of the video's file."""
        return PurePosixPath(self.video.path).name or "video"

    @property
    def stem(self) -> str:
        """Name of the video without its ending, as a valid name of a folder."""
        return folder_name(PurePosixPath(self.video.path).stem)

    @cached_property
    def _boxes(self) -> dict[int, list[FrameBox]]:
        return {target.id: list(self.project.boxes(target.id)) for target in self.project.targets}

    @cached_property
    def _visible(self) -> dict[int, list[FrameBox]]:
        return {id: [box for box in boxes if box.visible] for id, boxes in self._boxes.items()}

    def said(self, target: AnnotatedTarget) -> list[FrameBox]:
        """List all known places of a target, including frames in which it is absent or lost."""
        return [box for box in self._boxes[target.id] if box.origin]

    def visible(self, target: AnnotatedTarget) -> list[FrameBox]:
        """List the boxes of the frames in which a target is visible."""
        return self._visible[target.id]

    @cached_property
    def targets(self) -> list[AnnotatedTarget]:
        """Targets that are visible in some frame. Only JSON lines and CSV hold the others."""
        return [target for target in self.project.targets if self.visible(target)]

    def span(self, target: AnnotatedTarget) -> list[FrameBox]:
        """List the places of a target from the first to the last frame in which it is visible."""
        seen = self.visible(target)
        return self._boxes[target.id][seen[0].frame : seen[-1].frame + 1] if seen else []

    @cached_property
    def frames(self) -> list[int]:
        """Numbers of the frames in the span of any target. Some have no box, which shows that targets are absent."""
        return sorted({box.frame for target in self.targets for box in self.span(target)})

    @cached_property
    def by_frame(self) -> Mapping[int, list[tuple[AnnotatedTarget, FrameBox]]]:
        """Visible targets and their boxes, for each of `frames`."""
        found: dict[int, list[tuple[AnnotatedTarget, FrameBox]]] = {frame: [] for frame in self.frames}
        for target in self.targets:
            for box in self.visible(target):
                found[box.frame].append((target, box))
        return found

    @cached_property
    def labels(self) -> list[str]:
        """Classes in the order of targets, without repetition."""
        return list(dict.fromkeys(label_of(target) for target in self.targets))

    def key_rows(self, target: AnnotatedTarget, persons: bool = True) -> list[list[FrameBox]]:
        """Choose key frames for each run of visible frames, so that the other boxes can be interpolated.

        With `persons`, every key box of a person is a key frame too.
        """
        runs = []
        for run in visible_runs(self.visible(target)):
            fixed = [place for place, box in enumerate(run) if persons and box.origin == "person"]
            boxes = np.array([box.box for box in run], np.float64)
            runs.append([run[place] for place in key_places(boxes, fixed, self.tolerance)])
        return runs


def label_of(target: AnnotatedTarget) -> str:
    """Return the class of a target, which is never empty."""
    return target.label or NO_LABEL


def box_of(box: FrameBox) -> Box:
    """Return the box of a frame in which the target is visible."""
    if box.box is None:
        raise AssertionError("the target is not visible in this frame")
    return box.box


def project_of_tracks(tracks: list[FileTrack], video: AnnotatedVideo, source: Path) -> AnnotationProject:
    """Make a project of the tracks of a file. It gets as few key boxes as reproduce all boxes.

    Raises DataError if a track does not fit the video, or the file holds no track.
    """
    if not tracks:
        raise DataError(f"{source} holds no tracks; give another file")
    shift = max(0, 1 - min(track.id for track in tracks))  # ids of other tools may start at 0
    project = AnnotationProject(video)
    for track in sorted(tracks, key=lambda track: track.id):
        keys = (_sparse_keys if track.sparse else _dense_keys)(track, video)
        label = "" if track.label == NO_LABEL else track.label
        try:
            project = add_target(project, track.id + shift, label, None, track.attributes, keys)
        except (BoxError, ConfigError) as error:
            raise DataError(f"{source}, track {track.id}: {error}") from error
    return project


def _sparse_keys(track: FileTrack, video: AnnotatedVideo) -> list[KeyBox]:
    """Return the key boxes of a file. A target without an end stays until the end of the video."""
    keys = [
        KeyBox(frame, None if box is None else Box(*box), frame in track.occluded)
        for frame, box in sorted(track.boxes.items())
    ]
    if keys and keys[-1].box is not None and keys[-1].frame < video.frame_count - 1:
        keys.append(replace(keys[-1], frame=video.frame_count - 1))
    return keys


def _dense_keys(track: FileTrack, video: AnnotatedVideo) -> list[KeyBox]:
    """Choose key boxes that reproduce every box of the file, and add an absence after each run of frames."""
    keys: list[KeyBox] = []
    shown = {frame: box for frame, box in track.boxes.items() if box is not None}
    for run in visible_runs([FrameBox(frame, Box(*shown[frame])) for frame in sorted(shown)]):
        boxes = np.array([box.box for box in run], np.float64).round(2)
        partly = [box.frame in track.occluded for box in run]
        changes = [place for place in range(1, len(run)) if partly[place] != partly[place - 1]]
        chosen = key_places(boxes, changes)
        keys += [KeyBox(run[place].frame, Box(*boxes[place].tolist()), partly[place]) for place in chosen]
        if run[-1].frame + 1 < video.frame_count:
            keys.append(KeyBox(run[-1].frame + 1, None))
    return keys


def linked(frames: Mapping[int, list[tuple[str, Box]]], source: Path, classes: Sequence[str] = ()) -> list[FileTrack]:
    """Make tracks of boxes without ids: each continues the box of its class in the last frame that it overlaps most.

    Tracks are numbered as they begin, or in the order of all `classes`.
    """
    tracks: list[tuple[str, FrameBoxes]] = []
    open_ones: list[int] = []  # numbers of the tracks with a box in the frame before
    before = -1
    for frame, things in sorted(frames.items()):
        open_ones, before = open_ones if frame == before + 1 else [], frame
        most, full = max((len(things), frame), (len(open_ones), frame - 1))
        if open_ones and most > _MOST_LINKED:
            raise DataError(
                f"{source}: frame {full} holds {most} boxes without ids, and {_MOST_LINKED} can be told apart; leave "
                "some out"
            )
        left = set(range(len(things)))
        last = [(number, tracks[number][0], tracks[number][1][frame - 1]) for number in open_ones]
        for number, place in _best_first(last, things):
            boxes = tracks[number][1]
            if place in left and frame not in boxes:
                boxes[frame] = things[place][1]
                left.remove(place)
        added: list[tuple[str, FrameBoxes]] = [(things[place][0], {frame: things[place][1]}) for place in sorted(left)]
        open_ones = [number for number in open_ones if frame in tracks[number][1]]
        open_ones += range(len(tracks), len(tracks) + len(added))
        tracks += added
    if classes:
        tracks.sort(key=lambda track: classes.index(track[0]))
    return [FileTrack(number, boxes, label) for number, (label, boxes) in enumerate(tracks, 1)]


def _best_first(
    last: list[tuple[int, str, tuple[float, ...] | None]], things: list[tuple[str, Box]]
) -> list[tuple[int, int]]:
    """Return the number of a track and the place of a thing for each two that overlap, those that do most first.

    Equal ones are in the order of tracks, from the first, and of things, from the last.
    """
    boxes = np.array([box for _, box in things], np.float64).reshape(-1, 4)
    labels = np.array([label for label, _ in things], object)
    found = [np.empty((3, 0))]
    for number, label, box in last:
        shares = np.where(
            labels == label, overlaps(np.broadcast_to(np.array(box, np.float64), boxes.shape), boxes), 0.0
        )
        places = np.flatnonzero(shares > 0)
        found.append(np.stack([shares[places], np.full(len(places), -number), places]))
    shares, numbers, places = np.concatenate(found, axis=1)
    order = np.lexsort((places, numbers, shares))[::-1]
    return list(zip((-numbers[order]).astype(int).tolist(), places[order].astype(int).tolist(), strict=True))


Reader = Callable[[Path, AnnotatedVideo], AnnotationProject]
"""A function from a file or folder and its video to a project."""


def put_rows(project: AnnotationProject, id: int, rows: list[tuple[int, TrackedBox]]) -> AnnotationProject:
    """Put tracked boxes of single frames into a project, in which the target has none yet."""
    if not rows:
        return project
    by_frame = dict(rows)
    first, last = check_frame(min(by_frame), project.video), check_frame(max(by_frame), project.video)
    return set_tracked(project, id, first, [by_frame.get(frame) for frame in range(first, last + 1)])


def frame_of(file: Path) -> int:
    """Return the number of a frame at the end of a file's name. Raises DataError if there is none."""
    found = number_of(file.stem)
    if found is None:
        raise DataError(f"{file} has no number of a frame at the end of its name")
    return found
