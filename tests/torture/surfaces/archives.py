"""Zip archives and LMDB databases of data sets."""

from __future__ import annotations

import io
import struct
import zipfile
from random import Random

from tests.torture.mutate import damage, damage_text
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import Surface, command, copied, track_once


def zips(random: Random, room: Room) -> Case:
    """Damaged zip files, and members that lie about their place, size or form."""
    folder = copied(room, "archives")
    file = folder / random.choice(("bear.zip", "cat.zip"))
    kind = random.choice(("bytes", "bytes", "end", "members", "members", "bomb"))
    if kind == "bytes":
        file.write_bytes(damage(random, file.read_bytes()))
    elif kind == "end":
        data = file.read_bytes()
        file.write_bytes(data[:-600] + damage(random, data[-600:], head=600))
    else:
        file.write_bytes(_rewritten(random, file.read_bytes(), room, kind == "bomb"))
    words = ["data", "check", folder, "--set", "lasot", "--split", "all", *random.choice(([], ["--all"]))]
    if random.random() < 0.25:
        words = ["data", "pack", folder, "packed", "--set", "lasot"]
    return Case(f"{kind} of {file.name}", lambda: [command(*words)].clear())


def _rewritten(random: Random, good: bytes, room: Room, bomb: bool) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        hit = random.choice([name for name in names if bomb is False or name.endswith((".txt", ".jpg"))])
        for name in names:
            info, data = zipfile.ZipInfo(name), source.read(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name == hit and bomb:
                data = random.choice((b"\0", b"1,2,3,4\n", b"9")) * 60_000_000
            elif name == hit:
                info, data = _odd_member(random, info, data, room)
            target.writestr(info, data)
            if name == hit and random.random() < 0.1:
                target.writestr(info, b"again")
    return made.getvalue()


def _odd_member(random: Random, info: zipfile.ZipInfo, data: bytes, room: Room) -> tuple[zipfile.ZipInfo, bytes]:
    kind = random.randrange(5)
    if kind == 0:
        info.filename = random.choice(
            ("../../home/evil.txt", "/tmp/evil.txt", "a\\b", "bear/", "x" * 300, "..", "", "\udcff"[:0])
        )
    elif kind == 1:
        info.external_attr, data = 0o120777 << 16, random.choice(room.secrets()).encode()
    elif kind == 2 and info.filename.endswith(".txt"):
        data = damage_text(random, data.decode())
    elif kind == 3:
        data = b""
    else:
        data = damage(random, data)
    return info, data


def lmdb(random: Random, room: Room) -> Case:
    """A damaged database: cut, flipped, with odd page numbers."""
    folder = copied(room, "lmdb")
    file = folder / "data.mdb"
    data = bytearray(file.read_bytes())
    kind = random.randrange(4)
    if kind == 0:
        data = bytearray(damage(random, bytes(data), head=8192))
    elif kind == 1:
        del data[random.randrange(len(data)) :]
    elif kind == 2:
        page = random.randrange(len(data) // 4096) * 4096
        data[page : page + 4096] = random.choice((bytes(4096), random.randbytes(4096), data[:4096], data[-4096:]))
    else:
        at = random.randrange(len(data) // 8) * 8
        data[at : at + 8] = struct.pack("<Q", random.choice((0, 1, 2**16, 2**32, 2**63, 2**64 - 1)))
    file.write_bytes(bytes(data))
    words = ["data", "check", folder, "--set", "lasot", "--split", "all", *random.choice(([], ["--all"]))]
    return Case(f"kind {kind}", lambda: [command(*words)].clear())


SURFACES = [
    Surface("zip", zips, ("clips", "model", "archives"), 900, 1, track_once),
    Surface("lmdb", lmdb, ("clips", "model", "lmdb"), 900, 1, track_once),
]
