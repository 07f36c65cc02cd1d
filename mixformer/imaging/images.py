"""Picture files: which endings count, in which order they come, and how one is read."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import DataError
from mixformer.types import Image

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
"""Endings of the files that count as pictures, in videos, data sets and VOT alike."""


def is_picture(name: str | Path) -> bool:
    """Tell whether a file name ends like that of a picture, in upper or lower case.

    Example:
        >>> from mixformer.imaging import is_picture
        >>> is_picture("00000001.JPG"), is_picture("groundtruth.txt")
        (True, False)
    """
    return os.path.splitext(name)[1].lower() in PICTURES


def natural_order(name: str) -> list[int | str]:
    """Make a sorting key that compares the numbers in file names as numbers.

    Example:
        >>> from mixformer.imaging import natural_order
        >>> sorted(["10.jpg", "1.jpg", "2.jpg"], key=natural_order)
        ['1.jpg', '2.jpg', '10.jpg']
    """
    parts = re.split(r"([0-9]+)", name)  # text and digits in turn, so that equal places hold equal types
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def list_pictures(folder: Path) -> list[Path]:
    """List the picture files of a folder in natural order of their names; empty if there are none.

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
    found = (path for path in folder.glob("*") if is_picture(path.name))
    return sorted(found, key=lambda path: natural_order(path.name))


def read_image(file: str | Path | bytes, name: object = None) -> Image:
    """Read a picture as RGB uint8 (H, W, 3). Gray is spread over three channels, and alpha is dropped.

    Args:
        file: path of the picture, or its bytes.
        name: how error messages call it; None takes the path.

    Raises:
        DataError: if the picture is missing or cannot be read.

    Example:
        >>> from mixformer.imaging import read_image
        >>> ppm = b"P6 2 1 255 " + bytes([255, 0, 0, 0, 0, 255])  # one red and one blue pixel
        >>> read_image(ppm).tolist()
        [[[255, 0, 0], [0, 0, 255]]]
    """
    try:
        with PillowImage.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, PillowImage.DecompressionBombError) as error:
        raise DataError(f"cannot read the image {name or file!s}: {error}") from error
