"""Pictures in a folder of frames, and in a data set."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path
from random import Random

from tests.torture.mutate import damage
from tests.torture.room import Case, Room, WrongError
from tests.torture.surfaces.base import Surface, command, track_once

_SIDES = (0, 1, 2, 60_000, 65_535, 2**31 - 1, 2**31, 2**32 - 1)


def _odd_size(random: Random, data: bytes, name: str) -> bytes:
    """A header that names another size."""
    width, height, changed = random.choice(_SIDES), random.choice(_SIDES), bytearray(data)
    if name.endswith("png"):
        body = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        changed[12:33] = body + struct.pack(">I", zlib.crc32(body))
    elif name.endswith("bmp"):
        changed[18:26] = struct.pack("<II", width, height)
    elif name.endswith("jpg") and (at := data.find(b"\xff\xc0")) > 0:
        changed[at + 5 : at + 9] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
    elif name.endswith("ppm"):
        return f"P6\n{width} {height}\n255\n".encode() + data[12:]
    elif name.endswith("tif"):
        changed = bytearray(damage(random, data[-400:], head=400))
        return data[:-400] + bytes(changed)
    return bytes(changed)


def pictures(random: Random, room: Room) -> Case:
    """One bad picture between two good ones: it is passed over with a word, the others are tracked."""
    source = random.choice(sorted((room.material / "pictures").iterdir()))
    good, data = source.read_bytes(), source.read_bytes()
    kind = random.choice(("bytes", "bytes", "bytes", "size", "other", "kind"))
    name = f"2{source.suffix}"
    if kind == "bytes":
        data = damage(random, data)
    elif kind == "size":
        data = _odd_size(random, data, source.name)
    elif kind == "other":
        data = random.choice((b"", b"\0" * 5000, b"<svg/>", b"GIF89a", data[:20]))
    else:
        name = f"2.{random.choice(('png', 'jpg', 'tif', 'bmp', 'webp', 'ppm'))}"
    folder = room.given / "frames"
    folder.mkdir()
    for number in (1, 3):
        shutil.copy(room.material / "pictures" / "a.png", folder / f"{number}.png")
    (folder / name).write_bytes(data)
    told = f"{source.name} {kind}{' unchanged' if good == data else ''}"
    if random.random() < 0.35:
        root = _as_set(room, name, data)
        return Case(f"{told}, data set", lambda: [command("data", "check", root, "--all")].clear())
    return Case(told, lambda: _read(folder))


def _read(folder: Path) -> None:
    from mixformer import open_video

    with open_video(folder) as video:
        seen = [frame.index for frame in video]
    if not {0, 2} <= set(seen):
        raise WrongError(f"frames {seen} of 0, 1, 2 were read")


def _as_set(room: Room, name: str, data: bytes) -> Path:
    """The same as a data set of one's own."""
    images = room.given / "set" / "bird" / "img"
    images.mkdir(parents=True)
    for number in (1, 3):
        shutil.copy(room.material / "pictures" / "a.png", images / f"{number}.png")
    (images / name).write_bytes(data)
    (images.parent / "groundtruth.txt").write_text("4,6,10,10\n" * 3)
    return room.given / "set"


SURFACES = [Surface("pictures", pictures, ("clips", "model", "pictures"), 2200, 3, track_once)]
