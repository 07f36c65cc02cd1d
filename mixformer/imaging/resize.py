"""Bilinear resize of 8-bit images: OpenCV's 11-bit fixed-point arithmetic in numpy, equal bit for bit."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixformer.types import Image

_ONE = 1 << 11

Read = Callable[[NDArray[np.intp], NDArray[np.intp]], Image]
"""A function from indices of rows and of columns to the pixels where they cross, (rows, columns, 3)."""


def resize_image(image: Image, height: int, width: int) -> Image:
    """Resize an image bilinearly without anti-aliasing. The result equals OpenCV's INTER_LINEAR bit for bit.

    Args:
        image: RGB uint8 (H, W, 3).
        height: output rows.
        width: output columns.

    Example:
        >>> import numpy as np
        >>> from mixformer.imaging import resize_image
        >>> resize_image(np.full((2, 2, 3), 7, np.uint8), height=4, width=3).shape
        (4, 3, 3)
    """
    if image.shape[:2] == (height, width):
        return image.copy()
    opencv = sys.modules.get("cv2")
    if opencv is not None and _agrees(opencv):
        plain = image.strides[0] > 0 and image.strides[1:] == (3, 1)
        return opencv.resize(image if plain else np.ascontiguousarray(image), (width, height))  # type: ignore[no-any-return]
    return _resize(image, height, width)


@lru_cache(maxsize=1)
def _agrees(opencv: Any) -> bool:
    """Tell whether OpenCV gives the same numbers. If the program has loaded it, it takes a fifth of the time."""
    picture = np.random.default_rng(0).integers(0, 256, (62, 50, 3), dtype=np.uint8)
    try:
        return all(
            np.array_equal(opencv.resize(picture, (width, height)), _resize(picture, height, width))
            for height, width in ((31, 25), (124, 100), (45, 61), (196, 17), (11, 98))
        )
    except AttributeError:  # another thread is loading it
        return False


def _resize(image: Image, height: int, width: int) -> Image:
    """Resize in numpy alone."""
    rows, columns = _rows(image.shape[0], height), _columns(image.shape[1], width)
    return _blend(np.ascontiguousarray(image[rows.needed]), rows, columns)


def resize_square(read: Read, side: int, size: int) -> Image:
    """Resize a square of `side` pixels without cutting it out first, to (size, size, 3) as `resize_image` would.

    `read` returns the pixels (rows, columns, 3) where the given rows and columns of the square cross.
    """
    rows, columns = _rows(side, size), _columns(side, size)
    pairs = np.stack([columns.left, columns.left + 1], 1).ravel()
    return _blend(read(rows.needed, pairs), rows, columns._replace(left=2 * np.arange(size)))


def _blend(lines: Image, rows: _Rows, columns: _Columns) -> Image:
    """Blend the needed source rows (n, W, 3) to the output (height, width, 3)."""
    height, width = len(rows.above), len(columns.left)
    scratch = _Scratch(40 * len(lines) * max(lines.shape[1], width) + 44 * height * width + 1024)
    across = _blend_columns(lines, columns, scratch)
    blended = _blend_rows(across, rows, scratch)
    out = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        out[..., channel] = blended[..., channel]
    scratch.give_back()
    return out


class _Columns(NamedTuple):
    """The two source columns of each output column, and their weights.

    `left` is the left column. `16 * coarse + fine` is the weight of the right column, repeated for the four numbers of
    a pixel. The weight of the left column is 2048 minus that.
    """

    left: NDArray[np.intp]
    coarse: NDArray[np.int16]
    fine: NDArray[np.int16]


class _Rows(NamedTuple):
    """The two source rows of each output row, and their 11-bit weights.

    `needed` lists the source rows to read. Its last two are padding: reading pairs of pixels reaches past the last row.
    """

    needed: NDArray[np.intp]
    above: NDArray[np.intp]
    below: NDArray[np.intp]
    weight_above: NDArray[np.int32]
    weight_below: NDArray[np.int32]


@lru_cache(maxsize=1024)
def _columns(source: int, target: int) -> _Columns:
    """Compute source columns and weights. At the border, where both are the same, OpenCV's weights are 1 and 0."""
    first, fraction = _taps(source, target)
    fraction[first < 0] = 0
    weight = np.rint(fraction * np.float32(_ONE)).astype(np.int16)
    weight[first >= source - 1] = _ONE if source > 1 else 0
    weight = np.repeat(weight, 4)
    return _Columns(np.clip(first, 0, max(source - 2, 0)), weight >> 4, weight & 15)


@lru_cache(maxsize=1024)
def _rows(source: int, target: int) -> _Rows:
    """Compute source rows and weights. At the border, where both rows are the same, OpenCV rounds with two weights."""
    first, fraction = _taps(source, target)
    weights = [np.rint(part * np.float32(_ONE)).astype(np.int32)[:, None] for part in (1 - fraction, fraction)]
    both = np.clip(np.concatenate([first, first + 1]), 0, source - 1)
    needed, where = np.unique(both, return_inverse=True)
    return _Rows(np.append(needed, needed[[-1, -1]]), where[:target], where[target:], weights[0], weights[1])


def _taps(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Find the source sample at or before every output sample, and the distance from it (0..1)."""
    position = ((np.arange(target) + 0.5) * (1.0 / (target / source)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.intp)
    return first, position - first.astype(np.float32)


def _blend_columns(lines: Image, columns: _Columns, scratch: _Scratch) -> NDArray[np.int16]:
    """Compute (left * w_left + right * w_right) >> 4 in 16 bits: `left << 7` plus the weighted difference in two parts.

    A pixel is read with its right neighbor as one 8-byte number and kept as four numbers, the last without meaning:
    numpy moves few large items much faster than many small ones.

    Returns:
        (rows, width * 4).
    """
    # Read every pixel and its right neighbor, then pick the columns.
    count, side, width = len(lines) - 2, lines.shape[1], len(columns.left)
    pixels = scratch.array((count, side), np.uint64)
    np.copyto(pixels, np.ndarray((count, side), np.uint64, lines, strides=(3 * side, 3)))
    pairs = pixels.take(columns.left, 1, out=scratch.array((count, width), np.uint64), mode="clip")
    # Split the pairs into the left pixels and the difference to the right ones.
    half = scratch.array((count, width), np.uint32)
    left, step = (scratch.array((count, 4 * width), np.int16) for _ in range(2))
    for shift, values in ((0, left), (24, step)):
        np.right_shift(pairs, shift, out=pairs)
        np.copyto(half, pairs, casting="unsafe")
        np.copyto(values, half.view(np.uint8))
    step -= left
    # Blend without leaving 16 bits.
    left <<= 7
    left += np.multiply(step, columns.coarse, out=pairs.view(np.int16))
    step *= columns.fine
    step >>= 4
    left += step
    return left


def _blend_rows(across: NDArray[np.int16], rows: _Rows, scratch: _Scratch) -> Image:
    """Compute ((above * w_above >> 16) + (below * w_below >> 16) + 2) >> 2, as (height, width, 4)."""
    shape = (len(rows.above), across.shape[1])
    line = scratch.array(shape, np.int16)
    total, other = (scratch.array(shape, np.int32) for _ in range(2))
    for sums, where, weight in ((total, rows.above, rows.weight_above), (other, rows.below, rows.weight_below)):
        np.multiply(across.take(where, 0, out=line, mode="clip"), weight, out=sums)
        sums >>= 16
    total += other
    total += 2
    total >>= 2
    out = scratch.array(shape, np.uint8)
    np.copyto(out, total, casting="unsafe")
    return out.reshape(shape[0], -1, 4)


class _Scratch:
    """Memory for intermediate arrays, kept for the next crop: allocation takes longer than the arithmetic."""

    _kept: ClassVar[deque[NDArray[np.uint8]]] = deque(maxlen=2)

    def __init__(self, size: int) -> None:
        """Take memory for arrays of `size` bytes in total. Each thread gets memory of its own."""
        try:
            memory = self._kept.pop()
        except IndexError:
            memory = np.empty(0, np.uint8)
        self._memory = memory if memory.size >= size else np.empty(size, np.uint8)
        self._used = 0

    def array(self, shape: tuple[int, int], dtype: type[np.generic]) -> NDArray[Any]:
        """Return an array that is not initialized."""
        start, size = self._used, math.prod(shape) * np.dtype(dtype).itemsize
        self._used = start + -(-size // 64) * 64
        return self._memory[start : start + size].view(dtype).reshape(shape)

    def give_back(self) -> None:
        """Keep the memory for the next crop. Its arrays must not be used any more."""
        self._kept.append(self._memory)
