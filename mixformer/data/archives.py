"""Zip files, read by the name of an entry."""

from __future__ import annotations

import zipfile
from bisect import bisect_left
from pathlib import Path

from mixformer.errors import DataError
from mixformer.files.zip_damage import ZIP_DAMAGE

_UNPACKED, _RATIO = 64 * 2**20, 100  # an entry of more bytes than this must not be so many times its packed size


class ZipArchive:
    """A zip file. Its table of contents (about 0.6 KB an entry) is held in memory while it is open."""

    def __init__(self, path: Path) -> None:
        """Raises DataError if this is not a readable zip file, or an entry is there twice or leads out of it."""
        try:
            self._file = zipfile.ZipFile(path)
        except ZIP_DAMAGE as error:
            raise DataError(f"cannot open {path} as a zip file: {error}; is the download complete?") from error
        self.path = path
        self._names: list[str] = []
        if wrong := _wrong_name(self._file.namelist()):
            self._file.close()
            raise DataError(f"cannot use {path}: {wrong}, as in no data set; pack it again, or download it again")

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, None if there is none; raises DataError if it is damaged or unpacks to far too much."""
        try:
            entry = self._file.getinfo(key)
        except KeyError:
            return None
        if entry.file_size > max(_UNPACKED, _RATIO * entry.compress_size):
            sizes = f"{entry.compress_size / 1e6:.1f} MB unpack to {entry.file_size / 1e6:.0f} MB"
            raise DataError(f"cannot read {key} of {self.path}: {sizes}, too much for a picture or an annotation")
        try:
            return self._file.read(entry)
        except ZIP_DAMAGE as error:
            reason = f"{type(error).__name__}: {error}"
            raise DataError(f"cannot read {key} of {self.path}: {reason}; is the download complete?") from error

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder`, each sorted."""
        if not self._names:
            self._names = sorted(self._file.namelist())
        return list_sorted(self._names, folder)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _wrong_name(names: list[str]) -> str:
    """Say which of the names of a zip file is there twice, or leads out of it; "" if none does."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return f"it holds {name} twice"
        if ".." in name and ".." in name.split("/"):
            return f"its entry {name} leads to another folder"
        seen.add(name)
    return ""


def list_sorted(names: list[str], folder: str) -> tuple[list[str], list[str]]:
    """Return the folders and files directly in `folder`, from a sorted list of names; bisection skips inner files."""
    prefix = f"{folder}/" if folder else ""
    folders, files = [], []
    at = bisect_left(names, prefix)
    while at < len(names) and names[at].startswith(prefix):
        name, slash, _ = names[at][len(prefix) :].partition("/")
        if slash:
            folders.append(name)
            at = bisect_left(names, f"{prefix}{name}0", at)  # "0" follows "/"
        else:
            files += [name] if name else []
            at += 1
    return folders, files
