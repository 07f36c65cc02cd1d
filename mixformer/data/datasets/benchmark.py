"""Test splits: packaged lists of sequences, looked for under a root."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mixformer.data.datasets.benchmark_reader import Entry, StrictReader, StrictRules
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, choose, entry
from mixformer.data.datasets.video_folders import Video
from mixformer.data.lists import Row, read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import Store, stores
from mixformer.errors import DataError, first_few

log = logging.getLogger(__name__)

Rows = tuple[Row, ...]

_NAMED = 10  # absent sequences named in a message


def listed_set(
    rows: Rows, entries: Iterable[Entry], options: DatasetOptions, source: str, root: Path, layout: str
) -> LazySequences:
    """The sequences of a list that are there, in the list's order; a warning says which are not.

    Raises:
        DataError: if none is there.
    """
    found = {item.row.name: item for item in entries}
    if not found:
        raise DataError(f"no {source} {options.split} sequences in {root}; looked for {layout}")
    if absent := [row.name for row in rows if row.name not in found]:
        log.warning("%s %s in %s: %s", source, options.split, root, describe_missing(absent, len(rows)))
    videos = choose([found[row.name].video for row in rows if row.name in found], options)
    chosen = [found[video.name] for video in videos]
    return LazySequences(
        [item.row.name for item in chosen], StrictReader(source, chosen, options.keep_one_based), source
    )


def describe_missing(names: list[str], total: int) -> str:
    """In words, which of a list's sequences are absent."""
    return f"{len(names)} of {total} sequences are not there: {', '.join(first_few(names, _NAMED))}"


def pick(rows: Rows, videos: Iterable[Video], rules: StrictRules) -> Iterator[Entry]:
    """Those of some videos that are on a list."""
    by_name = {row.name: row for row in rows}
    return (Entry(by_name[video.name], video, rules) for video in videos if video.name in by_name)


@dataclass(frozen=True)
class Layout:
    """One way in which a set's files may lie.

    Attributes:
        truth: key of the boxes; `{name}`, `{folder}` and `{truth}` stand for those of the list.
        pictures: key of the folder of the pictures, alike.
        rules: how a sequence is read.
    """

    truth: str
    pictures: str
    rules: StrictRules

    def find(self, store: Store, base: str, row: Row) -> Entry | None:
        """A sequence of the list below a base folder ("" is the top), or None if its boxes are not there."""
        words = {"name": row.name, "folder": row.folder, "truth": row.truth}
        truth, pictures = (f"{base}/{key.format(**words)}".lstrip("/") for key in (self.truth, self.pictures))
        folder, _, file = truth.rpartition("/")
        if file not in store.listing(folder)[1]:
            return None
        return Entry(row, Video(row.name, store, truth, store, pictures), self.rules, base)


def find_listed(root: Path, rows: Rows, layouts: tuple[Layout, ...]) -> Iterator[Entry]:
    """The sequences of a list under a root: a folder, a zip file, an LMDB database, or a folder of zip files.

    A layout may begin in the only folder of the root or archive, and a sequence lies as the first layout that fits.
    """
    missing = list(rows)
    for store in stores(root, 1):
        places = [(layout, base) for layout in layouts for base in _bases(store)]
        for row in tuple(missing):
            tries = (layout.find(store, base, row) for layout, base in places)
            if (found := next((item for item in tries if item), None)) is not None:
                missing.remove(row)
                yield found


def _bases(store: Store) -> list[str]:
    folders, files = store.listing("")
    return ["", folders[0]] if len(folders) == 1 and not files else [""]


@dataclass(frozen=True)
class Split:
    """One split of a benchmark.

    Attributes:
        meaning: in words.
        list_name: of the packaged list.
        layouts: how the files may lie.
        part: take only the sequences with this in their name.
    """

    meaning: str
    list_name: str
    layouts: tuple[Layout, ...]
    part: str = ""

    def rows(self) -> Rows:
        """The published list."""
        return tuple(row for row in read_list(self.list_name) if self.part in row.name)


def benchmark(
    name: str, title: str, layout: str, splits: Mapping[str, Split], *, prefix: str = "", own: str = ""
) -> DatasetSpec:
    """A set whose files lie by fixed patterns.

    Args:
        name: of the set.
        title: what it is.
        layout: what is looked for, in words.
        splits: by name; the first is the default.
        prefix: put before the names of sequences in result files of the official code.
        own: detect the set only by its sequences that are not on this other list.
    """

    def entries(root: Path, split: str) -> Iterator[Entry]:
        return find_listed(root, splits[split].rows(), splits[split].layouts)

    def read(root: Path, options: DatasetOptions) -> LazySequences:
        return listed_set(splits[options.split].rows(), entries(root, options.split), options, name, root, layout)

    def detect(root: Path) -> bool:
        others = {row.name for row in read_list(own)} if own else set()
        found = (item for split in splits for item in entries(root, split))
        return any(item.row.name not in others for item in found)

    def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
        return {"": _items(item for split in splits for item in entries(root, split))}

    meanings = {split: known.meaning for split, known in splits.items()}
    takes = frozenset({"ids", "exclude", "keep_one_based"})
    rows = {split: known.rows for split, known in splits.items()}
    return DatasetSpec(name, title, meanings, layout, takes, detect, read, pack, rows, prefix)


def _items(entries: Iterable[Entry]) -> Iterator[PackItem]:
    """The files of some sequences, each once, under the keys that they have."""
    done = set[tuple[Path, str]]()
    for item in entries:
        for store, key in item.files():
            if (store.root, key) not in done:
                done.add((store.root, key))
                yield key.removeprefix(item.base).lstrip("/"), entry(store, key)
