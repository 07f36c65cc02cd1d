"""Devices, pipes and standard streams: results are written into them, and nothing takes their place."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_STREAMS = ((os.sep, "dev"), (os.sep, "dev", "fd"))  # but /dev/shm holds usual files


def is_special(path: Path) -> bool:
    """Tell whether a path is a device, a pipe or the like, such as `/dev/stdout`, which is written as it is."""
    with suppress(OSError, ValueError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return not stat.S_ISDIR(mode)
        return path.parts[:-1] in _STREAMS or path.parts[:2] == (os.sep, "proc")  # a stream that leads to a file
    return False


def own_stream(path: Path) -> int | None:
    """Return a new number of the standard stream that a path such as `/dev/stdout` leads to; None for another path.

    If the stream leads to a file, opening that again would begin at its start, over what was printed before.
    """
    if is_special(path):
        for number in (1, 2):
            with suppress(OSError):
                if os.path.samestat(path.stat(), os.fstat(number)):
                    return os.dup(number)
    return None
