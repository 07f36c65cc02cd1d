"""Videos and stills with one box for each frame; pictures are read when they are needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from mixformer.configs.argument_checks import checked
from mixformer.data.frame_storage import FrameRef, read_frame
from mixformer.errors import DataError, counted, shown
from mixformer.imaging.boxes import LARGEST
from mixformer.imaging.last_used import LastUsed
from mixformer.types import Box, FloatArray, Image

log = logging.getLogger(__name__)

__all__ = ["FrameRef", "ImageCache", "LazySequences", "VideoSequence", "read_frame"]


class ImageCache:
    """Decoded pictures in memory, the most recently used ones up to a limit."""

    def __init__(self, limit_mb: int = 0) -> None:
        """`limit_mb`: memory for decoded pictures in MiB; 0 keeps none."""
        self._images: LastUsed[FrameRef, Image] = LastUsed(limit_mb * 2**20, attrgetter("nbytes"))
        self._told: set[str] = set()

    def read(self, frame: FrameRef) -> Image:
        """Read a picture as `read_frame` does, through the cache."""
        image = self._images.get(frame)
        if image is None:
            image = read_frame(frame)
            self._images.put(frame, image)
        return image

    def pass_over(self, what: str, error: DataError) -> None:
        """Warn once that something cannot be read and is left out."""
        message = f"{what}: {error}"
        if message not in self._told:
            self._told.add(message)
            log.warning("skipped, because it cannot be read: %s", message)


@dataclass(frozen=True)
class VideoSequence:
    """One target through a list of frames; a still is a sequence of one.

    Attributes:
        name: for messages and result files.
        frames: pictures in order, as paths or other references for `read_frame`.
        boxes: (len(frames), 4) xywh in pixels, NaN where the target is absent.
        source: name of the data set it comes from.
        hidden: (len(frames),) True where the annotators marked the target as absent or occluded, with or without a box;
            None for nowhere.
        label: class of the target ("bicycle"), or "" if the data set does not say.
        valid: indices of the frames whose box is finite and has a width and a height above 0.
        visible: those of `valid` in which the target is not hidden.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from mixformer.data import VideoSequence
        >>> boxes = np.array([[10.0, 20, 30, 15], [np.nan] * 4])
        >>> sequence = VideoSequence("dog", [Path("dog/1.jpg"), Path("dog/2.jpg")], boxes)
        >>> len(sequence), sequence.visible.tolist(), sequence.box(0)
        (2, [0], Box(x=10.0, y=20.0, w=30.0, h=15.0))

    Raises DataError if a value is of another type, or there is not one box for each frame.
    """

    name: str
    frames: Sequence[FrameRef]
    boxes: FloatArray
    source: str = ""
    hidden: NDArray[np.bool_] | None = field(default=None, repr=False)
    label: str = ""
    valid: NDArray[np.intp] = field(init=False, repr=False)
    visible: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check_types()
        count = len(self.frames)
        if self.boxes.shape != (count, 4):
            raise DataError(
                f"{self.name}: {counted(count, 'frame')} but boxes of shape {self.boxes.shape}; "
                "give one box x, y, w, h for each frame"
            )
        if self.hidden is not None and self.hidden.shape != (count,):
            raise DataError(
                f"{self.name}: {counted(count, 'frame')} but `hidden` of shape {self.hidden.shape}; give one value each"
            )
        if self.hidden is not None:  # `~` of whole numbers is no opposite
            object.__setattr__(self, "hidden", self.hidden.astype(np.bool_))
        valid = has_area(self.boxes)
        object.__setattr__(self, "valid", np.flatnonzero(valid))
        object.__setattr__(self, "visible", np.flatnonzero(valid if self.hidden is None else valid & ~self.hidden))

    def _check_types(self) -> None:
        """Raise DataError if a value is of another type."""
        if not isinstance(self.name, str):
            raise DataError(f"the name of a sequence must be a text, not {shown(self.name, 60)}")
        if isinstance(self.frames, str) or not (
            hasattr(self.frames, "__len__") and hasattr(self.frames, "__getitem__")
        ):
            raise DataError(f"{self.name}: frames must be a list of paths, not {shown(self.frames, 60)}")
        for what, values, kinds in (("boxes", self.boxes, "fiu"), ("hidden", self.hidden, "biu")):
            missing = values is None and what == "hidden"
            if not missing and not (isinstance(values, np.ndarray) and values.dtype.kind in kinds):
                raise DataError(f"{self.name}: {what} must be a NumPy array of numbers, not {shown(values, 60)}")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def is_still(self) -> bool:
        """Return whether this is a single picture."""
        return len(self.frames) == 1

    def box(self, index: int) -> Box:
        """Box of one frame; NaN where the target is absent."""
        return Box(*self.boxes[index].tolist())


def has_area(boxes: FloatArray) -> NDArray[np.bool_]:
    """Return (n,) True for each of (n, 4) boxes xywh of numbers up to 10 million, with a width and a height above 0."""
    known = np.nan_to_num(boxes)
    return np.logical_and(
        (known[:, 2:] > 0).all(1), np.logical_and(np.isfinite(boxes), np.abs(known) <= LARGEST).all(1)
    )


class LazySequences(Sequence[VideoSequence]):
    """A data set that reads the annotation of a sequence when it is indexed, and keeps the last ones in memory.

    Each item is a `VideoSequence`. Iterating reads them one at a time.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from mixformer.data import LazySequences, VideoSequence
        >>> def load(index):
        ...     return VideoSequence(f"clip {index}", [Path("1.jpg")], np.array([[1.0, 2, 3, 4]]))
        >>> sequences = LazySequences(["clip 0", "clip 1"], load, "clips")
        >>> sequences, sequences[1].name
        (LazySequences(2 of clips), 'clip 1')
    """

    @checked
    def __init__(
        self, names: Sequence[str], load: Callable[[int], VideoSequence], source: str = "", keep: int = 256
    ) -> None:
        """Set up; nothing is read. `keep` sequences stay in memory.

        `load` returns sequence number i, and must be picklable for loader processes started by `spawn`.
        """
        self.names, self.source, self._load = names, source, load
        self.keep = keep

    @property
    def keep(self) -> int:
        """Number of sequences that stay in memory. Setting it forgets those that are there."""
        return self._keep

    @keep.setter
    def keep(self, keep: int) -> None:
        self._keep, self._kept = keep, lru_cache(keep)(self._load)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.names, self._load, self.source, self.keep)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> VideoSequence: ...

    @overload
    def __getitem__(self, index: slice) -> list[VideoSequence]: ...

    def __getitem__(self, index: int | slice) -> VideoSequence | list[VideoSequence]:
        """Return sequence `index`, from memory if it was read lately; a slice returns a list."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._kept(range(len(self))[index])  # negative numbers, and IndexError

    def __repr__(self) -> str:
        return f"LazySequences({len(self)} of {self.source or 'unnamed'})"
