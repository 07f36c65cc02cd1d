"""Annotations of other tools, and the files of public data sets."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.chance import TEXTS
from tests.torture.mutate import damage_json, damage_text, damage_xml
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import CHEAP, Surface, command, copied, track_once


def _import(room: Room, kind: str, source: Path, random: Random) -> Case:
    words: list[Any] = ["data", "import", kind, source, "imported", *random.choice(([], ["--copy"]))]
    if random.random() < 0.7 and kind != "mot":
        images = room.given / "annotations" / ("images" if kind == "cvat" else "")
        words += ["--images", images]
    return Case(" ".join(map(str, words[2:])), lambda: [command(*words)].clear())


def cvat(random: Random, room: Room) -> Case:
    """CVAT XML: `data import cvat`."""
    folder = copied(room, "annotations")
    file = folder / random.choice(("tracks.xml", "images.xml"))
    odd = (*room.secrets(), "30000000", "../images/frame_000000.png", "images", "frame_000001.png")
    file.write_bytes(damage_xml(random, file.read_text(), odd))
    return _import(room, "cvat", file, random)


def coco(random: Random, room: Room) -> Case:
    """COCO-VID JSON: `data import coco-vid`."""
    folder = copied(room, "annotations")
    file = folder / "coco.json"
    file.write_bytes(damage_json(random, json.loads(file.read_text()), (*room.secrets(), *TEXTS[:20], 2 * 10**9, 3)))
    return _import(room, "coco-vid", file, random)


def mot(random: Random, room: Room) -> Case:
    """MOT text: `data import mot`."""
    folder = copied(room, "annotations")
    file = folder / "mot" / "walk" / random.choice(("gt/gt.txt", "gt/gt.txt", "seqinfo.ini"))
    text = file.read_text()
    if file.suffix == ".ini" and random.random() < 0.5:
        text = text.replace("img1", random.choice(("../../../../secret", str(room.secret), "..", "/", "img2")))
    file.write_bytes(damage_text(random, text))
    return _import(room, "mot", folder / "mot", random)


def sequences(random: Random, room: Room) -> Case:
    """One JSON file of sequences: `data check` and `evaluate`."""
    folder = copied(room, "annotations")
    file = folder / "sequences.json"
    data = damage_json(random, json.loads(file.read_text()), (*TEXTS[:20], 2 * 10**9))
    file.write_bytes(data)
    return Case(f"{data[:150]!r}", lambda: _use(random, room, file, "own", ""))


def layouts(random: Random, room: Room) -> Case:
    """A damaged, lost or doubled file of LaSOT, GOT-10k or one's own data."""
    part = random.choice(("lasot", "got10k", "toy"))
    folder = copied(room, part)
    texts = [path for path in sorted(folder.rglob("*")) if path.suffix in (".txt", ".label", ".ini")]
    hit = random.choice(texts)
    kind = random.choice(("text", "text", "text", "gone", "folder", "path"))
    if kind == "text":
        hit.write_bytes(damage_text(random, hit.read_text()))
    elif kind == "path" and hit.name in ("list.txt", "testing_set.txt"):
        hit.write_text(f"{random.choice(('../../secret', str(room.secret), '..', '/', '.', '../..'))}\n")
    else:
        hit.unlink()
        if kind == "folder":
            hit.mkdir()
    split = {"lasot": "all", "got10k": "val", "toy": ""}[part]
    name = "own" if part == "toy" else part
    return Case(f"{part} {kind} {hit.name}", lambda: _use(random, room, folder, name, split))


def _use(random: Random, room: Room, root: Path, name: str, split: str) -> None:
    """Check it, or track through it."""
    known: list[Any] = [] if name == "own" else ["--split", split]
    if random.random() < 0.7:
        command(
            "data", "check", root, *([] if name == "own" else ["--set", name]), *known, *random.choice(([], ["--all"]))
        )
        return
    words = ["evaluate", "--root", root, *([] if name == "own" else ["--dataset", name]), *known]
    command(*words, "--model", room.material / "model", *CHEAP, "--workers", 0, "--quiet", "--out", "results")


SURFACES = [
    Surface("cvat", cvat, ("clips", "model", "annotations"), 1100, 1, track_once),
    Surface("coco-vid", coco, ("clips", "model", "annotations"), 1100, 1, track_once),
    Surface("mot", mot, ("clips", "model", "annotations"), 700, 1, track_once),
    Surface("sequences", sequences, ("clips", "model", "annotations"), 700, 1, track_once),
    Surface("layouts", layouts, ("clips", "model", "lasot", "got10k", "toy"), 900, 1, track_once),
]
