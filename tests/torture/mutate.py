"""Damage to bytes, text, JSON and XML that mostly leaves the rest as it was."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.torture.chance import NUMBERS, TEXTS, VALUES, some

_WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 60000, 1 << 20)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def damage(random: Random, data: bytes, head: int = 256) -> bytes:
    """A few changes of bytes, half of them within the first `head`."""
    changed = bytearray(data)
    for _ in range(some(random)):
        changed = _step(random, changed, head)
    return bytes(changed)


def _step(random: Random, data: bytearray, head: int) -> bytearray:
    if not data:
        return bytearray(random.randbytes(random.randrange(1, 64)))
    reach = min(head, len(data)) if random.random() < 0.5 else len(data)
    at, kind = random.randrange(reach), random.randrange(9)
    length = min(len(data) - at, random.choice((1, 2, 4, 8, 16, 200, 4096)))
    if kind <= 1:
        data[at] ^= 1 << random.randrange(8)
    elif kind == 2:
        data[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    elif kind in (3, 4):
        size = random.choice((2, 4, 4, 8))
        word = (random.choice(_WORDS) & ((1 << 8 * size) - 1)).to_bytes(size, random.choice(("big", "little")))
        data[at : at + size] = word
    elif kind == 5:
        del data[at : at + length]
    elif kind == 6:
        data[at:at] = random.choice((data[at : at + length], random.randbytes(length), bytes(length)))
    elif kind == 7:
        del data[random.randrange(len(data)) :]
    else:
        other = random.randrange(len(data))
        data[at : at + length] = data[other : other + length]
    return data


def damage_text(random: Random, text: str) -> bytes:
    """Odd numbers, odd words, lost and doubled lines, other encodings; at times plain damage to bytes."""
    for _ in range(some(random)):
        text = random.choice(_TEXT_STEPS)(random, text)
    encoded = text.encode("utf-8", "surrogateescape" if random.random() < 0.5 else "replace")
    kind = random.randrange(24)
    if kind == 0:
        return damage(random, encoded)
    if kind == 1:
        return b"\xef\xbb\xbf" + encoded
    if kind == 2:
        return text.encode("utf-16", "replace")
    if kind == 3:
        return text.encode("latin-1", "replace") + b"\xe9"
    if kind == 4:
        return encoded.replace(b"\n", random.choice((b"\r\n", b"\r", b"\0", b"\x0b")))
    return encoded


def _odd_number(random: Random, text: str) -> str:
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    hit = random.choice(found)
    return text[: hit.start()] + random.choice(NUMBERS) + text[hit.end() :]


def _odd_word(random: Random, text: str) -> str:
    found = list(re.finditer(r"[\w./-]+", text))
    if not found:
        return random.choice(TEXTS)
    hit = random.choice(found)
    return text[: hit.start()] + random.choice(TEXTS) + text[hit.end() :]


def _lines(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, kind = random.randrange(len(lines)), random.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(random.randrange(len(lines)), lines[at])
    elif kind == 2:
        lines[at] = lines[at][: random.randrange(len(lines[at]) + 1)]
    else:
        random.shuffle(lines)
    return "".join(lines)


def _punctuation(random: Random, text: str) -> str:
    found = list(re.finditer(r"[,;:=\[\]{}()<>\"'&\t ]", text))
    if not found:
        return text + random.choice("[]{}<>,;\"'")
    hit = random.choice(found)
    return text[: hit.start()] + random.choice(("", ",", ";", "[", "}", '"', "  ", "\t", "<", "&")) + text[hit.end() :]


def _deep(random: Random, text: str) -> str:
    depth = random.choice((60, 2_000, 100_000))
    begin, end = random.choice((("[", "]"), ('{"a":', "}"), ("(", ")"), ("<a>", "</a>")))
    return text + begin * depth + (end * depth if random.random() < 0.5 else "")


_TEXT_STEPS: tuple[Callable[[Random, str], str], ...] = (
    _odd_number, _odd_number, _odd_number, _odd_word, _odd_word, _lines, _lines, _punctuation, _punctuation, _deep,
)  # fmt: skip


def damage_json(random: Random, value: Any, odd: tuple[object, ...] = ()) -> bytes:
    """A JSON document with a few nodes replaced, lost, renamed or nested; at times with damage to its text.

    `odd` adds values for the document at hand, such as names of files that are none of its business.
    """
    value = copy.deepcopy(value)
    for _ in range(some(random)):
        value = _json_step(random, value, (*VALUES, *odd, *odd))
    text = json.dumps(value, indent=random.choice((None, 2))).replace('"@DEEP@"', "[" * 50_000 + "]" * 50_000)
    text = text.replace('"@DIGITS@"', "9" * 5000)
    return damage_text(random, text) if random.random() < 0.15 else text.encode()


def _json_step(random: Random, value: Any, odd: tuple[object, ...]) -> Any:
    places = list(_places(value))
    if not places:
        return copy.deepcopy(random.choice(odd))
    parent, key = random.choice(places)
    kind = random.randrange(8)
    if kind <= 3:
        parent[key] = copy.deepcopy(
            random.choice((*odd, "@DEEP@", "@DIGITS@"))
        )  # a list would hold itself when drawn again
    elif kind == 4:
        del parent[key]
    elif kind == 5:
        parent[key] = random.choice(([parent[key]], {"x": parent[key]}, str(parent[key])[:100], [parent[key]] * 3))
    elif kind == 6 and isinstance(parent, dict):
        parent[random.choice(TEXTS)] = parent.pop(key)
    else:
        other, place = random.choice(places)
        if place in other if isinstance(other, dict) else place < len(other):
            parent[key] = copy.deepcopy(other[place])
    return value


def _places(value: Any) -> Any:
    """Every node below the root, as container and key."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def damage_xml(random: Random, text: str, odd: tuple[str, ...] = ()) -> bytes:
    """An XML document with odd attributes, lost and doubled elements, entities; at times with damage to its text."""
    for _ in range(some(random)):
        text = _xml_step(random, text, odd)
    if random.random() < 0.08:
        text = _entities(random, odd) + text
    return damage_text(random, text) if random.random() < 0.15 else text.encode("utf-8", "replace")


def _xml_step(random: Random, text: str, odd: tuple[str, ...]) -> str:
    attributes = list(re.finditer(r'"([^"]*)"', text))
    elements = list(re.finditer(r"<[^>]*>", text))
    kind = random.randrange(6)
    if kind <= 3 and attributes:
        hit = random.choice(attributes)
        new = random.choice((*NUMBERS, *TEXTS, *odd, *odd, *odd))
        return (
            text[: hit.start(1)]
            + new.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
            + text[hit.end(1) :]
        )
    if not elements:
        return text + "<a>"
    hit = random.choice(elements)
    if kind == 4:
        return text[: hit.start()] + text[hit.end() :]
    return text[: hit.end()] + hit.group() + text[hit.end() :]


def _entities(random: Random, odd: tuple[str, ...]) -> str:
    if odd and random.random() < 0.5:
        return f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{random.choice(odd)}">]>'
    bomb = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    return f'<!DOCTYPE a [<!ENTITY e0 "ha">{bomb}]>'
