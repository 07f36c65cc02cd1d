"""MOT Challenge folders: gt/gt.txt with one box a line, and the pictures in img1/."""

from __future__ import annotations

import configparser
from collections import defaultdict
from pathlib import Path

import numpy as np

from mixformer.data.datasets.sequence_files import index_frames
from mixformer.data.frame_storage import FrameRef
from mixformer.data.importers.tracks import FileTrack, FrameBoxes, picture_below, require_pictures, track_sequence
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError, counted
from mixformer.files import read_text_file
from mixformer.types import FloatArray

_LAYOUT = "NAME/gt/gt.txt (frame, track, x, y, w, h, confidence, class, visibility) with NAME/img1/"


def read_mot(source: Path, images: Path | None = None, first_pixel: int = 1) -> list[VideoSequence]:
    """Read each track of a MOT sequence folder, or of a folder of such folders.

    Frames, and in MOTChallenge also pixels (`first_pixel`; CVAT and datumaro begin with 0), count from 1 in the file
    and from 0 in the result. Boxes with confidence 0 are not part of the annotation. A visibility of 0 means hidden; a
    negative one (MOT15) unknown. Without `images`, the pictures are in the folder that seqinfo.ini names, or else in
    img1/.
    """
    return [track for truth in mot_truths(source) for track in _sequences(truth, images, first_pixel)]


def mot_truths(source: Path) -> list[Path]:
    """Find the gt.txt of a sequence folder, or those of a folder of such folders; raises DataError if there is none."""
    truths = [source / "gt" / "gt.txt"] if (source / "gt" / "gt.txt").is_file() else sorted(source.glob("*/gt/gt.txt"))
    if not truths:
        raise DataError(f"no MOT sequences in {source}; looked for {_LAYOUT}")
    return truths


def _sequences(truth: Path, images: Path | None, first_pixel: int) -> list[VideoSequence]:
    folder = truth.parents[1]
    files = {
        path.name: path for path in require_pictures(images or picture_below(folder, _image_folder(folder), truth))
    }
    pictures: dict[int, FrameRef] = {n - 1: files[name] for n, name in index_frames(files, 0).items()}
    found = [
        track_sequence(f"{folder.name}_{track.id:04d}", pictures, track.boxes, "mot", track.label)
        for track in mot_tracks(truth, first_pixel)
    ]
    return [sequence for sequence in found if sequence]


def mot_tracks(truth: Path, first_pixel: int = 1) -> list[FileTrack]:
    """Read the tracks of one gt.txt. Classes are numbers, unless labels.txt beside it has their names."""
    names = _names(truth.with_name("labels.txt"))
    boxes: dict[int, FrameBoxes] = defaultdict(dict)
    kinds: dict[int, str] = {}
    partly: dict[int, set[int]] = defaultdict(set)
    for row in _rows(truth):
        track, frame = int(row[1]), int(row[0]) - 1
        visible = row[8] if len(row) > 8 else 1.0
        kinds[track] = _kind(row, names)
        if row[6] != 0 and visible != 0:
            boxes[track][frame] = (row[2] - first_pixel, row[3] - first_pixel, row[4], row[5])
        if 0 < visible < 1:
            partly[track].add(frame)
    ordered = sorted(boxes.items())
    return [FileTrack(track, found, kinds[track], occluded=frozenset(partly[track])) for track, found in ordered]


def _kind(row: FloatArray, names: list[str]) -> str:
    number = int(row[7]) if len(row) > 7 and 0 <= row[7] < 2**31 else 0
    return names[number - 1] if 0 < number <= len(names) else str(number or "")


def _names(path: Path) -> list[str]:
    return [line.strip() for line in read_text_file(path).splitlines()] if path.is_file() else []


def _rows(truth: Path) -> list[FloatArray]:
    rows = []
    for number, line in enumerate(read_text_file(truth).splitlines(), 1):
        try:
            row = np.array([float(value) for value in line.rstrip(", ").split(",")]) if line.strip() else None
        except ValueError as error:
            raise DataError(f"{truth}, line {number}: not numbers separated by commas: {line!r:.200}") from error
        if row is not None and len(row) < 7:
            raise DataError(f"{truth}, line {number}: {counted(len(row), 'number')}; looked for {_LAYOUT}")
        if row is not None and not (np.abs(row[:2]) < 2**53).all():
            raise DataError(f"{truth}, line {number}: frame and track must be whole numbers: {line!r:.200}")
        rows += [] if row is None else [row]
    return rows


def _image_folder(folder: Path) -> str:
    """Read the folder of pictures from seqinfo.ini; without that file, it is img1."""
    settings = configparser.ConfigParser()
    try:
        if (folder / "seqinfo.ini").is_file():
            settings.read_string(read_text_file(folder / "seqinfo.ini"))
        return settings.get("Sequence", "imDir", fallback="img1")
    except configparser.Error as error:
        raise DataError(f"cannot read {folder / 'seqinfo.ini'}: {error}") from error
