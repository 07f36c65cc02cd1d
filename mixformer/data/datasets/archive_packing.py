"""Write a data set as LMDB databases in the official layout: keys are paths, values are the bytes of files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixformer.data.datasets.dataset_spec import PackItem
from mixformer.data.datasets.registry import DATASETS, detect_dataset, unknown_dataset
from mixformer.data.frame_storage import read_bytes
from mixformer.errors import DataError, OutputError, remedy
from mixformer.files.partial_names import beside, own_mark, real_path
from mixformer.files.places import clear_left_over, make_folders, remove_folders, require_replaceable, swap_in
from mixformer.optional import load

_AT_ONCE = 64 * 2**20  # bytes written in one transaction
_FIRST_SIZE = 64 * 2**20  # bytes of the memory map, doubled when full; the file only grows as needed


@dataclass(frozen=True)
class Packed:
    """A report of `pack`."""

    name: str  # name of the data set
    files: int  # number of entries
    size: int  # bytes of all entries
    databases: tuple[Path, ...]  # the folders written


def pack(
    root: Path,
    out: Path,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
    *,
    overwrite: bool = False,
) -> Packed:
    """Write a data set as one LMDB database in `out`; TrackingNet as one for each part, with a list.

    An empty `name` is detected. `progress` gets the entries and bytes written so far; `out` appears when all is
    written.

    Raises DataError if the data set is missing or not detected; OutputError if `out` cannot be written, holds databases
    without `overwrite`, or holds something else; MissingDependencyError without `lmdb`.
    """
    lmdb = load("lmdb", "an LMDB database")
    name = name or detect_dataset(root, custom_first=False) or ""
    if name not in DATASETS:
        raise DataError(
            unknown_dataset(name)
            if name
            else f"{root} is none of {', '.join(DATASETS)}; if it is one of them, name it with --set"
        )
    require_packable(out, overwrite)
    home = real_path(out)
    partial = beside(home, ".", f".{own_mark()}.partial")
    tally = _Tally(progress)
    made = make_folders(home.parent, out)
    try:
        clear_left_over(home.parent)
        partial.mkdir()
        parts = DATASETS[name].pack(root)
        for place, items in parts.items():
            _write(lmdb, partial / place, items, tally)
        if not tally.files:
            raise DataError(f"no {name} in {root}; looked for {DATASETS[name].layout}")
        require_packable(out, overwrite)  # again, since another program may have written there
        swap_in(partial, home)
    except OutputError:
        raise
    except (OSError, lmdb.Error) as error:
        raise OutputError(f"cannot write {out}: {error}; {remedy(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        remove_folders(made)
    return Packed(name, tally.files, tally.size, tuple(out / place for place in parts if not place.endswith(".json")))


def require_packable(out: Path, overwrite: bool) -> None:
    """Raise OutputError if `out` holds databases and `overwrite` is not set, or holds something else."""
    parts = out.is_dir() and any(out.glob("*_lmdb/data.mdb"))
    known = ("*_lmdb", "seq_list.json") if parts else ("data.mdb", "lock.mdb")
    require_replaceable(out, known, "packed data set", overwrite)


class _Tally:
    """Counts of written entries and bytes."""

    def __init__(self, progress: Callable[[int, int], None] | None) -> None:
        self.files, self.size, self.progress = 0, 0, progress

    def add(self, size: int) -> None:
        self.files, self.size = self.files + 1, self.size + size
        if self.progress:
            self.progress(self.files, self.size)


def _write(lmdb: Any, path: Path, items: Iterable[PackItem], tally: _Tally) -> None:
    if path.suffix == ".json":
        for _, content in items:
            path.write_bytes(content if isinstance(content, bytes) else read_bytes(content))
        return
    path.mkdir(parents=True, exist_ok=True)
    environment = lmdb.open(str(path), map_size=_FIRST_SIZE, lock=False)
    try:
        waiting, size = list[tuple[bytes, bytes]](), 0
        for key, content in items:
            value = content if isinstance(content, bytes) else read_bytes(content)
            waiting.append((key.encode(), value))
            size += len(value)
            tally.add(len(value))
            if size > _AT_ONCE:
                _put(lmdb, environment, waiting)
                waiting, size = [], 0
        _put(lmdb, environment, waiting)
    finally:
        environment.close()


def _put(lmdb: Any, environment: Any, items: list[tuple[bytes, bytes]]) -> None:
    """Put all items in one transaction, in a map that grows until they fit."""
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in items:
                    transaction.put(key, value)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])
