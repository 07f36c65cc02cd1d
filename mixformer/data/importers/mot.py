"""MOT Challenge folders: gt/gt.txt with one box a line, and the pictures in img1/."""

from __future__ import annotations

import configparser
from collections import defaultdict
from pathlib import Path

import numpy as np

from mixformer.data.datasets.sequence_files import index_frames
from mixformer.data.frame_storage import FrameRef
from mixformer.data.importers.tracks import picture_below, pictures_in, track_sequence
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError
from mixformer.files import read_text_file
from mixformer.types import FloatArray

_LAYOUT = "NAME/gt/gt.txt (frame, track, x, y, w, h, confidence, class, visibility) with NAME/img1/"


def read_mot(source: Path, images: Path | None = None) -> list[VideoSequence]:
    """Read every track of a MOT sequence folder, or of a folder of such folders.

    Frames and pixels count from 1 in the file and from 0 in the result. Boxes with confidence 0 are not part of the
    annotation. A visibility of 0 means hidden; negative ones (MOT15) say nothing.

    Args:
        source: a sequence folder, or one that holds several.
        images: pictures of a single sequence; None takes the folder that seqinfo.ini names, or else img1/.

    Raises:
        DataError: if there is no such file, or a line is not nine (or at least seven) numbers.
    """
    truths = [source / "gt" / "gt.txt"] if (source / "gt" / "gt.txt").is_file() else sorted(source.glob("*/gt/gt.txt"))
    if not truths:
        raise DataError(f"no MOT sequences in {source}; looked for {_LAYOUT}")
    return [track for truth in truths for track in _tracks(truth, images)]


def _tracks(truth: Path, images: Path | None) -> list[VideoSequence]:
    folder = truth.parents[1]
    files = {path.name: path for path in pictures_in(images or picture_below(folder, _image_folder(folder), truth))}
    pictures: dict[int, FrameRef] = {n: files[name] for n, name in index_frames(files, 0).items()}
    tracks: dict[int, dict[int, tuple[float, ...] | None]] = defaultdict(dict)
    kinds = {}
    for row in _rows(truth):
        frame, track, x, y, w, h, confidence = row[:7]
        kinds[int(track)] = f"{row[7]:.0f}" if len(row) > 7 and row[7] >= 0 else ""
        if confidence != 0 and (len(row) < 9 or row[8] != 0):
            tracks[int(track)][int(frame)] = (x - 1, y - 1, w, h)
    found = [
        track_sequence(f"{folder.name}_{track:04d}", pictures, boxes, "mot", kinds[track])
        for track, boxes in sorted(tracks.items())
    ]
    return [sequence for sequence in found if sequence]


def _rows(truth: Path) -> list[FloatArray]:
    rows = []
    for number, line in enumerate(read_text_file(truth).splitlines(), 1):
        try:
            row = np.array([float(value) for value in line.rstrip(", ").split(",")]) if line.strip() else None
        except ValueError as error:
            raise DataError(f"{truth}, line {number}: not numbers separated by commas: {line!r:.200}") from error
        if row is not None and len(row) < 7:
            raise DataError(f"{truth}, line {number}: {len(row)} numbers; looked for {_LAYOUT}")
        if row is not None and not (np.abs(row[:2]) < 2**53).all():
            raise DataError(f"{truth}, line {number}: frame and track must be whole numbers: {line!r:.200}")
        rows += [] if row is None else [row]
    return rows


def _image_folder(folder: Path) -> str:
    """The folder that seqinfo.ini names, or img1."""
    settings = configparser.ConfigParser()
    try:
        if (folder / "seqinfo.ini").is_file():
            settings.read_string(read_text_file(folder / "seqinfo.ini"))
        return settings.get("Sequence", "imDir", fallback="img1")
    except configparser.Error as error:
        raise DataError(f"cannot read {folder / 'seqinfo.ini'}: {error}") from error
