"""Write masks as PNG files, and as text of the VOT toolkit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from mixformer.configs.argument_checks import checked
from mixformer.errors import DataError, OutputError, shown
from mixformer.files import write_files
from mixformer.masks.refiner import Mask
from mixformer.types import Box

_LARGEST = 2**28  # pixels of a box in text: more than any picture has, but few enough for the memory


class MaskWriter:
    """A folder of masks as 8-bit single-channel PNG files, 255 on the target and 0 elsewhere.

    Example:
        >>> import numpy as np
        >>> from mixformer.masks import MaskWriter
        >>> MaskWriter("masks").write(np.ones((4, 6), bool), 0).name
        '00000000.png'
    """

    @checked
    def __init__(self, folder: str | Path) -> None:
        """Make the folder if it is missing. `write` replaces masks of the same number; other files stay.

        Raises:
            OutputError: if the folder cannot be made.
        """
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder} for masks: {error}; give another folder") from error

    def write(self, mask: Mask, index: int) -> Path:
        """Write a mask, and return its path.

        A file appears under its name only when it is complete.

        Args:
            mask: bool (H, W); numbers count as True if they are not 0.
            index: number of the frame; the file name is this with eight digits and `.png`.

        Raises:
            DataError: if it is no mask, or no number of a frame.
            OutputError: if it cannot be written; earlier masks are kept.
        """
        mask = _as_bool(mask)
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or index < 0:
            raise DataError(f"index must be the number of a frame, not {shown(index, 60)}")
        path = self.folder / f"{index:08d}.png"
        picture = PillowImage.fromarray(mask.astype(np.uint8) * 255)
        write_files({path: partial(picture.save, format="PNG")}, sync=False)
        return path


def mask_box(mask: Mask) -> Box | None:
    """Find the smallest box around a bool (H, W) mask; None if it is empty. Both end pixels belong to it, as in VOT."""
    mask = _as_bool(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    x, y = int(columns[0]), int(rows[0])
    return Box(x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def encode_rle(mask: Mask) -> str:
    """Encode a bool (H, W) mask as in the VOT toolkit's result files: `mX,Y,W,H,ZEROS,ONES,ZEROS,...`.

    X, Y, W, H are `mask_box`. The other numbers are lengths of alternating runs of zeros and ones in that box, row by
    row from the top left. Only the first run, of zeros, may have length 0. An empty mask is `m0,0,0,0,0`.

    Example:
        >>> import numpy as np
        >>> from mixformer.masks import encode_rle
        >>> mask = np.zeros((4, 6), bool)
        >>> mask[1:3, 2:5] = True
        >>> encode_rle(mask)
        'm2,1,3,2,0,6'
    """
    mask = _as_bool(mask)
    box = mask_box(mask)
    if box is None:
        return "m0,0,0,0,0"
    x, y, w, h = (int(v) for v in box)
    pixels = mask[y : y + h, x : x + w].ravel()
    changes = np.flatnonzero(np.diff(pixels)) + 1
    runs = np.diff(np.concatenate([[0], changes, [pixels.size]]))
    first = [0] if pixels[0] else []
    return "m" + ",".join(str(v) for v in (x, y, w, h, *first, *runs.tolist()))


def decode_rle(text: str, height: int, width: int) -> Mask:
    """Decode a text of `encode_rle` to a bool (height, width) mask.

    Pixels outside the frame are left out. If the runs end before the box does, the rest is zeros.

    Args:
        text: the text, beginning with "m".
        height: rows of the frame.
        width: columns of the frame.

    Raises:
        DataError: if the text has another form, or the size is none.

    Example:
        >>> from mixformer.masks import decode_rle
        >>> decode_rle("m2,1,2,1,0,2", 2, 4).astype(int)
        array([[0, 0, 0, 0],
               [0, 0, 1, 1]])
    """
    if not isinstance(text, str):
        raise DataError(f"a mask must be a text of the form mX,Y,W,H,ZEROS,ONES,..., not {shown(text, 60)}")
    for name, size in (("height", height), ("width", width)):
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 0 <= size <= _LARGEST:
            raise DataError(f"{name} must be a whole number of pixels, not {shown(size, 60)}")
    if int(height) * int(width) > _LARGEST:
        raise DataError(f"no picture has {width} x {height} pixels; give the size of the frame")
    try:
        x, y, w, h, *runs = (int(v) for v in text.strip().removeprefix("m").split(","))
    except ValueError as error:
        raise DataError(f"a mask must have the form mX,Y,W,H,ZEROS,ONES,...: {_short(text)}") from error
    if not text.strip().startswith("m") or min(w, h, *runs, 0) < 0:
        raise DataError(f"a mask must begin with m and have no negative size or run: {_short(text)}")
    if sum(runs) > w * h or w * h > _LARGEST:
        raise DataError(f"runs of {sum(runs)} pixels in a box of {w} x {h} cannot be a mask: {_short(text)}")
    pixels = np.zeros(w * h, np.bool_)
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    pixels[: len(values)] = values
    mask = np.zeros((height, width), np.bool_)
    x1, y1 = min(max(x, 0), width), min(max(y, 0), height)
    seen = pixels.reshape(h, w)[y1 - y : max(height - y, 0), x1 - x : max(width - x, 0)]
    mask[y1 : y1 + seen.shape[0], x1 : x1 + seen.shape[1]] = seen
    return mask


def _as_bool(mask: object) -> Mask:
    """Return a mask of numbers, such as OpenCV's of 0 and 255, as one of True and False; DataError if it is none."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype.kind not in "biu":
        raise DataError(f"a mask must be a bool array of (height, width), not {shown(mask, 60)}")
    return mask.astype(np.bool_, copy=False)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
