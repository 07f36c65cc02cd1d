"""What Python's reader of zip files raises for files that are damaged, or packed in a way that it lacks."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Final

_PLAIN: tuple[type[Exception], ...] = (
    OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, OverflowError,
    RuntimeError, MemoryError,
)  # fmt: skip


def _all() -> tuple[type[Exception], ...]:
    try:
        from lzma import LZMAError
    except ImportError:  # a Python that was built without it reads no such zip files
        return _PLAIN
    return (*_PLAIN, LZMAError)


ZIP_DAMAGE: Final = _all()
"""For `except`. RuntimeError stands for passwords too, and for methods that are not known."""
