"""What every data set has: its splits, its layout in words, and a function that reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixformer.data.datasets.video_folders import Rules, Video, VideoReader
from mixformer.data.lists import Row
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import Store
from mixformer.errors import DataError

PackItem = tuple[str, Path | bytes]
"""An entry to write into a database: its key, and the file it comes from or its bytes."""


@dataclass(frozen=True)
class DatasetOptions:
    """What may be asked of a set besides its folder.

    Attributes:
        split: one of the set's splits; "" takes the first.
        ids: text file of the sequences to take, one a line: names, or row numbers of the set's own list from 0.
        exclude: text file of the sequences to leave out, one a line: names, or the numbers at the end of names.
        chunks: numbers of the parts to take, for a set that comes in parts; () takes those that are there.
        cache: folder for compact indices of large annotation files; None parses them anew every time.
        keep_one_based: keep boxes as the files have them also in a set that counts pixels from 1, as official runs do.
    """

    split: str = ""
    ids: Path | None = None
    exclude: Path | None = None
    chunks: tuple[int, ...] = ()
    cache: Path | None = None
    keep_one_based: bool = False


@dataclass(frozen=True)
class DatasetSpec:
    """One known set.

    Attributes:
        name: as written in recipes and on the command line.
        title: what it is.
        splits: name and meaning of each; the first is the default.
        layout: what is looked for under the root, in words.
        takes: names of the `DatasetOptions` it understands besides `split`.
        detect: whether a folder or archive holds this set.
        read: the set under a root; raises DataError if it is not there.
        pack: databases to write, by path below the output ("" is the output itself), each with its entries; and plain
            files are written for names that end in `.json`.
        rows: published list of each test split, by split.
        prefix: put before the names of sequences in result files of the official code.
    """

    name: str
    title: str
    splits: Mapping[str, str]
    layout: str
    takes: frozenset[str]
    detect: Callable[[Path], bool]
    read: Callable[[Path, DatasetOptions], LazySequences]
    pack: Callable[[Path], Mapping[str, Iterator[PackItem]]]
    rows: Mapping[str, Callable[[], tuple[Row, ...]]] = field(default_factory=dict)
    prefix: str = ""


def video_set(videos: list[Video], rules: Rules, source: str, root: Path, layout: str) -> LazySequences:
    """The lazy set of some videos, after a look at the first ones.

    Raises:
        DataError: if there are none, or none of the first has frames with boxes.
    """
    if not videos:
        raise DataError(f"no {source} sequences in {root}; looked for {layout}")
    reader = VideoReader(source, videos, rules)
    if not any(len(reader(index)) for index in range(min(len(videos), 5))):
        raise DataError(
            f"{source} in {root}: none of the first sequences, such as {videos[0].name}, has a picture with a box; "
            f"looked for {layout}"
        )
    return LazySequences([video.name for video in videos], reader, source)


def choose(videos: list[Video], options: DatasetOptions) -> list[Video]:
    """The videos that `ids` and `exclude` leave; `videos` are in the order of the set's own list.

    Raises:
        DataError: if a file cannot be read or names a sequence that is not there.
    """
    if options.ids:
        videos = list(_named(videos, options.ids))
    if options.exclude:
        words = read_words(options.exclude)
        out = {int(word) if word.isdigit() else word for word in words}
        videos = [v for v in videos if v.name not in out and number_of(v.name) not in out]
    return videos


def _named(videos: list[Video], path: Path) -> Iterator[Video]:
    by_name = {video.name: video for video in videos}
    for word in read_words(path):
        if word in by_name:
            yield by_name[word]
        elif word.isdigit() and int(word) < len(videos):
            yield videos[int(word)]
        else:
            raise DataError(f"{path} names the sequence {word}, which is not among the {len(videos)} that were found")


def number_of(name: str) -> int | None:
    """The number at the end of a sequence's name."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else None


def read_words(path: Path) -> list[str]:
    """The lines of a list file, without empty ones.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list of sequences {path}: {error}") from error


def pack_video(video: Video, folder: str) -> Iterator[PackItem]:
    """Every file of a video's folder and of its pictures' folder, with the keys they get below `folder`."""
    home = video.truth.rpartition("/")[0]
    for name in video.store.listing(home)[1]:
        key = f"{home}/{name}" if home else name
        yield f"{folder}/{name}", entry(video.store, key)
    place = video.place()
    if place != home:
        below = place.removeprefix(home).strip("/")
        for name in video.pictures.listing(place)[1]:
            yield f"{folder}/{below}/{name}", entry(video.pictures, f"{place}/{name}")


def entry(store: Store, key: str) -> Path | bytes:
    """A file to write into a database: its path if it is a file, else its bytes."""
    frame = store.frame(key)
    return frame if isinstance(frame, Path) else store.read(key) or b""
