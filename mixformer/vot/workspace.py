"""Write the toolkit's files: `config.yaml` of a workspace, and our entry in its `trackers.ini`."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import mixformer
from mixformer.errors import ConfigError, OutputError
from mixformer.files import path_kind, text_writer, write_files
from mixformer.files.partial_names import real_path
from mixformer.vot.stacks import Stack

CONFIG, TRACKERS = "config.yaml", "trackers.ini"
TIMEOUT = 300  # seconds for one answer; the toolkit's 30 may be too few for the first one, which waits for the model

_NAME = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True)
class Entry:
    """A tracker in `trackers.ini`."""

    name: str  # the toolkit's identifier: letters, digits, `-` and `_`
    protocol: str  # "python" runs in the toolkit's own interpreter, "trax" in this one
    model: str  # name of a model, or absolute path
    # Further arguments of `mixformer vot run` and of `VotTracker`, such as {"preset": "vot2020"}
    settings: dict[str, str]
    multiobject: bool  # offer to track several targets, which the "python" protocol always does

    def lines(self) -> dict[str, str]:
        """Return the keys and values of the section."""
        arguments = {"model": self.model, **self.settings}
        common = {"label": self.name, "protocol": self.protocol, "timeout": str(TIMEOUT)}
        if self.protocol == "python":
            # The toolkit cannot encode a mask for this protocol. The tracker starts from the mask's box in any case.
            options = {"command": "mixformer.vot:VotTracker", "convert": "rectangle"}
            return {**common, **options, **{f"arg_{key}": value for key, value in arguments.items()}}
        words = [sys.executable, "-m", "mixformer", "vot", "run"]
        words += [word for key, value in arguments.items() for word in (f"--{key}", value)]
        words += ["--multiobject"] if self.multiobject else []
        return {**common, "command": shlex.join(words), **_environment()}


def write_workspace(folder: Path, stack: Stack, entry: Entry, sequences: Path | None = None) -> list[Path]:
    """Write a workspace, or add a tracker to one of the same stack; return the written files.

    `sequences` is the folder of the data; by default it is in the workspace, where the toolkit downloads them. Raises
    ConfigError if the name of the tracker is not accepted by the toolkit or is taken, and OutputError if the folder
    holds a workspace of another stack, or cannot be written.
    """
    if not _NAME.fullmatch(entry.name):
        raise ConfigError(f"the toolkit takes letters, digits, - and _ for a tracker's name, not {entry.name!r}")
    if sequences is not None and path_kind(sequences) != "folder":
        raise ConfigError(f"there is no folder {sequences} with the data; check the path, or leave --sequences out")
    config, trackers = folder / CONFIG, folder / TRACKERS
    try:
        new = not config.exists()
        if not new:
            _require_same(config, stack)
        text = trackers.read_text(encoding="utf-8") if trackers.exists() else ""
        section = _section(text, entry, trackers)
        for name in ("sequences", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        contents = {trackers: text + section} | ({config: _config(stack, sequences)} if new else {})
        write_files({path: text_writer(said) for path, said in contents.items()})
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write the workspace {folder}: {error}; give another folder") from error
    return [config, trackers] if new else [trackers]


def _require_same(config: Path, stack: Stack) -> None:
    found = re.search(r"^stack:\s*(.+?)\s*$", config.read_text(encoding="utf-8"), re.MULTILINE)
    there = found[1].strip("'\"") if found else "a stack of its own"
    if there != stack.name:
        raise OutputError(
            f"{config.parent} is already a workspace of {there}, not of {stack.name}; give another folder, or "
            f"--stack {there} to add a tracker to it"
        )


def _section(text: str, entry: Entry, path: Path) -> str:
    present = configparser.ConfigParser(interpolation=None)
    try:
        present.read_string(text)
    except configparser.Error as error:
        raise ConfigError(f"cannot read {path}: {error}; correct or remove it") from error
    if present.has_section(entry.name):
        raise ConfigError(f"{path} has a tracker {entry.name} already; give another --name, or remove that entry")
    # The toolkit reads % as the start of a reference to another key.
    lines = [f"{key} = {value.replace('%', '%%')}" for key, value in entry.lines().items()]
    return "\n".join([*([""] if text else []), f"[{entry.name}]", *lines, ""])


def _config(stack: Stack, sequences: Path | None) -> str:
    lines = [f"stack: {json.dumps(stack.name)}", "registry:", f"- ./{TRACKERS}"]
    if sequences is not None:
        lines.append(f"sequences: {json.dumps(str(real_path(sequences)))}")
    return "\n".join([*lines, ""])


def _environment() -> dict[str, str]:
    """Return the environment variables for the tracker's process, which starts in another folder."""
    root = Path(mixformer.__file__).parents[1]
    paths = [str(Path(p).resolve()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    if root.name not in ("site-packages", "dist-packages") and str(root) not in paths:
        paths.insert(0, str(root))
    return {"env_PYTHONPATH": os.pathsep.join(paths)} if paths else {}
