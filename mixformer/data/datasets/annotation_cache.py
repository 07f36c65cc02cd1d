"""Compact indices of large annotation files: parsed once, then kept in the folder that `cache` names."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.data.storage import Storage, describe_key
from mixformer.errors import DataError
from mixformer.files import arrays_writer, write_files
from mixformer.files.zip_damage import ZIP_DAMAGE

log = logging.getLogger(__name__)

Index = dict[str, Any]


def cached_index(storage: Storage, key: str, cache: Path | None, make: Callable[[], Index]) -> Index:
    """Return the arrays that `make` parses from the file or folder `key`, or those that an earlier run kept in `cache`.

    Raises DataError if the annotation is missing, and OutputError if the cache cannot be written.
    """
    kept = cache / f"{Path(key).stem}_{_stamp(storage, key)}.npz" if cache else None
    if kept and kept.is_file():
        try:
            with np.load(kept, allow_pickle=False) as arrays:
                return dict(arrays)
        except ZIP_DAMAGE as error:
            log.warning("%s cannot be read (%s) and is made again", kept, error)
    index = make()
    if kept:
        write_files({kept: arrays_writer(index)}, sync=False)
    return index


def read_whole(storage: Storage, key: str) -> bytes:
    """Return the bytes of a file; raises DataError if it is missing."""
    data = storage.read(key)
    if data is None:
        raise DataError(f"{describe_key(storage, key)} is not there; the data set is incomplete, so download that file")
    return data


def _stamp(storage: Storage, key: str) -> str:
    """Return a text that changes if the annotation file, its folder or its archive changes."""
    frame = storage.frame(key)
    file = frame if isinstance(frame, Path) else storage.root
    try:
        inside = (
            sorted(path for path in file.iterdir() if path.is_dir() or path.suffix == ".mdb") if file.is_dir() else []
        )
        states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in [file, *inside]]
    except OSError as error:
        raise DataError(f"cannot read {file}: {error}") from error
    return hashlib.sha256(f"{file.resolve()} {key} {states}".encode()).hexdigest()[:16]
