"""The cache of compiled graphs: files that can be made again, each with its checksum in a second file."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from mixformer.files import Writer, write_files
from mixformer.optional import cache_folder

SUFFIX = ".blob"
_CHECKSUM = ".sum"
_LANES = 1 << 15  # 256 kB, which fit into the processor's cache
_ODD = np.uint64(0x9E3779B97F4A7C15)
_LEFT_OVER = 3600.0  # seconds after which unfinished files of ended processes may be removed
_PARTIAL = (".*.partial", "tmp*")


def read_kept(path: Path) -> bytes | None:
    """Read a cached file, None if there is none; ValueError for a wrong checksum, OSError if it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        said = _beside(path).read_text("ascii")
    except FileNotFoundError:
        said = ""
    if said != _checksum(path, content):
        raise ValueError("its checksum differs")
    return content


def keep(path: Path, content: bytes | memoryview, limit: int) -> None:
    """Write a file with its checksum, then delete the oldest files of its folder beyond `limit` bytes in total.

    Only the owner can open the folder. Unfinished files of ended processes are removed.
    """
    _make_private(path.parent)
    checksum = _checksum(path, content)
    files: dict[Path, Writer] = {
        path: lambda part: part.write_bytes(content),
        _beside(path): lambda part: part.write_text(checksum, "ascii"),
    }
    write_files(files, sync=False)
    forget_old(path.parent, limit)


def forget_old(folder: Path, limit: int) -> None:
    """Delete the oldest cached files while they exceed `limit` bytes together, and old unfinished files."""
    files = sorted(folder.glob(f"*{SUFFIX}"), key=_written, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size if file.exists() else 0
        if total > limit:
            file.unlink(missing_ok=True)
            _beside(file).unlink(missing_ok=True)
    now = time.time()
    for pattern in _PARTIAL:
        for path in folder.glob(pattern):
            if now - _written(path) > _LEFT_OVER:
                _remove(path)


def work_places() -> Iterator[Path | None]:
    """Yield places for a temporary folder, best first; None is the system's own. The cache removes what is left."""
    place = cache_folder()
    if place is not None and _is_private(place):
        yield place
    yield None
    if Path("/dev/shm").is_dir():  # memory, on Linux: also where every disk is full or read-only
        yield Path("/dev/shm")


def _is_private(folder: Path) -> bool:
    try:
        _make_private(folder)
    except OSError:  # it cannot be written
        return False
    return True


def _make_private(folder: Path) -> None:
    """Make a folder for the owner only, or close an existing one, unless it holds files of other programs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name != "posix" or folder.stat().st_uid != os.geteuid() or not folder.stat().st_mode & 0o077:
        return
    ours = (f"*{SUFFIX}", f"*{_CHECKSUM}", *_PARTIAL, "frames", "previews", "matplotlib", "inductor", "triton", "cuda")
    if all(any(Path(entry.name).match(name) for name in ours) for entry in folder.iterdir()):
        with suppress(OSError):
            folder.chmod(0o700)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _CHECKSUM)


def _checksum(path: Path, content: bytes | memoryview) -> str:
    """Return the checksum of content and name together, so that swapped files are detected.

    SHA-256 of everything would take a tenth of the start-up time. So the content is first folded into many lanes, each
    a polynomial of 64-bit words: any single changed word changes its lane.
    """
    lanes = np.zeros(_LANES, np.uint64)
    used = len(content) // lanes.nbytes * lanes.nbytes
    for row in np.frombuffer(content, np.uint64, used // 8).reshape(-1, _LANES):
        lanes *= _ODD
        lanes += row
    digest = hashlib.sha256(path.name.encode())
    digest.update(lanes.tobytes())
    digest.update(content[used:])
    return f"{digest.hexdigest()} {len(content)}"


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has deleted it
        return time.time()


def _remove(path: Path) -> None:
    """Delete a file or a flat folder, if possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            for inside in path.iterdir():
                inside.unlink()
            path.rmdir()
        else:
            path.unlink()
