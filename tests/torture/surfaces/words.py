"""Words on the command line."""

from __future__ import annotations

from random import Random

from tests.torture.chance import NUMBERS, TEXTS
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import CHEAP, TARGET, Surface, command, track_once

_FLAGS = ("--start", "--stop", "--search-factor", "--update-interval", "--online-templates", "--score-threshold",
          "--threads",
          "--device", "--precision", "--preset", "--engine", "--targets", "--limit", "--factor", "--split", "--set",
          "--model", "--heads", "--batch", "--templates", "--convention", "--worst", "--to", "--dataset", "--name",
          "--sequences",
          "--concurrent-videos", "--write", "--images", "--format", "--gpus")  # fmt: skip


def _base(random: Random, room: Room) -> list[str]:
    """A good command of few steps."""
    place = room.material
    bases: tuple[list[str], ...] = (
        ["track", f"{place}/clips/clip.mp4", *TARGET, "--model", f"{place}/model", *CHEAP, "--json", "b.jsonl"],
        ["track", f"{place}/clips/clip.mp4", *TARGET, "--model", f"{place}/model", *CHEAP, "--csv", "b.csv", "--mot",
        "b.txt"],
        ["convert", f"{place}/model", "--out", "made", "--precision", "float16"],
        ["data", "check", f"{place}/toy"],
        ["data", "list", f"{place}/toy"],
        ["data", "import", "cvat", f"{place}/annotations/tracks.xml", "imported", "--images",
        f"{place}/annotations/images"],
        ["evaluate", "--root", f"{place}/toy", "--model", f"{place}/model", *CHEAP, "--workers", "0", "--quiet"],
        ["report", f"{place}/results", "--dataset", "toy", "--root", f"{place}/toy", "--no-plots"],
        ["models"], ["info"], ["pack", "got10k", f"{place}/results/model/toy", "a.zip"],
        ["prune", f"{place}/model", "--out", "made"],
    )  # fmt: skip
    return list(random.choice((*bases[:2], *bases)))


def words(random: Random, room: Room) -> Case:
    """A command with a word lost, doubled, exchanged or added."""
    made = _base(random, room)
    for _ in range(random.choice((1, 1, 2))):
        value, kind = random.choice((*NUMBERS, *TEXTS)).replace("\0", ""), random.randrange(6)
        value = "3" if value in ("30000000", "1e9", "2147483647") else value
        at = random.randrange(len(made))
        if kind == 0 and len(made) > 1:
            del made[at]
        elif kind == 1:
            made.insert(at, made[at])
        elif kind in (2, 3) and at:
            made[at] = value
        elif kind == 4:
            made += [random.choice(_FLAGS), value]
        else:
            made.append(f"{random.choice(_FLAGS)}={value}")
    asks = made[:1] in (["track"], ["inspect"]) and "--box" not in made and "--targets" not in made
    made += ["--box", "10", "30", "20", "20"] if asks else []
    made = ["nothing", *made[1:]] if made[:1] in (["0"], ["bench"], ["demo"], ["vot"]) else made
    return Case(f"{made!r:.300}", lambda: [command(*made)].clear())


SURFACES = [
    Surface("words", words, ("clips", "model", "toy", "annotations", "results"), 1800, 3, track_once),
]
