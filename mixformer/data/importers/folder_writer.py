"""Write sequences in this package's layout: NAME/img/00000001.jpg ... and NAME/groundtruth.txt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from mixformer.data.frame_storage import ArchiveFrame, ClipFrame, FrameRef, read_bytes, read_frame
from mixformer.data.importers.tracks import safe_name
from mixformer.data.sequence import VideoSequence
from mixformer.errors import OutputError
from mixformer.files import write_text
from mixformer.files.places import clear_left_over, own_mark

_FRAMES = "_frames"  # pictures taken out of videos and archives; no sequence, since it has no groundtruth.txt


def write_folders(
    sequences: Iterable[VideoSequence], out: Path, *, copy: bool = False, progress: Callable[[str], None] | None = None
) -> list[Path]:
    """Write one folder for each sequence.

    Pictures are relative links to the originals; those of videos and archives are written once below `_frames`.

    Args:
        sequences: the sequences to write. Frames in which the target is hidden get no box.
        out: folder to write into.
        copy: copy pictures instead of linking them.
        progress: called with the name of each sequence.

    Returns:
        The folders.

    Raises:
        DataError: if a picture cannot be read.
        OutputError: if a folder is there already, or cannot be written.
    """
    written, used = list[Path](), set[str]()
    for sequence in sequences:
        name = _unused(safe_name(sequence.name), used)
        if progress:
            progress(name)
        folder, part = out / name, out / f".{name}.{own_mark()}.partial"
        if folder.exists():
            raise OutputError(f"{folder} is there already; import into an empty folder")
        if not written:
            clear_left_over(out)
        try:
            (part / "img").mkdir(parents=True)
            for number, frame in enumerate(sequence.frames, 1):
                _place(frame, part / "img" / f"{number:08d}", out / _FRAMES, copy)
            write_text(part / "groundtruth.txt", _lines(sequence))
            part.replace(folder)
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {error}; where links are not allowed, use --copy") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        written.append(folder)
    return written


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


def _place(frame: FrameRef, target: Path, shared: Path, copy: bool) -> None:
    """Put a picture at `target`, plus its ending."""
    if copy and isinstance(frame, Path):
        shutil.copyfile(frame, target.with_suffix(frame.suffix.lower()))
    elif copy:
        _extract(frame, target)
    else:
        original = frame if isinstance(frame, Path) else _extract(frame, _shared(frame, shared))
        relative = os.path.relpath(original.resolve(), target.parent.resolve())
        target.with_suffix(original.suffix.lower()).symlink_to(relative)


def _shared(frame: ArchiveFrame | ClipFrame, shared: Path) -> Path:
    """Path of a picture of a video or archive, kept once for all sequences that show it."""
    if isinstance(frame, ArchiveFrame):
        return shared / safe_name(frame.archive.name) / frame.key
    return shared / safe_name(frame.clip.name) / f"{frame.index:08d}"


def _extract(frame: FrameRef, target: Path) -> Path:
    """Write a picture of a video (as JPEG) or of an archive (as it is) unless it is there."""
    ending = Path(frame.key).suffix.lower() if isinstance(frame, ArchiveFrame) else ".jpg"
    target = target.with_suffix(ending)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(frame, ArchiveFrame):
            target.write_bytes(read_bytes(frame))
        else:
            PillowImage.fromarray(read_frame(frame)).save(target, quality=95)
    return target
