"""Targets, jobs, recipes and `--set`."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.chance import NUMBERS, TEXTS
from tests.torture.material import RECIPE
from tests.torture.mutate import damage_json, damage_text
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import CHEAP, Surface, command, track_once, track_words

_TABLES = ("10,30,20,20\n", "0,1,10,30,20,20\n2,2,20,30,20,20\n", "0,1,10,30,20,20,5\n", "10 30 20 20\n",
           "10\t30\t20\t20\n",
           "frame,id,x,y,w,h,stop\n0,1,10,30,20,20,4\n1,7,12,30,20,20,\n", "# a\n\n10;30;20;20\n")  # fmt: skip
_LISTS: tuple[Any, ...] = (
    [[10, 30, 20, 20]],
    [{"box": [10, 30, 20, 20], "id": 4, "frame": 1, "stop": 5}, [12, 30, 20, 20]],
    {"box": [10, 30, 20, 20], "id": 2, "frame": 0},
)


def targets(random: Random, room: Room) -> Case:
    """A file for `--targets`."""
    as_json = random.random() < 0.5
    name = f"t.{random.choice(('json', 'jsonl', 'csv', 'txt', ''))}"
    data = damage_json(random, random.choice(_LISTS)) if as_json else damage_text(random, random.choice(_TABLES))
    (room.given / name).write_bytes(data)
    more = ["--start", random.choice(("0", "1", "5"))] if random.random() < 0.2 else []
    return Case(
        f"{name} {data[:150]!r}", lambda: _ignore(command(*track_words(room), "--targets", room.given / name, *more))
    )


def _ignore(_: int) -> None:
    return None


def jobs(random: Random, room: Room) -> Case:
    """A file for `track-all`."""
    clip = str(room.material / "clips" / "clip.mp4")
    (room.given / "targets.csv").write_text("10,30,20,20\n")
    rows: list[dict[str, Any]] = [{"source": clip, "box": "10 30 20 20", "name": "a"},
                                  {"source": clip, "boxes": "targets.csv", "start": 1, "stop": 4}]  # fmt: skip
    rows = rows[: random.choice((1, 2))]
    if random.random() < 0.5:
        name, data = "jobs.json", damage_json(random, rows)
    else:
        columns = sorted({column for row in rows for column in row})
        table = [",".join(columns), *(",".join(str(row.get(column, "")) for column in columns) for row in rows)]
        name, data = "jobs.csv", damage_text(random, "\n".join(table) + "\n")
    (room.given / name).write_bytes(data)
    words = ["track-all", room.given / name, "--out", "tracked", "--model", room.material / "model", *CHEAP, "--quiet"]
    return Case(f"{name} {data[:150]!r}", lambda: _ignore(command(*words)))


def done(random: Random, room: Room) -> Case:
    """Notes of an earlier `track-all` that are damaged when it goes on."""
    clip = room.material / "clips" / "clip.mp4"
    (room.given / "jobs.json").write_text(
        json.dumps([{"source": str(clip), "box": "10 30 20 20", "name": "a", "stop": 3}])
    )
    words = [
        "track-all",
        room.given / "jobs.json",
        "--out",
        "tracked",
        "--model",
        room.material / "model",
        *CHEAP,
        "--quiet",
    ]

    def run() -> None:
        command(*words)
        notes = [path for path in Path("tracked").rglob("*") if path.is_file()]
        if notes:
            hit = random.choice(notes)
            hit.write_bytes(damage_text(random, hit.read_text()))
            command(*words)

    return Case("done.json and its neighbors", run)


_KEYS = ("steps", "batch", "stage", "model", "precision", "seed", "optimizer.lr", "optimizer.warmup", "loss.edges",
         "data.workers",
         "data.negatives", "crops.search_factor", "crops.flip_each", "changes.depth", "changes.dim", "changes.bins",
         "changes",
         "teacher", "teacher.model", "start", "save_every", "data.sets", "data", "pruning.remove", "x", "a.b.c", "",
         ".", "=")  # fmt: skip
_HUGE = (
    "30000000",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "1e9",
    "1e4",
    "40000",
)


def _small(value: str) -> str:
    """Not what asks for a large run and would get it."""
    return "3" if value in (*_HUGE, "18446744073709551616", "1_000") else value


def recipes(random: Random, room: Room) -> Case:
    """A recipe with damage; large but honest numbers are left out, since such a run is what was asked for."""
    data = damage_text(random, RECIPE)
    for number in _HUGE:
        data = data.replace(number.encode(), b"3")
    (room.given / "recipe.toml").write_bytes(data)
    words = ["train", room.given / "recipe.toml", "--out", "run", "--smoke", "--device", "cpu"]
    return Case(f"{data[:600]!r}", lambda: _ignore(command(*words)))


def changes(random: Random, room: Room) -> Case:
    """`--set` with odd keys and values."""
    pairs = []
    for _ in range(random.choice((1, 1, 2))):
        value = random.choice(
            (*map(_small, NUMBERS), *TEXTS[:-3], "[" * 50_000, "{" * 3000, '{"a": 1}', "[1,2]", "9" * 5000)
        )
        sign = "=" if random.random() < 0.95 else ""
        pairs.append(f"{random.choice(_KEYS)}{sign}{value}".replace("\0", ""))
    (room.given / "recipe.toml").write_text(RECIPE)
    words = ["train", room.given / "recipe.toml", "--out", "run", "--smoke", "--device", "cpu", "--set", *pairs]
    return Case(f"{pairs!r:.300}", lambda: _ignore(command(*words)))


def resumed(random: Random, room: Room) -> Case:
    """A run folder whose files were damaged before training goes on."""
    import shutil

    from tests.torture.mutate import damage

    shutil.copytree(room.material / "run", room.out / "run")
    (room.given / "recipe.toml").write_text(RECIPE)
    hit = random.choice([path for path in sorted((room.out / "run").rglob("*")) if path.is_file()])
    data = hit.read_bytes()
    if hit.suffix in (".json", ".jsonl"):
        try:
            hit.write_bytes(damage_json(random, json.loads(data)))
        except ValueError:
            hit.write_bytes(damage_text(random, data.decode()))
    else:
        hit.write_bytes(damage(random, data, head=4096))
    more = ["--set", f"steps={random.choice((2, 3))}"] if random.random() < 0.5 else []
    words = ["train", room.given / "recipe.toml", "--out", "run", "--smoke", "--device", "cpu", *more]
    return Case(f"{hit.relative_to(room.out)}", lambda: _ignore(command(*words)))


def _train_once(room: Room) -> None:
    track_once(room)
    command("train", room.material / "recipe.toml", "--out", "run", "--smoke", "--device", "cpu")


SURFACES = [
    Surface("targets", targets, ("clips", "model"), 2000, 2, track_once),
    Surface("jobs", jobs, ("clips", "model"), 1100, 2, track_once),
    Surface("done", done, ("clips", "model"), 200, 0, track_once),
    Surface("recipes", recipes, ("clips", "model", "run"), 900, 1, _train_once),
    Surface("set", changes, ("clips", "model", "run"), 700, 1, _train_once),
    Surface("resumed", resumed, ("clips", "model", "run"), 300, 1, _train_once),
]
