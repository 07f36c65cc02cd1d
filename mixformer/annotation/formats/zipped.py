"""Read exports that are zip files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from mixformer.errors import DataError
from mixformer.files.zip_damage import ZIP_DAMAGE

_TEXTS = (".xml", ".json", ".jsonl", ".csv", ".txt", ".yaml", ".ini")  # pictures are left in the zip file
_MOST_BYTES, _MOST_FILES = 2**30, 10**6
_SIGNS = {
    "annotations.xml": "cvat", "data.yaml": "yolo", "tasks.json": "label-studio", "boxes.jsonl": "jsonl",
    "boxes.csv": "csv", "groundtruth.txt": "folder", "labelmap.txt": "voc",
}  # fmt: skip
"""Formats by the name of a file that only their exports have."""


@contextmanager
def unzipped(source: Path) -> Iterator[Path]:
    """Yield a file or folder as it is, and a zip file as a temporary folder with its texts.

    Raises DataError if it cannot be read, or is too large.
    """
    if source.suffix.lower() != ".zip":
        yield source
        return
    with TemporaryDirectory(prefix="mixformer-") as folder:
        try:
            with zipfile.ZipFile(source) as archive:
                texts = [each for each in archive.infolist() if each.filename.lower().endswith(_TEXTS)]
                if len(texts) > _MOST_FILES or sum(each.file_size for each in texts) > _MOST_BYTES:
                    raise DataError(f"{source} holds too much text for annotations of a video; give another file")
                for each in texts:
                    archive.extract(each, folder)  # which keeps every name below the folder
        except DataError:
            raise
        except ZIP_DAMAGE as error:
            raise DataError(f"cannot unzip {source}: {error}; give another file") from error
        try:
            yield Path(folder)
        except DataError as error:  # the temporary folder is gone when somebody reads this
            raise DataError(str(error).replace(folder, str(source))) from error


def format_of_zip(source: Path) -> str:
    """Return the format of an export by the names in its zip file. Raises DataError if they do not tell it."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
    except ZIP_DAMAGE as error:
        raise DataError(f"{source.name} is no zip file that can be read: {error}") from error
    if any(name.name == "gt.txt" for name in names):
        raise DataError(
            f"{source.name} holds MOT, which counts pixels from 1, or from 0 as CVAT writes it; say which with "
            "'mixformer data import mot' or 'mot-cvat'"
        )
    found = {_SIGNS[name.name] for name in names if name.name in _SIGNS}
    if not found and any(name.match("annotations/*.json") for name in names):
        found = {"coco"}
    if len(found) != 1:
        raise DataError(f"{source.name} holds no annotations of a known format")
    return found.pop()
