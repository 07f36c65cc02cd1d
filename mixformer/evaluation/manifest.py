"""`run.json`: the settings that made a folder of results, the sequences in it, and those that failed."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mixformer import __version__
from mixformer.errors import ConfigError, DataError
from mixformer.files import LARGEST_ANNOTATION, read_json_file, write_text
from mixformer.files.places import require_place
from mixformer.optional import package_version
from mixformer.types import FloatArray

MANIFEST = "run.json"
_FORMAT = 1
_PARTS = ("settings", "expected", "sequences", "failures")
_SAVE_EVERY = 5.0  # seconds, because the file has a megabyte with ten thousand sequences
_RENAMED = {"integers": "truncate", "as_written": "keep_one_based"}  # settings in the files of 0.1.0
_ADVICE = "give the tracker another name, or start again with --overwrite (overwrite=True in Python)"
_PACKAGES = ("torch", "openvino", "onnxruntime", "numpy", "pillow", "av")


class RunManifest:
    """The record of an evaluation run, `run.json`. It is saved every few seconds and at the end.

    Nothing is written before `begin`, so a run that fails before its first result changes nothing. `content` is what
    `read_manifest` returns. With `anew`, nothing of an earlier run in the folder is kept.
    """

    def __init__(self, folder: Path, content: dict[str, Any], anew: bool) -> None:
        self.folder, self.content, self.anew = folder, content, anew
        self._begun, self._saved = False, 0.0
        self._early: list[tuple[str, str, str]] = []

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: Mapping[str, Any],
        notes: Mapping[str, Any],
        expected: Mapping[str, Sequence[str]],
        *,
        resume: bool = True,
        overwrite: bool = False,
    ) -> RunManifest:
        """Read the run of a folder, or prepare a new one; no file is changed.

        Plain `settings` decide the results, `notes` do not; `expected` has the names of all sequences by split. Without
        `resume`, an earlier run is ignored; with `overwrite`, if it had other settings.

        Raises ConfigError if the results there were made with other or unknown settings, DataError if the `run.json`
        there is damaged, and OutputError if the folder cannot be written.
        """
        require_place(folder, overwrite=True)
        settings = json.loads(json.dumps(settings))  # as they will be read from the file
        now = datetime.now(UTC).isoformat(timespec="seconds")
        new: dict[str, Any] = {"format": _FORMAT, "settings": settings, "started": now}
        new |= {"expected": {}, "sequences": {}, "failures": {}}
        old = _earlier(folder, settings, overwrite) if resume else None
        content = (old or new) | {"environment": environment(notes), "updated": now}
        content["expected"] = content["expected"] | {split: list(names) for split, names in expected.items()}
        return cls(folder, content, anew=old is None)

    def begin(self, replaced: Iterable[Path] = ()) -> None:
        """Start to write, before the first result. A new run first removes the files `replaced` of an earlier one."""
        if self._begun:
            return
        self._begun = True
        for path in replaced if self.anew else ():
            path.unlink(missing_ok=True)
        for failure in self._early:
            self.failed(*failure)
        self.save()

    def end(self) -> None:
        """Save the record at the end. A new run without results leaves the record of an earlier run unchanged."""
        if not (self.anew and made_by_mixformer(self.folder)):
            self.begin()
        self.save()

    def finished(self, name: str, frames: int, times: FloatArray | None, size: tuple[int, int] | None = None) -> None:
        """Record a finished sequence: number of frames, (n,) seconds per frame and (height, width), where known."""
        if self.content["failures"].pop(name, None) and self._begun:
            (self.folder / _trace_file(name)).unlink(missing_ok=True)
        entry = self.content["sequences"].setdefault(name, {})
        entry["frames"] = frames
        if times is not None:
            entry["seconds"] = round(float(times.sum()), 6)
        if size is not None:
            entry["size"] = list(size)
        self._save_sometimes()

    def failed(self, name: str, message: str, trace: str) -> None:
        """Record a failed sequence: the message, and the traceback in a file of its own."""
        if not self._begun:
            self._early.append((name, message, trace))
            return
        place = _trace_file(name)
        write_text(self.folder / place, f"{message}\n\n{trace}")
        self.content["failures"][name] = {"message": message, "traceback": place}
        self.content["sequences"].pop(name, None)
        self._save_sometimes()

    def save(self) -> None:
        """Write the file, unless `begin` was not called yet; after an OutputError the old file is unchanged."""
        if not self._begun:
            return
        self.content["updated"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_text(self.folder / MANIFEST, json.dumps(self.content, indent=1) + "\n")
        self._saved = time.monotonic()

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the `run.json` of a folder of results; raises DataError if it is missing or damaged.

    It has "settings", "environment", "expected" (split: names), "sequences" (name: frames, seconds, size), "failures"
    (name: message, traceback), "started" and "updated". Settings of 0.1.0 get their new names.
    """
    path = folder / MANIFEST
    try:
        content = read_json_file(path, DataError, LARGEST_ANNOTATION)
    except DataError as error:
        raise DataError(f"{error}; move the file away if you do not need its results") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in _PARTS):
        raise DataError(f"{path} was not written by mixformer evaluate: it needs {', '.join(_PARTS)}")
    if not isinstance(content.setdefault("environment", {}), dict):
        raise DataError(f"{path} was not written by mixformer evaluate: its environment is no object")
    for name, entry in content["sequences"].items():
        if not isinstance(entry, dict) or not isinstance(entry.get("frames"), int):
            raise DataError(f"{path} was not written by mixformer evaluate: {name} has no number of frames")
    if content.get("format") != _FORMAT:
        raise DataError(f"{path} has format {content.get('format')!r}, this version reads {_FORMAT}; update mixformer")
    content["settings"] = {_RENAMED.get(key, key): value for key, value in content["settings"].items()}
    if content["settings"].get("engine") == "graph":
        content["settings"]["engine"] = "cudagraph"  # its name in 0.1.0 was graph
    return content


def made_by_mixformer(folder: Path) -> bool:
    """Return whether a folder of results has a `run.json`."""
    return (folder / MANIFEST).is_file()


def noted_gflops(folder: Path) -> float | None:
    """Read the operations per frame (1e9) from the `run.json` of a folder; None if they are not noted."""
    value = read_manifest(folder)["environment"].get("gflops") if made_by_mixformer(folder) else None
    return float(value) if isinstance(value, int | float) else None


def _trace_file(name: str) -> str:
    """Return the place of a traceback in a folder of results; a record is not asked, since it may name any file."""
    return f"failures/{name.replace('/', '_')}.txt"


def environment(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the versions of Python and packages, facts about the machine, and the notes."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {"mixformer": __version__, **{name: package_version(name) for name in _PACKAGES}},
        **notes,
    }


def _earlier(folder: Path, settings: Mapping[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """Return the record of the run to resume in a folder; None if there is none."""
    path = folder / MANIFEST
    try:
        if path.is_file():
            content = read_manifest(folder)
            _require_same(path, content["settings"], settings)
            return content
        if any(folder.glob("*.txt")):
            raise ConfigError(f"{folder} holds results without a {MANIFEST}; {_ADVICE}")
    except (ConfigError, DataError):
        if not overwrite:
            raise
    return None


def _require_same(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    old, new = _flat(old), _flat(new)
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if changed:
        list_ = ", ".join(f"{key} was {old.get(key)!r}, now {new.get(key)!r}" for key in changed)
        raise ConfigError(f"{path.parent} holds results made with other settings ({list_}); {_ADVICE}")


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested values to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {before + key: value}
    return flat
