"""Model folders, exported graphs and cached compiled graphs."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.mutate import damage, damage_json, damage_xml
from tests.torture.room import Case, Room, WrongError
from tests.torture.surfaces.base import TARGET, Surface, command, copied, track_once, track_words


def config_json(random: Random, room: Room) -> Case:
    """A damaged config.json, of a model folder or of one with graphs."""
    part = random.choice(("model", "model", "openvino"))
    folder = copied(room, part)
    value = json.loads((folder / "config.json").read_text())
    if random.random() < 0.3:
        value["tracker"] = {"search_factor": 4.0, "update_interval": 25}
    odd = (*room.secrets(), "../../secret/canary.txt", "vit", "cvt", 64, 4096, 10**6)
    data = damage_json(random, value, odd)
    (folder / "config.json").write_bytes(data)
    engine = "openvino" if part == "openvino" else "torch"

    def run() -> None:
        from mixformer import Tracker, load_model

        if random.random() < 0.3:
            load_model(folder)
        else:
            Tracker(folder, engine=engine, device="cpu", threads=1)

    return Case(f"{part} {_difference(value, data)}", run)


def _difference(value: Any, data: bytes) -> str:
    """The first fields that changed."""
    try:
        other = json.loads(data)
        pairs = [
            (key, other[part].get(key, "gone"))
            for part in value
            if isinstance(value[part], dict) and isinstance(other.get(part), dict)
            for key in value[part]
            if other[part].get(key, "gone") != value[part][key]
        ]
        return f"{pairs or other!r:.200}"
    except Exception:
        return f"{data[:120]!r}"


def safetensors(random: Random, room: Room) -> Case:
    """Damaged weights: length, header and numbers of a safetensors file."""
    folder = copied(room, "model")
    file = folder / "model.safetensors"
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    kind = random.randrange(4)
    if kind == 0:
        data = damage(random, data, head=8 + length)
    elif kind == 1:
        data = struct.pack("<Q", random.choice((0, 1, length + 1, 2**31, 2**63, 2**64 - 1))) + data[8:]
    elif kind == 2:
        text = damage_json(random, header, ("F64", "BOOL", "I8", [0, 2**62], [5, 1], [2**40, 2**40]))
        data = struct.pack("<Q", len(text)) + text + rest
    else:
        data = data[: 8 + length] + random.choice((rest[:-4], rest + b"abcd", b"\xff" * len(rest), b""))
    file.write_bytes(data)

    def run() -> None:
        from mixformer import Tracker

        Tracker(folder, engine="torch", device="cpu", threads=1)

    return Case(f"model.safetensors, kind {kind}", run)


def openvino(random: Random, room: Room) -> Case:
    """Damaged OpenVINO graphs."""
    folder = copied(room, "openvino")
    file = folder / random.choice(("locate.xml", "remember.xml", "locate.xml", "graphs.bin"))
    if file.suffix == ".xml" and random.random() < 0.8:
        file.write_bytes(damage_xml(random, file.read_text(), room.secrets()))
    else:
        file.write_bytes(damage(random, file.read_bytes()))
    return Case(file.name, lambda: _track(room, folder, "openvino"))


def onnx(random: Random, room: Room) -> Case:
    """Damaged ONNX graphs."""
    folder = copied(room, "onnx")
    file = folder / random.choice(("locate.onnx", "remember.onnx"))
    data = file.read_bytes()
    file.write_bytes(damage(random, data, head=len(data)))
    return Case(file.name, lambda: _track(room, folder, "onnx"))


def _track(room: Room, folder: Path, engine: str) -> None:
    words = track_words(room, model=folder)
    words[words.index("torch")] = engine
    command(*words, *TARGET)


def cache(random: Random, room: Room) -> Case:
    """A changed, cut or exchanged file in the cache of compiled graphs: results stay, or it is said."""

    def run() -> None:
        shutil.rmtree(room.cache / "graphs", ignore_errors=True)
        _track(room, room.material / "openvino", "openvino")
        good = Path("boxes.jsonl").read_text()
        files = sorted(path for path in (room.cache / "graphs").rglob("*") if path.is_file())
        if not files:
            return
        hit = random.choice(files)
        kept = {path: path.read_bytes() for path in files}
        kind = random.randrange(4)
        if kind == 0:
            hit.write_bytes(random.choice(list(kept.values())))
        elif kind == 1:
            hit.unlink()
        else:
            hit.write_bytes(damage(random, kept[hit], head=len(kept[hit])))
        Path("boxes.jsonl").unlink()
        try:
            _track(room, room.material / "openvino", "openvino")
            if Path("boxes.jsonl").read_text() != good:
                raise WrongError(f"other boxes, after {hit.suffix} was changed")
        finally:
            for path, data in kept.items():
                path.write_bytes(data)

    return Case("cache of compiled graphs", run)


def folders(random: Random, room: Room) -> Case:
    """What else may stand where a model is asked for."""
    names = (
        "",
        ".",
        "..",
        "/",
        "nothing",
        "mixformerv2_tiny",
        "mixformerv2_smal",
        "*",
        "a\0b"[:1],
        "~",
        "con",
        "x" * 300,
    )
    paths = [room.material / part for part in ("clips", "toy", "clips/clip.mp4", "pictures/a.png", "results", "lasot")]
    model = random.choice((*names, *map(str, paths), str(room.given)))
    kind = random.randrange(4)
    if kind == 0:
        folder = copied(room, "model")
        hit = random.choice(sorted(folder.iterdir()))
        hit.unlink()
        if random.random() < 0.5:
            hit.mkdir()
        model = str(folder)
    words = track_words(room)
    words[words.index("--model") + 1] = model
    verb = random.choice(("track", "track", "convert", "export"))
    if verb == "convert":
        words = ["convert", model, "--out", "made", "--to", random.choice(("official", "mixformer", "mmtracking"))]
    tail = TARGET if words[0] == "track" else ()
    return Case(f"{words[0]} {model:.80}", lambda: [command(*words, *tail)].clear())


def _begin(room: Room) -> None:
    track_once(room)
    if (room.material / "openvino").exists():
        _track(room, room.material / "openvino", "openvino")


SURFACES = [
    Surface("config.json", config_json, ("clips", "model", "openvino"), 1500, 2, _begin),
    Surface("safetensors", safetensors, ("clips", "model"), 500, 1, _begin),
    Surface("openvino", openvino, ("clips", "model", "openvino"), 900, 1, _begin),
    Surface("onnx", onnx, ("clips", "model", "onnx"), 700, 0, track_once),
    Surface("cache", cache, ("clips", "model", "openvino"), 250, 1, _begin),
    Surface("model names", folders, ("clips", "model", "pictures", "toy", "results", "lasot"), 300, 1, _begin),
]
