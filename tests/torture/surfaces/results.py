"""Raw results of trackers: `report` and `evaluate` going on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

from tests.torture.mutate import damage_json, damage_text
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import CHEAP, Surface, command, copied, track_once


def results(random: Random, room: Room) -> Case:
    """A damaged result file for `report`."""
    folder = copied(room, "results")
    hit = random.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
    _hurt(random, hit)
    extra = random.choice(
        ([], [], ["--missing", "zero"], ["--count-from", "1"], ["--convention", "otb"], ["--format", "csv"])
    )
    if random.random() < 0.15:
        table = "sequence,fast,slow\nbird,1,0\ncar,0,1\n"
        (room.given / "attributes.csv").write_bytes(damage_text(random, table))
        extra = [*extra, "--attributes", str(room.given / "attributes.csv")]
    words = ["report", folder, "--dataset", "toy", "--root", room.material / "toy", "--no-plots", *extra]
    if random.random() < 0.2:
        words += ["--out", "page"]
    return Case(
        f"{hit.name} {hit.read_bytes()[:80]!r}" if hit.is_file() else f"{hit.name} gone",
        lambda: [command(*words)].clear(),
    )


def _hurt(random: Random, hit: Path) -> None:
    kind = random.randrange(8)
    if kind == 0:
        hit.unlink()
    elif kind == 1:
        hit.unlink()
        hit.mkdir()
    elif hit.suffix == ".json":
        hit.write_bytes(damage_json(random, json.loads(hit.read_text())))
    else:
        hit.write_bytes(damage_text(random, hit.read_text()))


def gone_on(random: Random, room: Room) -> Case:
    """`evaluate` goes on where its own files were damaged."""
    shutil.copytree(room.material / "results", room.out / "results")
    hit = random.choice([path for path in sorted((room.out / "results").rglob("*")) if path.is_file()])
    _hurt(random, hit)
    words = [
        "evaluate",
        "--root",
        room.material / "toy",
        "--model",
        room.material / "model",
        "--out",
        "results",
        *CHEAP,
    ]
    return Case(f"{hit.name}", lambda: [command(*words, "--workers", 0, "--quiet")].clear())


SURFACES = [
    Surface("results", results, ("clips", "model", "results"), 1300, 2, track_once),
    Surface("evaluate again", gone_on, ("clips", "model", "results"), 500, 1, track_once),
]
