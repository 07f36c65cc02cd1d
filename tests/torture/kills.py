"""Processes killed at random moments: what was complete stays, the same command completes, nothing is left over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.helpers.clips import moving_square, write_clip
from tests.torture import processes
from tests.torture.material import BOX, RECIPE
from tests.torture.tally import Finding, Kept, Tally

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_SOFT_END = 10.0  # seconds that Ctrl-C or SIGTERM may take, or half of the command's own time on a busy machine
_STAYS = "did not end"
_CHEAP = ["--engine", "torch", "--device", "cpu", "--threads", "1"]


@dataclass(frozen=True)
class Victim:
    """A command to kill.

    Attributes:
        words: of the command, for the folder of the good inputs.
        share: of the kills.
        final: files of a whole run that must come out the same to the bit.
    """

    words: Callable[[Path], list[str]]
    share: int
    final: tuple[str, ...] = ()


def _track(place: Path) -> list[str]:
    out = ["--out", "a.mp4", "--json", "a.jsonl", "--csv", "a.csv", "--mot", "a.txt", "--overwrite"]
    return ["track", f"{place}/long.mp4", "--box", *BOX, "--model", f"{place}/model", *_CHEAP, *out]


def _track_keys(place: Path) -> list[str]:
    words = ["track", f"{place}/long.mp4", "--targets", f"{place}/keys.csv", "--both-ways", "--overwrite"]
    return [*words, "--out", "a.mp4", "--json", "a.jsonl", "--model", f"{place}/model", *_CHEAP]


def _annotate(place: Path) -> list[str]:
    words = ["annotate", f"{place}/long.mp4", "--keys", f"{place}/keys.csv", "--overwrite"]
    out = ["--project", "a.mixformer.json", "--to", "csv", "--out", "a.csv"]
    return [*words, *out, "--model", f"{place}/model", *_CHEAP]


def _track_all(place: Path) -> list[str]:
    words = [
        "track-all",
        f"{place}/jobs.csv",
        "--model",
        f"{place}/model",
        "--out",
        "tracked",
        "--write",
        "json",
        "video",
    ]
    return [*words, "--workers", "2", *_CHEAP]


def _evaluate(place: Path) -> list[str]:
    return [
        "evaluate",
        "--root",
        f"{place}/many",
        "--model",
        f"{place}/model",
        "--out",
        "results",
        "--workers",
        "2",
        *_CHEAP,
    ]


def _train(place: Path) -> list[str]:
    more = ["steps=40", "save_every=5", "data.workers=1"]
    return ["train", f"{place}/recipe.toml", "--out", "run", "--smoke", "--device", "cpu", "--set", *more]


VICTIMS = {
    "track": Victim(_track, 20, ("a.jsonl", "a.csv", "a.txt")),
    "track-keys": Victim(_track_keys, 7),
    "annotate": Victim(_annotate, 7),
    "track-all": Victim(_track_all, 15, tuple(f"tracked/v{n}/boxes.jsonl" for n in range(4))),
    "evaluate": Victim(_evaluate, 16, tuple(f"results/model/many/s{n}.txt" for n in range(6))),
    "train": Victim(_train, 15, ("run/model/model.safetensors",)),
    "convert": Victim(
        lambda p: ["convert", f"{p}/model", "--out", "made", "--precision", "float16", "--overwrite"],
        8,
        ("made/model.safetensors",),
    ),
    "report": Victim(
        lambda p: ["report", f"{p}/results", "--dataset", "toy", "--root", f"{p}/toy", "--out", "page", "--overwrite"],
        8,
    ),
    "export": Victim(lambda p: ["export", f"{p}/model", "--to", "onnx", "--out", "made", "--overwrite"], 4),
}
"""In the order of the table; needs: clips, model, toy, results, run."""
NEEDS = ("clips", "model", "toy", "results", "run")


def add_material(place: Path) -> None:
    """Inputs that take a while: a clip of some seconds, jobs, sequences."""
    if (place / "many").exists():
        return
    frames = moving_square(400, step=0)[0]
    write_clip(place / "long.mp4", frames, sound=False)
    (place / "keys.csv").write_text("0,1,10,30,20,20\n200,1,10,30,20,20\n390,1,,,,\n")
    (place / "jobs.csv").write_text("source,box,name\n" + "".join(f"long.mp4,10 30 20 20,v{n}\n" for n in range(4)))
    (place / "recipe.toml").write_text(RECIPE)
    for number in range(6):
        shutil.copytree(place / "toy" / "bird", place / "many" / f"s{number}")


def kill_many(counts: dict[str, int], place: Path, kept: Kept) -> list[Tally]:
    """Kill each command so many times; see `VICTIMS`."""
    add_material(place)
    return [_kill_one_verb(verb, count, place, kept) for verb, count in counts.items() if count]


def _kill_one_verb(verb: str, count: int, place: Path, kept: Kept) -> Tally:
    victim, tally, seed = VICTIMS[verb], kept.tally(f"kill {verb}"), kept.seed
    if tally.tried >= count or kept.stopped:
        return tally
    words = victim.words(place)
    with tempfile.TemporaryDirectory(prefix="torture-") as base:
        whole = Path(base, "whole")
        begin = time.monotonic()
        code = processes.run(words, whole)
        lasts = time.monotonic() - begin
        if code:
            reason = f"ends with {code} undisturbed: {processes.said(whole)[-300:]}"
            tally.findings.append(Finding(f"{tally.surface}:{seed}:{tally.tried}", "failed", reason, ""))
            return tally
        for number in range(tally.tried, count):
            room = Path(base, str(number))
            random = Random(f"{seed}/kill/{verb}/{number}")
            shutil.copytree(whole / "cache", room / "cache")
            kind, after = random.choice(_SIGNALS), random.uniform(0.1, 1.02) * lasts
            process = processes.Command(words, room, cold=number % 5 == 4)
            wrong = _kill(process, room, kind, after, max(_SOFT_END, lasts / 2))
            done = _complete(room / "out", victim, whole / "out")
            wrong += _again(victim, words, room, whole / "out", done)
            if wrong:
                how = "hang" if any(each == _STAYS for each in wrong) else "failed"
                told = f"{kind.name} after {after:.1f} s of {lasts:.1f}"
                tally.findings.append(Finding(f"{tally.surface}:{seed}:{number}", how, "; ".join(wrong), told))
            tally.tried += 1
            kept.save(now=True)
            shutil.rmtree(room, ignore_errors=True)
            if kept.stopped:
                break
    return tally


def _kill(process: processes.Command, room: Path, number: signal.Signals, after: float, patience: float) -> list[str]:
    """Kill a run, and look at how it ends."""
    wrong = list[str]()
    if process.wait(after) is None:
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.kill(process.pid, number)
    if not process.ends(patience):
        wrong.append(_STAYS)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if left := processes.orphans(process.pid, patience):
        wrong.append(f"{len(left)} orphan processes")
        process.kill()
    if "Traceback (most recent call last)" in processes.said(room) and number != signal.SIGKILL:
        wrong.append(f"a traceback: {processes.said(room)[-250:]}")
    return wrong


def _complete(out: Path, victim: Victim, whole: Path) -> dict[str, int]:
    """Final files that are as in a whole run already, and when they were written."""
    found = {}
    for name in victim.final:
        path = out / name
        if path.exists() and path.read_bytes() == (whole / name).read_bytes():
            found[name] = path.stat().st_mtime_ns
    return found


def _again(victim: Victim, words: list[str], room: Path, whole: Path, done: dict[str, int]) -> list[str]:
    """The same command once more: what is wrong with what it leaves."""
    code, wrong = processes.run(words, room), []
    out = room / "out"
    if code and len(done) < max(1, len(victim.final)):
        wrong.append(f"the same command ends with {code}: {' '.join(processes.said(room).split())[-250:]}")
    wrong += [f"{name} is lost or another one" for name in victim.final
              if not (out / name).exists() or (out / name).read_bytes() != (whole / name).read_bytes()]  # fmt: skip
    if len(victim.final) > 3:
        for name, time_ns in done.items():
            folder_done = (out / name).parent / "done.json"
            if (
                folder_done.exists()
                and (out / name).exists()
                and (out / name).stat().st_mtime_ns != time_ns
                and len(done) > 3
            ):
                wrong.append(f"{name} was complete and was made again")
    more, less = processes.files(out) - processes.files(whole), processes.files(whole) - processes.files(out)
    wrong += [f"left over: {sorted(more)[:4]}"] if more else []
    wrong += [f"not made: {sorted(less)[:4]}"] if less and not wrong else []
    for name in ("a.mp4",):
        if (whole / name).exists() and (out / name).exists() and frames_of(out / name) != frames_of(whole / name):
            wrong.append(f"{name} has other frames")
    if rest := processes.files(room / "tmp") | processes.files(room / "home"):
        wrong.append(f"left in temporary or home folder: {sorted(rest)[:4]}")
    return wrong


def frames_of(path: Path) -> int:
    """Frames that can be read; -1 if it is no video."""
    from mixformer import open_video

    try:
        with open_video(path) as video:
            return sum(1 for _ in video)
    except OSError:
        return -1
