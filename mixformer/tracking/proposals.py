"""Places in a frame that look like the target at a glance, for the search for a lost target.

The network sees only a small window, so a large frame takes many looks. A glance costs less than one look: it compares
the shape (normalized correlation) and the colors of every place of a small copy of the frame with a template. It is
often wrong, so the network looks at its places and decides (docs/notes/lost.md has measurements).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixformer.imaging.resize import resize_image
from mixformer.types import Image

_SIDE = 12  # side of the target in the small copy, in pixels
_LONGEST = 480  # longest side of the small copy, in pixels
_BINS = 12  # bins of each color channel
_SPREAD = 0.6  # part of a color's count that goes to its neighbors, since light changes

Map = NDArray[Any]


def propose(image: Image, template: Image, size: tuple[float, float], count: int) -> list[tuple[float, float]]:
    """Return the centers of the places that look most like the target, the best first.

    Args:
        image: frame, RGB uint8 (H, W, 3).
        template: crop of the target, RGB uint8 (t, t, 3), of twice its size.
        size: width and height of the target in pixels of the frame.
        count: largest number of places. They are at least one target apart.

    Example:
        >>> import numpy as np
        >>> from mixformer.tracking.proposals import propose
        >>> frame = np.random.default_rng(0).integers(0, 99, (120, 160, 3), np.uint8)
        >>> frame[60:80, 100:120] = (200, 30, 30)
        >>> propose(frame, frame[50:90, 90:130], (20, 20), 1)
        [(110.0, 70.0)]
    """
    height, width = image.shape[:2]
    scale = min(1.0, _SIDE / math.sqrt(size[0] * size[1]), _LONGEST / max(height, width))
    small = resize_image(image, max(8, round(height * scale)), max(8, round(width * scale))).astype(np.float32)
    fy, fx = small.shape[0] / height, small.shape[1] / width
    w, h = (max(3, round(side)) for side in (size[0] * fx, size[1] * fy))
    w, h = min(w, small.shape[1]), min(h, small.shape[0])
    target = resize_image(_middle(template, size), h, w).astype(np.float32)
    likely = _correlation(small, target) + _color(small, target)
    places = []
    for _ in range(count):
        y, x = divmod(int(likely.argmax()), likely.shape[1])
        if not math.isfinite(likely[y, x]):
            break
        places.append(((x + w / 2) / fx, (y + h / 2) / fy))
        likely[max(0, y - h) : y + h + 1, max(0, x - w) : x + w + 1] = -math.inf
    return places


def _middle(template: Image, size: tuple[float, float]) -> Image:
    """Return the part of a template that the target fills."""
    side, (w, h) = len(template), size
    half_w, half_h = (min(side / 2, side / 4 * math.sqrt(ratio)) for ratio in (w / h, h / w))
    x, y = (max(0, min(side // 2 - 1, round(side / 2 - half))) for half in (half_w, half_h))
    return template[y : side - y, x : side - x]


def _window_sums(values: Map, h: int, w: int) -> Map:
    """Return the sum of each window of h rows and w columns; (H, W) to (H - h + 1, W - w + 1)."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0, np.float64).cumsum(1)
    found: Map = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
    return found


def _correlation(image: Map, target: Map) -> Map:
    """Return the normalized correlation (-1..1) of the target with each place of the image, all channels together."""
    (h, w), (height, width) = target.shape[:2], image.shape[:2]
    shape = tuple(24 * math.ceil(side / 24) for side in (height, width))  # a size that is fast to transform
    pattern = target - target.mean((0, 1))
    spectrum = np.fft.rfft2(image, shape, axes=(0, 1)) * np.fft.rfft2(pattern, shape, axes=(0, 1)).conj()
    products = np.fft.irfft2(spectrum.sum(2), shape)[: height - h + 1, : width - w + 1]
    squares = _window_sums((image**2).sum(2), h, w)
    means = sum(_window_sums(image[..., c], h, w) ** 2 for c in range(3)) / (h * w)
    deviation = np.sqrt(np.maximum(squares - means, 1e-3 * h * w))
    found: Map = products / (deviation * (np.linalg.norm(pattern) + 1e-3))
    return found


def _color(image: Map, target: Map) -> Map:
    """Return for each place how far its colors are those of the target rather than of the whole image, 0 to 1."""
    (h, w), bins = target.shape[:2], _bins(image)
    ours, all_of_it = (_histogram(each) for each in (_bins(target), bins))
    chance = ours / (ours + all_of_it + 1e-5)
    found: Map = _window_sums(chance[bins], h, w) / (h * w)
    return found


def _bins(image: Map) -> NDArray[np.intp]:
    bins: NDArray[np.intp] = (image * (_BINS / 256)).astype(np.intp) @ np.array([_BINS**2, _BINS, 1])
    return bins


def _histogram(bins: NDArray[np.intp]) -> Map:
    """Return the part of the pixels in each bin, spread over neighboring bins."""
    counts = np.bincount(bins.ravel(), minlength=_BINS**3).reshape((_BINS,) * 3) / bins.size
    around = np.pad(counts, 1, mode="edge")
    for axis in range(3):
        low, middle, high = (np.take(around, range(k, k + _BINS), axis) for k in range(3))
        around = low + middle + high
    return ((1 - _SPREAD) * counts + _SPREAD / 26 * (around - counts)).ravel()
