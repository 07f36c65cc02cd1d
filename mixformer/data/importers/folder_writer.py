"""Write sequences in this package's layout: NAME/img/00000001.jpg ... and NAME/groundtruth.txt."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from mixformer.data.frame_storage import ArchiveFrame, ClipFrame, FrameRef, file_state, read_bytes, read_frame
from mixformer.data.importers.tracks import folder_name
from mixformer.data.sequence import VideoSequence
from mixformer.errors import OutputError, remedy
from mixformer.files import path_kind, read_text_file, write_files, write_text
from mixformer.files.partial_names import beside, own_mark
from mixformer.files.places import clear_left_over, make_folders, remove_folders, require_replaceable, swap_in
from mixformer.imaging.images import jpeg_bytes

_BEGUN = ".import"  # file that is there from the first sequence to the last, and says of which import
_FRAMES = "_frames"  # folder of pictures from videos and archives; without groundtruth.txt, it is not a sequence


def write_folders(
    sequences: Iterable[VideoSequence],
    out: Path,
    *,
    copy: bool = False,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write one folder for each sequence, which appears when it is complete; return the folders.

    If that is interrupted, the same call keeps the complete ones and goes on.

    Pictures are relative links to the originals, or copies; those of videos and archives are written once below
    `_frames`. Frames in which the target is hidden get no box. `progress` gets the name of each sequence.

    Raises DataError if a picture cannot be read, and OutputError if a folder already exists without `overwrite` (then
    nothing is written), or cannot be written.
    """
    used, placer = set[str](), _Placer(out / _FRAMES, copy, overwrite)
    folders = {out / _unused(folder_name(sequence.name), used): sequence for sequence in sequences}
    mark, waiting = _mark(folders, copy), dict(folders)
    if path_kind(out / _BEGUN) and not overwrite and read_text_file(out / _BEGUN) == mark:
        waiting = {folder: each for folder, each in folders.items() if not path_kind(folder / "groundtruth.txt")}
    for folder in waiting:
        require_sequence_place(folder, overwrite)
    made = make_folders(out, out)
    clear_left_over(out)
    try:
        write_text(out / _BEGUN, "" if overwrite else mark)  # what is there may be of an earlier import
        for folder, sequence in waiting.items():
            if progress:
                progress(folder.name)
            _write_one(sequence, folder, placer, overwrite)
        (out / _BEGUN).unlink()
    finally:
        if not any(path_kind(folder / "groundtruth.txt") for folder in folders):  # there is nothing to go on with
            (out / _BEGUN).unlink(missing_ok=True)
        remove_folders(made)
    return list(folders)


def _write_one(sequence: VideoSequence, folder: Path, placer: _Placer, overwrite: bool) -> None:
    part = beside(folder, ".", f".{own_mark()}.partial")
    try:
        (part / "img").mkdir(parents=True)
        for number, frame in enumerate(sequence.frames, 1):
            placer.place(frame, part / "img" / f"{number:08d}")
        write_text(part / "groundtruth.txt", _lines(sequence))
        put_sequence(part, folder, overwrite)
    except OutputError:
        raise
    except OSError as error:
        advice = remedy(error, "where links are not allowed, use --copy")
        raise OutputError(f"cannot write {folder}: {error}; {advice}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _mark(folders: Mapping[Path, VideoSequence], copy: bool) -> str:
    """Return a text that is equal only for equal imports."""
    digest = hashlib.sha256(str(copy).encode())
    for folder, sequence in folders.items():
        digest.update(f"{folder.name}\n{_lines(sequence)}".encode())
        for frame in sequence.frames:
            digest.update(str(frame).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def require_sequence_place(folder: Path, overwrite: bool) -> None:
    """Raise OutputError if a sequence is there and `overwrite` is not set, or the folder holds something else."""
    require_replaceable(folder, ("groundtruth.txt", "img", "target.json"), "sequence", overwrite)


def put_sequence(part: Path, folder: Path, overwrite: bool) -> None:
    """Move a complete sequence to its place; raises OutputError as `require_sequence_place` does, and OSError."""
    require_sequence_place(folder, overwrite)
    swap_in(part, folder)


def _unused(name: str, used: set[str]) -> str:
    unique, number = name, 1
    while unique in used:
        number += 1
        unique = f"{name}_{number}"
    used.add(unique)
    return unique


def _lines(sequence: VideoSequence) -> str:
    boxes = np.full((len(sequence), 4), np.nan)
    boxes[sequence.visible] = sequence.boxes[sequence.visible]
    return "".join(",".join(f"{value:.8g}" for value in box) + "\n" for box in boxes.tolist())


class _Placer:
    """Links or copies pictures into sequence folders."""

    def __init__(self, shared: Path, copy: bool, overwrite: bool) -> None:
        self._shared, self._copy, self._overwrite = shared, copy, overwrite
        self._written = set[Path]()

    def place(self, frame: FrameRef, target: Path) -> None:
        """Link or copy a picture to `target`, plus its ending."""
        if self._copy and isinstance(frame, Path):
            shutil.copyfile(frame, target.with_suffix(frame.suffix.lower()))
        elif self._copy:
            self._extract(frame, target)
        else:
            original = frame if isinstance(frame, Path) else self._extract(frame, _shared(frame, self._shared))
            relative = os.path.relpath(original.resolve(), target.parent.resolve())
            target.with_suffix(original.suffix.lower()).symlink_to(relative)

    def _extract(self, frame: FrameRef, target: Path) -> Path:
        """Write a picture of a video (as JPEG) or of an archive (unchanged), unless it is there."""
        ending = Path(frame.key).suffix.lower() if isinstance(frame, ArchiveFrame) else ".jpg"
        target = target.with_suffix(ending)
        if target in self._written or (target.exists() and not self._overwrite):
            return target
        data = read_bytes(frame) if isinstance(frame, ArchiveFrame) else jpeg_bytes(read_frame(frame))
        write_files({target: lambda part: part.write_bytes(data)}, sync=False)
        self._written.add(target)
        return target


def _shared(frame: ArchiveFrame | ClipFrame, shared: Path) -> Path:
    """Return the path of a picture of a video or archive; all sequences that show it share this file.

    Another video of the same name, or the same after a change, has another folder.
    """
    source = frame.archive if isinstance(frame, ArchiveFrame) else frame.clip
    mark = hashlib.sha256(f"{source.resolve()} {file_state(source)}".encode("utf-8", "surrogateescape")).hexdigest()[:8]
    place = shared / f"{folder_name(source.name)}_{mark}"
    return place / (frame.key if isinstance(frame, ArchiveFrame) else f"{frame.index:08d}")
