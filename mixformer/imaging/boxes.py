"""Box arithmetic on numpy arrays and torch tensors alike.

Functions take `(..., 4)` arrays and return the same kind, so training losses, metrics and the tracker share one
definition. `xywh` is left, top, width, height; `xyxy` is two corners; `cxcywh` is center and size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from mixformer.errors import BoxError, DataError, shown
from mixformer.files import parse_json
from mixformer.types import Box

Array = TypeVar("Array", bound=Any)

SMALLEST = 1e-3
"""Smallest side of a target in pixels."""
LARGEST = 1e7
"""Largest number of a target's box in pixels."""
_NO_LISTS = (Set, Mapping, str, bytes, bytearray)


def _library(values: Any) -> Any:
    """Return numpy or torch, whichever the values belong to."""
    if isinstance(values, (np.ndarray, np.generic)):
        return np
    import torch

    return torch


def _stack(parts: list[Any]) -> Any:
    return _library(parts[0]).stack(parts, -1)


def _split(boxes: Any) -> tuple[Any, Any, Any, Any]:
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


def xywh_to_xyxy(boxes: Array) -> Array:
    """Convert (..., 4) left, top, width, height to left, top, right, bottom."""
    x, y, w, h = _split(boxes)
    return _stack([x, y, x + w, y + h])  # type: ignore[no-any-return]


def xyxy_to_xywh(boxes: Array) -> Array:
    """Convert (..., 4) corners to left, top, width, height."""
    x1, y1, x2, y2 = _split(boxes)
    return _stack([x1, y1, x2 - x1, y2 - y1])  # type: ignore[no-any-return]


def xyxy_to_cxcywh(boxes: Array) -> Array:
    """Convert (..., 4) corners to center x, center y, width, height."""
    x1, y1, x2, y2 = _split(boxes)
    return _stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])  # type: ignore[no-any-return]


def cxcywh_to_xyxy(boxes: Array) -> Array:
    """Convert (..., 4) center x, center y, width, height to corners."""
    cx, cy, w, h = _split(boxes)
    return _stack([cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h])  # type: ignore[no-any-return]


def area(boxes: Array) -> Array:
    """Compute the area of xyxy boxes. Negative sides give signed products, as in the official losses."""
    x1, y1, x2, y2 = _split(boxes)
    return (x2 - x1) * (y2 - y1)  # type: ignore[no-any-return]


def iou(first: Array, second: Array) -> tuple[Array, Array]:
    """Compute the intersection over union of matching xyxy boxes.

    Args:
        first: (..., 4) left, top, right, bottom.
        second: boxes of the same shape, or of a shape that broadcasts to it.

    Returns:
        IoU (0..1) and union area, each of shape (...,). The IoU is NaN if both boxes have no area.

    Raises:
        BoxError: if they are no such arrays or tensors.

    Example:
        >>> import numpy as np
        >>> from mixformer.imaging import iou
        >>> overlap, union = iou(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10]]))
        >>> overlap.round(3).tolist(), union.tolist()
        ([0.333], [150.0])
    """
    for boxes in (first, second):
        shape = getattr(boxes, "shape", None)
        if not shape or shape[-1] != 4 or getattr(getattr(boxes, "dtype", None), "kind", "f") not in "fiu":
            what = shown(boxes, 60) if shape is None else f"{type(boxes).__name__} of shape {tuple(shape)}"
            raise BoxError(f"iou takes two arrays, or two tensors, of (..., 4) numbers, not {what}")
    library: Any = _library(first)
    if _library(second) is not library:
        raise BoxError("iou takes two arrays or two tensors, not one of each")
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = _split(first), _split(second)
    width = (library.minimum(ax2, bx2) - library.maximum(ax1, bx1)).clip(min=0)
    height = (library.minimum(ay2, by2) - library.maximum(ay1, by1)).clip(min=0)
    shared = width * height
    union = area(first) + area(second) - shared
    return shared / union, union


def clip_to_frame(box: Box, height: int, width: int, margin: float = 10) -> Box:
    """Keep at least `margin` pixels of the box inside the frame and its sides at least `margin` long.

    Corners are clamped, then sides shorter than `margin` are set to it, as in the official `clip_box` of
    `lib/utils/box_ops.py`.
    """
    x1 = min(max(0.0, box.x), width - margin)
    x2 = min(max(margin, box.x + box.w), width)
    y1 = min(max(0.0, box.y), height - margin)
    y2 = min(max(margin, box.y + box.h), height)
    return Box(x1, y1, max(margin, x2 - x1), max(margin, y2 - y1))


def parse_box(values: Iterable[float]) -> Box:
    """Check four numbers and make a `Box` of them.

    Args:
        values: x, y, width, height.

    Raises:
        BoxError: if there are not four numbers, one is NaN, infinite or beyond 10 million pixels, all are fractions of
            1, or width or height is below a thousandth of a pixel.

    Example:
        >>> from mixformer.imaging import parse_box
        >>> parse_box([10, 20, 30, 40])
        Box(x=10.0, y=20.0, w=30.0, h=40.0)
        >>> parse_box([10, 20, 30, 0])
        Traceback (most recent call last):
        mixformer.errors.BoxError: box [10.0, 20.0, 30.0, 0.0] has no area: width and height must be above 0 ...
    """
    try:
        if isinstance(values, _NO_LISTS):
            raise TypeError  # in no order, or letters
        numbers = [float(v) for v in islice(values, 100)]  # they may have no end
    except (TypeError, ValueError, OverflowError) as error:
        raise BoxError(f"a box is four numbers x, y, width, height; got {shown(values)}") from error
    if len(numbers) != 4:
        raise BoxError(f"a box is four numbers x, y, width, height; got {len(numbers)}")
    if all(0 <= v <= 1 for v in numbers) and not all(v.is_integer() for v in numbers):
        raise BoxError(
            f"box {numbers} looks like fractions of the frame; a box is in pixels, so multiply x and width by the "
            "frame's width, y and height by its height"
        )
    box = Box(*numbers)
    require_bounds(box)
    return box


def require_bounds(box: Box) -> None:
    """Raise BoxError if a number is not finite or beyond 10 million pixels, or a side below a thousandth of a pixel."""
    numbers = [float(v) for v in box]
    if not all(math.isfinite(v) for v in numbers):
        raise BoxError(f"box {numbers} holds a value that is not a finite number; give four numbers x y w h")
    if numbers[2] <= 0 or numbers[3] <= 0:
        raise BoxError(
            f"box {numbers} has no area: width and height must be above 0 (the form is x y w h, not x1 y1 x2 y2)"
        )
    if min(numbers[2:]) < SMALLEST or max(map(abs, numbers)) > LARGEST:
        raise BoxError(
            f"box {numbers} cannot be a target: give sides of at least {SMALLEST:g} pixels, and no number beyond "
            f"{LARGEST:g} pixels"
        )


def read_box(text: str) -> Box:
    """Read a box as people write it.

    Args:
        text: four numbers with spaces or commas between them, a JSON list of them, or a line of a JSON result file
            (`{"frame": 0, "box": [x, y, w, h]}`).

    Raises:
        BoxError: if the text has another form, or the box cannot be used; see `parse_box`.

    Example:
        >>> from mixformer.imaging import read_box
        >>> read_box("10,20,30,40") == read_box('{"box": [10, 20, 30, 40]}') == read_box("10 20 30 40")
        True
    """
    return parse_box(box_numbers(text))


def box_numbers(text: str) -> list[Any]:
    """Split the text of a box into its numbers without checking their values. Raises BoxError if it is no list."""
    try:
        is_json = text.lstrip().startswith(("{", "["))
        found: Any = parse_json(text, "the box") if is_json else text.replace(",", " ").split()
    except DataError as error:
        raise BoxError(f"a box is four numbers x, y, width, height; got {text[:80]!r}: {error}") from error
    if isinstance(found, dict):
        found = found.get("box", [found.get(side) for side in "xywh"])
    if not isinstance(found, list):
        raise BoxError(f"a box is four numbers x, y, width, height; got {text[:80]!r}")
    return found


def require_overlap(box: Box, height: int, width: int) -> None:
    """Raise BoxError if the box lies wholly outside a frame of `height` x `width` pixels."""
    if box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0:
        raise BoxError(
            f"box x={box.x:g} y={box.y:g} w={box.w:g} h={box.h:g} lies outside the frame of {width} x {height} pixels; "
            "give the top left corner and the size of the target in its first frame"
        )
