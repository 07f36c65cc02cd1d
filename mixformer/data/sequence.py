"""A video or still with one box per frame, its pictures read when asked for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import DataError
from mixformer.types import Box, FloatArray, Image


def read_image(path: Path) -> Image:
    """Any picture file as RGB uint8 (H, W, 3); alpha is dropped.

    Raises:
        DataError: if the file is missing or is not a readable picture.
    """
    try:
        with PillowImage.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image {path}: {error}") from error


class ImageCache:
    """Least-recently-used store of decoded pictures, limited in bytes."""

    def __init__(self, limit_mb: int = 0) -> None:
        """`limit_mb`: memory for decoded pictures; 0 keeps none."""
        self.limit = limit_mb * 2**20
        self._size = 0
        self._images: OrderedDict[Path, Image] = OrderedDict()

    def read(self, path: Path) -> Image:
        """`read_image` through the cache."""
        if path in self._images:
            self._images.move_to_end(path)
            return self._images[path]
        image = read_image(path)
        if image.nbytes <= self.limit:
            self._images[path] = image
            self._size += image.nbytes
            while self._size > self.limit:
                self._size -= self._images.popitem(last=False)[1].nbytes
        return image


@dataclass(frozen=True)
class Sequence:
    """One target through a list of frames; a still is a sequence of one.

    Attributes:
        name: for messages and result files.
        frames: picture files in order.
        boxes: (len(frames), 4) xywh in pixels, NaN where the target is absent.
        source: name of the data set it comes from.
    """

    name: str
    frames: tuple[Path, ...]
    boxes: FloatArray
    source: str = ""
    visible: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.frames), 4):
            raise DataError(f"{self.name}: {len(self.frames)} frames but boxes of shape {self.boxes.shape}")
        seen = np.isfinite(self.boxes).all(1) & (np.nan_to_num(self.boxes)[:, 2:] > 0).all(1)
        object.__setattr__(self, "visible", np.flatnonzero(seen))

    def __len__(self) -> int:
        return len(self.frames)

    def box(self, index: int) -> Box:
        """Box of one frame; NaN where the target is absent."""
        return Box(*self.boxes[index].tolist())
