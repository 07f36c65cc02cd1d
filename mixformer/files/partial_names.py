"""Names beside a result: of its draft, of its lock and of what is set aside."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
from pathlib import Path

LONGEST = 255
"""Bytes of a name on usual file systems."""

_MARK = 9  # letters that tell shortened names apart
_LONGEST_ENDING = 20


def is_folder_name(name: str) -> bool:
    """Tell whether a name from outside can become a folder on every system."""
    return name not in ("", ".", "..") and not any(sign in name for sign in '/\\:*?"<>|\0')


def real_path(path: Path) -> Path:
    """Follow the links of a path. Those that lead in a circle stay as they are; `Path.resolve` raises there.

    So does a path with a zero byte, which no file can have.
    """
    return Path(path if "\0" in os.fspath(path) else os.path.realpath(path))


def beside(path: Path, before: str = "", after: str = "", *, stem: str | None = None) -> Path:
    """Return a path in the same folder: `before`, then `stem` or by default the whole name of the file, then `after`.

    A name that would be too long for the file system is cut, and gets a checksum of all of it.
    """
    middle = path.name if stem is None else stem
    room = LONGEST - len(os.fsencode(before + after))
    whole = os.fsencode(middle)
    if len(whole) > room > _MARK:
        middle = whole[: room - _MARK].decode(errors="ignore") + "~" + hashlib.sha256(whole).hexdigest()[: _MARK - 1]
    return path.parent / f"{before}{middle}{after}"


def with_room(path: Path, after: str) -> Path:
    """Return a path, cut if there is no room for the name of a file beside it, which ends with `after`."""
    return path.with_name(beside(path, "", after).name.removesuffix(after))


def partial_path(path: Path) -> Path:
    """Return the path of a result until it is whole: beside its place, or inside for a folder that is there already."""
    path = real_path(path)
    return path / ".partial" if path.is_dir() else _worded(path, ".partial")


def aside_of(part: Path) -> Path:
    """Return the path of a draft while its content is copied to a new one."""
    return _worded(part, ".before")


def _worded(path: Path, word: str) -> Path:
    """Return a path with a word before the ending of its name, by which FFmpeg and people know what it is."""
    if len(path.suffix) > _LONGEST_ENDING:  # no ending, but a full stop in a title
        return beside(path, "", word)
    return beside(path, "", word + path.suffix, stem=path.stem)


def own_places(path: Path) -> tuple[Path, ...]:
    """Return all places that a result is written to until it is whole, its own first."""
    part = partial_path(path)
    return real_path(path), part, aside_of(part)


def own_mark() -> str:
    """Return a part of a name that no other process, and no other call, uses: see `clear_left_over`."""
    return f"{host()}-{os.getpid()}-{secrets.token_hex(4)}"


def host() -> str:
    """Return the name of this machine in letters and digits."""
    return re.sub(r"[^a-zA-Z0-9]", "", platform.node())[:16] or "here"
