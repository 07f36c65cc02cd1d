"""The description of a data set: its splits, its files in words, and its functions to detect, read and pack it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixformer.configs.base_config import BaseConfig
from mixformer.data.datasets.sequence_files import SequenceFiles, number_of
from mixformer.data.datasets.sequence_reader import SequenceReader
from mixformer.data.lists import ListedSequence
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import Storage
from mixformer.errors import DataError
from mixformer.files import read_text_file

PackItem = tuple[str, Path | bytes]
"""An entry to write into a database: its key, and its file or its bytes."""


@dataclass(frozen=True)
class DatasetOptions(BaseConfig):
    """Options of `load_dataset`. Each data set takes some of them; the others must keep their default.

    Attributes:
        split: one of the data set's splits; "" takes the first.
        ids: text file of the sequences to keep, one a line: names, or row numbers of the data set's own list from 0.
        exclude: text file of the sequences to leave out, one a line: names, or the numbers at the end of names.
        chunks: numbers of the parts to read, for a data set in parts; () reads all parts that are there.
        cache: folder for indices of large annotation files; None parses these files each time.
        keep_one_based: keep the numbers of files that count pixels from 1, as official results do. By default all boxes
            count from 0.

    Raises ConfigError for a value of another type.

    Example:
        >>> DatasetOptions("val").split
        'val'
    """

    split: str = ""
    ids: Path | None = None
    exclude: Path | None = None
    chunks: tuple[int, ...] = ()
    cache: Path | None = None
    keep_one_based: bool = False

    def __post_init__(self) -> None:
        for name in ("ids", "exclude", "cache"):
            if isinstance(path := getattr(self, name), str):
                object.__setattr__(self, name, Path(path))
        super().__post_init__()


@dataclass(frozen=True)
class DatasetSpec:
    """The description of one data set, an entry of `DATASETS`.

    Attributes:
        name: its name in recipes and on the command line.
        title: what it is.
        splits: name and description of each split; the first is the default.
        layout: the files to look for under the root, in words.
        takes: names of the `DatasetOptions` that it takes besides `split`.
        detect: returns whether a folder or archive holds this data set.
        read: reads the data set under a root; raises DataError if it is not there.
        pack: returns the entries of each database to write, by path below the output folder ("" is that folder). A path
            that ends in `.json` is written as a plain file.
        published: published list of each test split, by split.
        prefix: start of the names of result files of the official code, before the name of the sequence.

    Example:
        >>> from mixformer.data import DATASETS
        >>> DATASETS["otb100"].title
        'OTB100 (OTB-2015), short videos'
    """

    name: str
    title: str
    splits: Mapping[str, str]
    layout: str
    takes: frozenset[str]
    detect: Callable[[Path], bool]
    read: Callable[[Path, DatasetOptions], LazySequences]
    pack: Callable[[Path], Mapping[str, Iterator[PackItem]]]
    published: Mapping[str, Callable[[], tuple[ListedSequence, ...]]] = field(default_factory=dict)
    prefix: str = ""


def training_sequences(found: list[SequenceFiles], source: str, root: Path, layout: str) -> LazySequences:
    """Return the found sequences for training, without their broken frames; a warning names each broken sequence.

    Raises DataError if there are no sequences, or none of the first five has a picture with a box.
    """
    if not found:
        raise DataError(f"no {source} sequences in {root}; looked for {layout}")
    reader = SequenceReader(source, found, on_error="warn")
    if not any(len(reader(index)) for index in range(min(len(found), 5))):
        raise DataError(
            f"{source} in {root}: none of the first sequences, such as {found[0].name}, has a picture with a box; "
            f"looked for {layout}"
        )
    return LazySequences([files.name for files in found], reader, source)


def select_sequences(found: list[SequenceFiles], options: DatasetOptions) -> list[SequenceFiles]:
    """Keep the sequences that `ids` and `exclude` select from the data set's list; DataError if they do not fit."""
    if options.ids:
        found = list(_named(found, options.ids))
    if options.exclude:
        words = read_words(options.exclude)
        out = {int(word) if word.isdigit() else word for word in words}
        found = [files for files in found if files.name not in out and number_of(files.name) not in out]
    return found


def _named(found: list[SequenceFiles], path: Path) -> Iterator[SequenceFiles]:
    by_name = {files.name: files for files in found}
    for word in read_words(path):
        if word in by_name:
            yield by_name[word]
        elif word.isdigit() and int(word) < len(found):
            yield found[int(word)]
        else:
            raise DataError(
                f"{path} names the sequence {word}, which is not among the {len(found)} found; remove it from the "
                "list, or add the sequence"
            )


def read_words(path: Path) -> list[str]:
    """Read the lines of a list file, without empty ones; raises DataError if it cannot be read."""
    try:
        text = read_text_file(path)
    except DataError as error:
        raise DataError(f"cannot read the list of sequences: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def one_database(items: Callable[[Path], Iterator[PackItem]]) -> Callable[[Path], Mapping[str, Iterator[PackItem]]]:
    """Make a `DatasetSpec.pack` that writes all entries into one database."""
    return lambda root: {"": items(root)}


def pack_sequence(files: SequenceFiles, folder: str) -> Iterator[PackItem]:
    """Yield every file of a sequence's folder and of its folder of pictures, with their new keys below `folder`."""
    home = files.home
    for name in files.storage.listing(home)[1]:
        yield f"{folder}/{name}", pack_item(files.storage, f"{home}/{name}".lstrip("/"))
    pictures = files.picture_folder()
    if pictures != home:
        below = pictures.removeprefix(home).strip("/")
        for name in files.picture_storage.listing(pictures)[1]:
            yield f"{folder}/{below}/{name}", pack_item(files.picture_storage, f"{pictures}/{name}")


def pack_item(storage: Storage, key: str) -> Path | bytes:
    """Return a file to write into a database: its path if it is a plain file, else its bytes."""
    frame = storage.frame(key)
    return frame if isinstance(frame, Path) else storage.read(key) or b""
