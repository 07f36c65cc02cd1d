"""Test splits: packaged lists of sequences, and the search for their files under a root."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, pack_item, select_sequences
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout
from mixformer.data.datasets.sequence_reader import SequenceReader
from mixformer.data.lists import ListedSequence, read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import find_storages
from mixformer.errors import DataError, first_few

log = logging.getLogger(__name__)

PublishedList = tuple[ListedSequence, ...]


def listed_sequences(
    published: PublishedList,
    found: Iterable[SequenceFiles],
    options: DatasetOptions,
    source: str,
    root: Path,
    places: str,
    layout: SequenceLayout | None = None,
) -> LazySequences:
    """Return the found sequences of a published list, in its order, and warn of missing ones; DataError if all are.

    `layout` reads the files; None takes the one that they were found by. `places` describes it for messages.
    """
    by_name = {files.name: files for files in found}
    there = [
        replace(by_name[each.name], layout=layout or by_name[each.name].layout, listed=each)
        for each in published
        if each.name in by_name
    ]
    if not there:
        raise DataError(f"no {source} {options.split} sequences in {root}; looked for {places}")
    if missing := [listed.name for listed in published if listed.name not in by_name]:
        log.warning("%s %s in %s: %s", source, options.split, root, describe_missing(missing, len(published)))
    chosen = select_sequences(there, options)
    return LazySequences(
        [files.name for files in chosen], SequenceReader(source, chosen, "raise", options.keep_one_based), source
    )


def describe_missing(names: list[str], total: int) -> str:
    """Write which sequences of a list are missing."""
    return f"{len(names)} of {total} sequences are not there: {', '.join(first_few(names, 10))}"


def find_listed(root: Path, published: PublishedList, layouts: tuple[SequenceLayout, ...]) -> Iterator[SequenceFiles]:
    """Yield the sequences of a list below a root: a folder, a zip file, an LMDB database, or a folder of zip files.

    A layout may start in the only folder of a root or archive. The first layout that fits a sequence is used.
    """
    missing = list(published)
    for storage in find_storages(root, 1):
        folders, others = storage.listing("")
        bases = ["", *folders] if len(folders) == 1 and not others else [""]
        places = [(layout, base) for layout in layouts for base in bases]
        for listed in tuple(missing):
            tries = (layout.find(storage, base, listed) for layout, base in places)
            if (found := next((files for files in tries if files), None)) is not None:
                missing.remove(listed)
                yield found


@dataclass(frozen=True)
class BenchmarkSplit:
    """One split of a benchmark.

    Attributes:
        description: the split in words.
        list_name: name of the packaged list, or path of a CSV file with the same columns; see `read_list`.
        layouts: possible layouts of the files.
        name_part: keep only the sequences with this text in their name.

    Example:
        >>> from mixformer.data import BenchmarkSplit, SequenceLayout
        >>> split = BenchmarkSplit("123 sequences", "uav123", (SequenceLayout("anno/{name}.txt", "frames/{folder}"),))
        >>> split.published()[0].name
        'bike1'
    """

    description: str
    list_name: str | Path
    layouts: tuple[SequenceLayout, ...]
    name_part: str = ""

    def published(self) -> PublishedList:
        """Read the published list."""
        return tuple(listed for listed in read_list(self.list_name) if self.name_part in listed.name)


def benchmark(
    name: str, title: str, layout: str, splits: Mapping[str, BenchmarkSplit], *, prefix: str = "", subset_of: str = ""
) -> DatasetSpec:
    """Describe a data set whose files follow fixed patterns, for `DATASETS` or `register_dataset`.

    Args:
        name: name of the data set.
        title: what it is.
        layout: the files to look for, in words.
        splits: splits by name; the first is the default.
        prefix: start of the names of result files of the official code, before the name of the sequence.
        subset_of: detect the data set only by sequences that are not on this other list.

    Example:
        >>> from mixformer.data import BenchmarkSplit, SequenceLayout, benchmark
        >>> layout = SequenceLayout("anno/{name}.txt", "frames/{name}")
        >>> spec = benchmark("mine", "My set", "anno/NAME.txt", {"test": BenchmarkSplit("9", "mine", (layout,))})
        >>> spec.splits
        {'test': '9'}
    """

    def find(root: Path, split: str) -> Iterator[SequenceFiles]:
        return find_listed(root, splits[split].published(), splits[split].layouts)

    def read(root: Path, options: DatasetOptions) -> LazySequences:
        split = splits[options.split]
        return listed_sequences(split.published(), find(root, options.split), options, name, root, layout)

    def detect(root: Path) -> bool:
        others = {listed.name for listed in read_list(subset_of)} if subset_of else set()
        return any(files.name not in others for split in splits for files in find(root, split))

    def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
        return {"": _items(files for split in splits for files in find(root, split))}

    return DatasetSpec(
        name,
        title,
        {split: known.description for split, known in splits.items()},
        layout,
        frozenset({"ids", "exclude", "keep_one_based"}),
        detect,
        read,
        pack,
        {split: known.published for split, known in splits.items()},
        prefix,
    )


def _items(sequences: Iterable[SequenceFiles]) -> Iterator[PackItem]:
    """Yield the files of some sequences, each once, with their keys."""
    done = set[tuple[Path, str]]()
    for files in sequences:
        for storage, key in files.stored_files():
            if (storage.root, key) not in done:
                done.add((storage.root, key))
                yield key.removeprefix(files.base).lstrip("/"), pack_item(storage, key)
