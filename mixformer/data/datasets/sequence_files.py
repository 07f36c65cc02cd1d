"""The files of a data set: the layout of its sequences, and the paths of each sequence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mixformer.data.annotated_folders import Parsed, parse_boxes
from mixformer.data.frame_storage import FrameRef
from mixformer.data.lists import ListedSequence
from mixformer.data.storage import Storage, read_text
from mixformer.imaging.images import is_picture, natural_order

_MOST_FRAMES = 1_000_000  # in a sequence; a larger number in a name is not a frame number

Flag = tuple[str, Callable[[str], NDArray[np.bool_]]]
"""Name of a file, and a function from its text to (n,) True where the target is hidden."""


@dataclass(frozen=True)
class SequenceLayout:
    """Layout of the files of a sequence in one data set.

    The columns of the published list replace `{name}`, `{folder}` and `{annotation}` in file names.

    Attributes:
        annotation: key of the file of boxes, for data sets whose files follow fixed patterns.
        pictures: key of the folder of pictures, in the same form.
        first_number: number in the name of the first picture. None pairs pictures and boxes in order, see
            `index_frames`.
        flags: files that mark frames, each with a function from its text to (n,) True where the target is hidden. A
            name with a `/` is a key below the root; any other names a file beside the boxes.
        label: returns the class of the target, if the published list does not have it.
        first_box_only: the data set has only the box of the first frame; later frames then have NaN.
        pixel_origin: number of the left and upper pixels in the files, 0 or 1.
        parse: turns the text of the boxes into (n, 4) xywh and a message for each broken row.
        frame_range: reads the numbers of the first and last frame from a file; None takes those of the list.
        tolerance: allowed difference between the numbers of boxes and of pictures.
        boxes_per_picture: the data set may have this many boxes for each picture; the first of them is used.
        extra_files: further files of a sequence to pack, named as in `flags`; they need not exist.

    Example:
        >>> from mixformer.data import SequenceLayout
        >>> layout = SequenceLayout("{name}/groundtruth.txt", "{name}/img", first_number=1)
        >>> layout.annotation.format(name="dog")
        'dog/groundtruth.txt'
    """

    annotation: str = ""
    pictures: str = ""
    first_number: int | None = 1
    flags: tuple[Flag, ...] = ()
    label: Callable[[SequenceFiles], str] | None = None
    first_box_only: bool = False
    pixel_origin: int = 0
    parse: Callable[[str], Parsed] = parse_boxes
    frame_range: Callable[[SequenceFiles], tuple[int, int]] | None = None
    tolerance: int = 0
    boxes_per_picture: int = 1
    extra_files: tuple[str, ...] = ()

    def find(self, storage: Storage, base: str, listed: ListedSequence) -> SequenceFiles | None:
        """Find a sequence of the list below a base folder ("" is the top); None if its file of boxes is missing."""
        words = {"name": listed.name, "folder": listed.folder, "annotation": listed.annotation}
        annotation, pictures = (f"{base}/{key.format(**words)}".lstrip("/") for key in (self.annotation, self.pictures))
        folder, _, file = annotation.rpartition("/")
        if file not in storage.listing(folder)[1]:
            return None
        return SequenceFiles(listed.name, storage, annotation, storage, pictures, self, listed, base)


@dataclass(frozen=True)
class SequenceFiles:
    """Paths of the files of one sequence."""

    name: str  # name of the sequence
    storage: Storage  # holds the annotation
    annotation: str  # key of the file of boxes; other annotation files are beside it
    picture_storage: Storage  # holds the pictures
    # Key of the folder of pictures; None for an archive with only this sequence, where any folder may hold them
    folder: str | None
    layout: SequenceLayout  # how to read the files
    listed: ListedSequence | None = None  # the entry of the published list; None without a list
    base: str = ""  # key of the folder that the layout starts in; "" is the top

    @property
    def home(self) -> str:
        """Key of the annotation's folder."""
        return self.annotation.rpartition("/")[0]

    def text_beside(self, name: str) -> str | None:
        """Read the text of an annotation file beside the boxes; None if there is no such file."""
        return read_text(self.storage, f"{self.home}/{name}".lstrip("/"))

    def picture_folder(self) -> str:
        """Find the key of the folder of pictures."""
        if self.folder is not None:
            return self.folder
        folder = ""
        while (listing := self.picture_storage.listing(folder))[0] and not any(map(is_picture, listing[1])):
            folder = f"{folder}/{listing[0][0]}".lstrip("/")
        return folder

    def flag_key(self, name: str) -> str:
        """Return the key of a file that `SequenceLayout.flags` names."""
        name = name.format(name=self.name)
        return f"{self.base if '/' in name else self.home}/{name}".lstrip("/")

    def stored_files(self) -> Iterator[tuple[Storage, str]]:
        """Yield the storage and key of each file of the sequence: boxes, marks and pictures."""
        yield self.storage, self.annotation
        for name in (*(name for name, _ in self.layout.flags), *self.layout.extra_files):
            folder, _, file = self.flag_key(name).rpartition("/")
            if file in self.storage.listing(folder)[1]:
                yield self.storage, self.flag_key(name)
        pictures = self.picture_folder()
        for name in self.picture_storage.listing(pictures)[1]:
            yield self.picture_storage, f"{pictures}/{name}".lstrip("/")


@dataclass(frozen=True)
class StoredFrames(Sequence[FrameRef]):
    """The pictures of one folder of a storage. References are made when indexed, to save memory."""

    storage: Storage
    folder: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> FrameRef: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[FrameRef, ...]: ...

    def __getitem__(self, index: int | slice) -> FrameRef | tuple[FrameRef, ...]:
        """Return the reference to one picture; a slice returns a tuple."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        return self.storage.frame(f"{self.folder}/{self.names[index]}".lstrip("/"))


def index_frames(names: Iterable[str], first: int | None, count: int = 0) -> dict[int, str]:
    """Return the file name of each picture by frame index, from the number at the end of each name.

    `first` is the number of frame 0; None counts in the order of the numbers, where gaps are missing frames if there
    are fewer pictures than `count`.
    """
    pictures = [name for name in names if is_picture(name)]
    ends = [number_of(PurePosixPath(name).stem) for name in pictures]
    numbers = [-1 if end is None else end for end in ends]
    if first is not None:
        found = zip(numbers, pictures, strict=True)
        return {number - first: name for number, name in found if 0 <= number < first + _MOST_FRAMES}
    if -1 in numbers:
        return dict(enumerate(sorted(pictures, key=natural_order)))
    ordered = sorted(zip(numbers, pictures, strict=True))
    rows = [number - ordered[0][0] for number, _ in ordered]
    if len(rows) < count and len(set(rows)) == len(rows) and rows[-1:] < [count]:
        return {row: name for row, (_, name) in zip(rows, ordered, strict=True)}
    return dict(enumerate(name for _, name in ordered))


def number_of(name: str) -> int | None:
    """Return the number at the end of a name; None if there is none."""
    found = re.search(r"[0-9]{1,18}$", name)
    return int(found[0]) if found else None


def parse_numbers(text: str) -> NDArray[np.float64]:
    """Parse numbers that are separated by commas, spaces or line ends; raises ValueError for anything else."""
    return np.array([float(word) for word in re.split(r"[,\s]+", text.strip()) if word], np.float64)


def parse_flags(text: str) -> NDArray[np.bool_]:
    """Return (n,) True where a list of numbers, such as 0 and 1, is above 0; raises as `parse_numbers` does."""
    return parse_numbers(text) > 0
