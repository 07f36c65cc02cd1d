"""Check the source that a caller names, and the wanted frames, before anything is opened."""

from __future__ import annotations

import math
import operator
import os
import stat
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from mixformer.errors import ConfigError, SourceError, shown
from mixformer.files import path_kind
from mixformer.video.cameras import is_camera

_ENDLESS = 2**60  # frames; iterators of Python count no further than 2**63


def source_text(source: Any) -> str:
    """Return the source as text. Raises SourceError if it is none; the message says what to give instead."""
    if not isinstance(source, str | int | Path) or isinstance(source, bool):
        raise SourceError(f"a source must be a path, an address or the number of a camera, not {type(source).__name__}")
    text = str(source)
    if not text.strip() or "\0" in text:
        raise SourceError("the source is empty; give a video file, a folder of pictures, a camera number or an address")
    if text == "-":
        raise SourceError("standard input is no source; save it to a file, or give the path of a named pipe (mkfifo)")
    if isinstance(source, int) and source < 0:
        raise SourceError(f"cameras are numbered from 0, so {source} is none")
    if "://" not in text and not os.path.exists(text) and (set("*?%") & set(Path(text).name)):
        raise SourceError(f"{text} looks like a pattern; give the folder of the pictures: {Path(text).parent}")
    return text


def frame_range(start: Any, stop: Any) -> tuple[int, int | None]:
    """Return the first frame and the end as whole numbers. Raises SourceError if no frames lie between them."""
    start, stop = _frame_number("start", start), None if stop is None else _frame_number("stop", stop)
    if start < 0 or (stop is not None and stop <= start):
        end = "the end" if stop is None else f"before {stop}"
        raise SourceError(f"no frames to read from {start} to {end}: start at 0 or later, and stop after the start")
    return min(start, _ENDLESS), None if stop is None else min(stop, _ENDLESS)


def _frame_number(name: str, value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError) as error:  # PyTorch has errors of its own
        raise SourceError(f"{name} is a whole number of a frame, not {shown(value)}") from error


def require_timeout(timeout: Any) -> None:
    """Refuse a time-out that is no number of seconds above 0, by a ConfigError."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise ConfigError(f"the time-out is a number of seconds above 0, not {shown(timeout)}")


def require_event(over: Any) -> None:
    """Refuse what another thread cannot set to end reading, by a ConfigError."""
    if over is not None and not callable(getattr(over, "is_set", None)):
        raise ConfigError(f"over must be a threading.Event, or None, not {shown(over, 60)}")


def is_pipe(text: str) -> bool:
    """Tell whether a path is a named pipe or another device, which may keep one waiting like a network does."""
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _near(path: Path) -> str:
    """Ask whether a file beside a missing one was meant."""
    with suppress(OSError):
        names = {
            each.stem.lower(): each.name for each in islice(path.parent.iterdir(), 10_000) if each.name != path.name
        }
        near = get_close_matches(path.stem[:100].lower(), names, 1, 0.75)
        return f"; did you mean {names[near[0]]!r}?" if near else ""
    return ""


def require_source(text: str) -> None:
    """Raise SourceError if there is no such file or folder. Cameras and addresses are not looked for."""
    if not is_camera(text) and "://" not in text and not text.startswith("pipe:") and not path_kind(text):
        raise SourceError(f"there is no file or folder {text[:300]}{_near(Path(text)) or '; check the name'}")
