"""Checkpoints of strangers: damaged, rebuilt and made to harm."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from random import Random

from tests.torture.mutate import damage
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import Surface, command, track_once

_CODES = [code.code.encode("latin-1") for code in pickletools.opcodes]
_GLOBALS = (b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ccollections\nOrderedDict\n",
            b"ctorch\nFloatStorage\n", b"cbuiltins\ngetattr\n", b"cpathlib\nPath\n",
            b"cnumpy._core.multiarray\n_reconstruct\n",
            b"cmixformer.files\nwrite_whole\n", b"csubprocess\nPopen\n", b"c\n\n")  # fmt: skip


def _nested(depth: int) -> bytes:
    return b"\x80\x02}" + b")" + b"\x85" * depth + b"K\x01s."


def _nested_lists(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def _doubling(times: int) -> bytes:
    return (
        b"\x80\x02]q\x00"
        + b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(times))
        + b"."
    )


def _command(code: str) -> bytes:
    return b"cos\nsystem\n(S'" + code.encode() + b"'\ntR."


def _bombs(random: Random) -> bytes:
    far = random.choice((2**31 - 1, 2**31, 2**40, 2**62))
    depth = random.choice((100, 5_000, 1_000_000, 1_000_000))
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: _nested(depth), lambda: _nested_lists(depth), lambda: _doubling(200),
        lambda: _command("touch ../../home/owned"),
        lambda: b"\x80\x04\x8e" + struct.pack("<Q", far) + b"x.", lambda: b"\x80\x02\x8b" + struct.pack("<i",
        2**31 - 1) + b"\1.",
        lambda: b"\x80\x04\x95" + struct.pack("<Q", far) + b"N.", lambda: b"\x80\x02]r" + struct.pack("<I",
        2**32 - 1) + b".",
        lambda: b"\x80\x02L" + b"9" * 100_000 + b"L\n.", lambda: b"\x80\x02I" + b"9" * 5000 + b"\n.",
        lambda: b"\x80\x02" + b"(" * depth + b".", lambda: b"\x80\x02}" + b"}" * depth + b".",
        lambda: b"\x80\x05\x96" + struct.pack("<Q", far),
        lambda: b"\x80\x02]q\0h\0a.", lambda: b"\x80\x02cbuiltins\nbytearray\n(J" + struct.pack("<i",
        2**31 - 1) + b"tR.",
        lambda: b"\x80\x02\x82\x01.", lambda: b"\x80\x02" + random.choice(_GLOBALS) + b")R.", lambda: b"",
        lambda: b"\x80\x02}(X\x03\0\0\0net}X\x05\0\0\0epochK\x01u.",
        lambda: pickle.dumps({"net": {"a" * 100_000: [1] * 1000}}),
        lambda: pickle.dumps({"net": {number: number for number in range(100_000)}}),
    )  # fmt: skip
    return random.choice(makers)()


def _soup(random: Random) -> bytes:
    """Operations in any order, with arguments that half fit."""
    return (
        b"\x80" + bytes([random.randrange(6)]) + b"".join(_step(random) for _ in range(random.randrange(1, 60))) + b"."
    )


def _step(random: Random) -> bytes:
    if random.random() < 0.6:
        return random.choice((*_GLOBALS, b"K\x05", b"N", b"(", b"}", b"]", b"X\x01\0\0\0a", b")"))
    return random.choice(_CODES) + random.randbytes(random.choice((0, 1, 4)))


def _in_zip(random: Random, good: bytes, new: bytes) -> bytes:
    """The good checkpoint with another pickle, or other members."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                data = new if new else damage(random, data, head=len(data))
            elif random.random() < 0.02:
                continue
            target.writestr(name, data)
    return made.getvalue()


def checkpoints(random: Random, room: Room) -> Case:
    """A checkpoint for `convert`, or where a model is asked for."""
    forms = {
        name: (room.material / "checkpoint" / f"{name}.pth.tar").read_bytes() for name in ("zip", "legacy", "bare")
    }
    kind = random.choice(("damaged", "damaged", "rebuilt", "rebuilt", "bomb", "bomb", "soup"))
    form = random.choice(sorted(forms))
    if kind == "damaged":
        data = damage(random, forms[form], head=2000)
    elif kind == "rebuilt" and form == "zip":
        data = _in_zip(random, forms["zip"], b"")
    elif kind == "rebuilt":
        data = damage(random, forms[form], head=len(forms[form]))
    else:
        new = _bombs(random) if kind == "bomb" else _soup(random)
        magic = (
            pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
        )
        data = {"zip": lambda: _in_zip(random, forms["zip"], new), "legacy": lambda: magic + new, "bare": lambda: new}[
            form
        ]()
    file = room.given / random.choice(("a.pth.tar", "a.pth", "a.pt", "a.bin", "a.pkl"))
    file.write_bytes(data)
    return Case(f"{kind} {form} {data[:80]!r}", lambda: [command("convert", file, "--out", "made")].clear())


SURFACES = [Surface("checkpoints", checkpoints, ("clips", "model", "checkpoint"), 2400, 3, track_once)]
