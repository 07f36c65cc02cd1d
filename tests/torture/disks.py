"""Disks that fill up: the exit code is 4, or the result is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.helpers.small_disk import can_mount, small_disk
from tests.torture import processes
from tests.torture.kills import VICTIMS, add_material, frames_of
from tests.torture.material import BOX
from tests.torture.tally import Finding, Kept, Tally

POINTS = (
    0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.96, 0.98, 0.99, 0.999,
)  # fmt: skip
"""Parts of the room that a whole result takes."""
_CHEAP = ["--engine", "torch", "--device", "cpu", "--threads", "1"]


def _track(*out: str) -> Callable[[Path], list[str]]:
    return lambda p: ["track", f"{p}/long.mp4", "--box", *BOX, "--model", f"{p}/model", *_CHEAP, "--stop", "150", *out]


WRITERS: dict[str, Callable[[Path], list[str]]] = {
    "track mp4": _track("--out", "a.mp4", "--json", "a.jsonl"),
    "track mkv": _track("--out", "a.mkv"),
    "track avi": _track("--out", "a.avi"),
    "track pictures": _track("--out", "frames"),
    "track text": _track("--csv", "a.csv", "--mot", "a.txt"),
    "track-all": VICTIMS["track-all"].words,
    "evaluate": VICTIMS["evaluate"].words,
    "train": VICTIMS["train"].words,
    "convert": VICTIMS["convert"].words,
    "report": VICTIMS["report"].words,
}


COUNT = 3 * len(POINTS)
NAME = "full disks"


def fill_disks(count: int, place: Path, kept: Kept) -> Tally:
    """Give commands disks that hold a part of their result alone: every point once, then with the next command."""
    add_material(place)
    tally, small = kept.tally(NAME), can_mount()
    with tempfile.TemporaryDirectory(prefix="torture-") as base:
        for number in range(tally.tried, count):
            if kept.stopped:
                break
            turn, at = divmod(number, len(POINTS))
            name, point = list(WRITERS)[(at + turn) % len(WRITERS)], POINTS[at]
            wrong = _fill(WRITERS[name](place), point, Path(base, name.replace(" ", "_")), small)
            if wrong:
                told = f"{name} on a disk with {point:.1%} of the room"
                tally.findings.append(Finding(f"{NAME}:{kept.seed}:{number}", "failed", "; ".join(wrong), told))
            tally.tried += 1
            kept.save(now=True)
    return tally


def _fill(words: list[str], point: float, base: Path, small: bool) -> list[str]:
    whole = base / "whole"
    if not whole.exists() and (code := processes.run(words, whole)):
        said = processes.said(whole)[-300:]
        shutil.rmtree(whole)
        return [f"ends with {code} undisturbed: {said}"]
    sizes = [path.stat().st_size for path in (whole / "out").rglob("*") if path.is_file()]
    room = base / f"{point}"
    (room / "out").mkdir(parents=True)
    shutil.copytree(whole / "cache", room / "cache")
    if small:
        blocks = sum(-(-size // 4096) * 4 for size in sizes)
        with small_disk(room / "out", max(4, int(blocks * point))):
            wrong = _look(processes.run(words, room), room, whole / "out")
    else:
        limit = max(1, int(max(sizes) * point))
        wrong = _look(processes.run(words, room, limit), room, whole / "out")
    shutil.rmtree(room, ignore_errors=True)
    return wrong


def _look(code: int, room: Path, whole: Path) -> list[str]:
    said = processes.said(room)
    if "Traceback (most recent call last)" in said:
        return [f"a traceback, exit code {code}: {said[-250:]}"]
    if code == 4:
        return []
    if code:
        return [f"exit code {code}: {' '.join(said.split())[-250:]}"]
    less = processes.files(whole) - processes.files(room / "out")
    short = [
        name
        for name in processes.files(whole) & processes.files(room / "out")
        if _less(room / "out" / name, whole / name)
    ]
    return [f"exit code 0, but {sorted(less) + short} is missing or not whole"[:300]] if less or short else []


def _less(path: Path, whole: Path) -> bool:
    """Whether a text or a video lacks something."""
    if path.suffix in (".mp4", ".mkv", ".avi"):
        return frames_of(path) != frames_of(whole)
    return path.suffix in (".jsonl", ".csv", ".txt", ".png") and os.path.getsize(path) < os.path.getsize(whole)
