"""Picture files: recognize, sort and read them."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image as PillowImage

from mixformer.errors import DataError
from mixformer.types import Image

log = logging.getLogger(__name__)

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
"""Endings of the files that count as pictures, in videos, data sets and VOT alike."""

MAX_PIXELS_SETTING = "MIXFORMER_MAX_MEGAPIXELS"
"""Environment variable that raises the limit of 179 megapixels per picture (a guard against false file headers)."""

_HOW_TO_RAISE = f"If the picture is truly so large, set {MAX_PIXELS_SETTING} to its number of megapixels"
_PAGED = ("TIFF", "PNG", "WEBP", "GIF")  # the further pages of other formats are small previews
_TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
_pages_said = False


def is_picture(name: str | Path) -> bool:
    """Tell whether a file name has an ending of `PICTURES`, in upper or lower case, and is not hidden.

    Example:
        >>> from mixformer.imaging import is_picture
        >>> is_picture("00000001.JPG"), is_picture("groundtruth.txt")
        (True, False)
    """
    return os.path.splitext(name)[1].lower() in PICTURES and not os.path.basename(name).startswith(".")


def natural_order(name: str) -> list[tuple[int, str] | str]:
    """Make a sorting key that compares the numbers in file names as numbers.

    Example:
        >>> from mixformer.imaging import natural_order
        >>> sorted(["10.jpg", "1.jpg", "2.jpg"], key=natural_order)
        ['1.jpg', '2.jpg', '10.jpg']
    """
    parts = re.split(r"([0-9]+)", name)  # text and digits in turn, so that the same place always has the same type
    # A number is compared by its length and then digit by digit: `int` refuses one of 5,000 digits.
    return [_number(part) if place % 2 else part for place, part in enumerate(parts)]


def _number(digits: str) -> tuple[int, str]:
    plain = digits.lstrip("0")
    return len(plain), plain


def list_pictures(folder: Path) -> list[Path]:
    """List the picture files of a folder in natural order of their names; empty if there are none.

    Folders, pipes and hidden files are left out.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mixformer.imaging import list_pictures
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("10.png", "9.png", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in list_pictures(Path(folder))]
        ['9.png', '10.png']
    """
    found = (path for path in folder.iterdir() if is_picture(path.name) and _may_be_read(path))
    return sorted(found, key=lambda path: (natural_order(path.name), path.name))


def _may_be_read(path: Path) -> bool:
    """Tell whether a path is a file, or a link to nothing, which is reported when it is read; a pipe never ends."""
    return path.is_file() or not path.exists()


def read_image(file: str | Path | bytes, name: object = None) -> Image:
    """Read a picture as RGB uint8 (H, W, 3), as a viewer shows it.

    It is rotated by its EXIF orientation. Gray becomes three equal channels, alpha is dropped, and of 16 bits the
    upper 8 are kept, as in video. Only the first of several pages is read; the first time, a warning says so.

    Args:
        file: path of the picture, or its bytes.
        name: name of the picture in error messages; None takes the path.

    Raises:
        DataError: if the picture is missing, cannot be read, has more pixels than the limit (see `MAX_PIXELS_SETTING`),
            or has values of an unknown range (32 bits, floating point).

    Example:
        >>> from mixformer.imaging import read_image
        >>> ppm = b"P6 2 1 255 " + bytes([255, 0, 0, 0, 0, 255])  # one red and one blue pixel
        >>> read_image(ppm).tolist()
        [[[255, 0, 0], [0, 0, 255]]]
    """
    return _read(file, name, _rgb)


def read_depth(file: str | Path | bytes, name: object = None) -> Image:
    """Read a depth map as a gray picture, RGB uint8 (H, W, 3): what is near is light, what is far or unknown is dark.

    Depth is scaled in each map by itself: 0 becomes 255, three times the median becomes 0, and so does what lies
    farther. A value of 0 means unknown, as in maps of depth cameras. A picture of 8 bits, such as a map that was
    already colored, is read as it is.

    Args:
        file: path of the map, 16 bits per pixel in any unit, or its bytes.
        name: name of the map in error messages; None takes the path.

    Raises:
        DataError: as for `read_image`.

    Example:
        >>> from mixformer.imaging import read_depth
        >>> pgm = b"P5 4 1 65535 " + bytes([0, 0, 3, 232, 7, 208, 39, 16])  # unknown, 1, 2 and 10 meters
        >>> read_depth(pgm)[0, :, 0].tolist()
        [0, 212, 170, 0]
    """
    return _read(file, name, _depth)


def _read(file: str | Path | bytes, name: object, pixels: Callable[[PillowImage.Image], Image]) -> Image:
    shown = name or ("a picture" if isinstance(file, bytes) else file)
    _raise_limit()
    try:
        if not isinstance(file, bytes) and not _may_be_read(Path(file)):
            raise ValueError("it is no file")
        with PillowImage.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
            _say_pages(picture, shown)
            return pixels(picture)
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise DataError(f"cannot read the image {shown!s}: {error} {_HOW_TO_RAISE}") from error
    except MemoryError as error:
        raise DataError(f"cannot read the image {shown!s}: it does not fit in memory; make it smaller") from error
    except Exception as error:  # decoders raise all kinds of errors for damaged content
        raise DataError(f"cannot read the image {shown!s}: {error or type(error).__name__}") from error


def _rgb(picture: PillowImage.Image) -> Image:
    """Read the pixels of an open picture."""
    if picture.mode in ("F", "I") or picture.mode.startswith("I;32"):
        kind = "floating-point" if picture.mode == "F" else "32-bit"
        raise ValueError(f"its values are {kind} numbers of an unknown range; save it with 8 or 16 bits a channel")
    sixteen = picture.mode.startswith("I;16")
    if not sixteen:
        picture = _turned(picture.convert("RGB") if picture.mode != "RGB" else picture, picture)
        return np.asarray(picture)
    gray = (np.asarray(_turned(picture, picture)) >> 8).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def _depth(picture: PillowImage.Image) -> Image:
    """Read the pixels of an open depth map."""
    if not picture.mode.startswith("I"):
        return _rgb(picture)
    far = np.asarray(picture).astype(np.float64)
    known = far > 0
    limit = 3 * float(np.median(far[known])) if known.any() else 1.0
    gray = np.where(known, np.rint(255 * (1 - np.minimum(far / limit, 1))), 0).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def _turned(pixels: PillowImage.Image, picture: PillowImage.Image) -> PillowImage.Image:
    """Rotate pixels by the picture's EXIF data; damaged data are ignored."""
    picture.load()  # here Pillow rotates a TIFF by itself and removes the orientation from its data
    try:
        turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the data may be damaged in any way
        return pixels
    return pixels if turn is None else pixels.transpose(turn)


def _say_pages(picture: PillowImage.Image, name: object) -> None:
    """Warn once in this process that only the first page is read."""
    global _pages_said
    if not _pages_said and picture.format in _PAGED and getattr(picture, "is_animated", False):
        _pages_said = True
        log.warning("%s has %d pages; only the first page of a picture is read", name, getattr(picture, "n_frames", 2))


def _raise_limit() -> None:
    """Apply the limit on pixels that the environment variable sets."""
    value = os.environ.get(MAX_PIXELS_SETTING)
    if value:
        try:
            limit = float(value) * 1e6
        except ValueError as error:
            raise DataError(f"{MAX_PIXELS_SETTING} must be a number of megapixels, not {value!r}") from error
        PillowImage.MAX_IMAGE_PIXELS = int(limit) // 2 if 0 < limit < 1e15 else None  # Pillow refuses twice this


def jpeg_bytes(image: Image) -> bytes:
    """Encode a picture as JPEG. Pillow cuts one off without a word where it writes into a file that may not grow."""
    made = io.BytesIO()
    PillowImage.fromarray(image).save(made, "JPEG", quality=95)
    return made.getvalue()
