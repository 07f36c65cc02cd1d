"""The tracker's side of TraX, version 4, the protocol between the VOT toolkits and a tracker in a separate process.

A message is a line `@@TRAX:NAME "ARGUMENT" ... "KEY=VALUE" ...`; other lines are the tracker's own output. The tracker
sends `hello`. The toolkit sends `initialize` once for every new target, or without a region to remove all targets. Then
it sends `frame` with the picture, and the tracker answers with one `state` for every target. Either side may send
`quit`.

Sources: the protocol's public description (docs/protocol.rst of votchallenge/trax) and, for version 4, the messages
that vot-trax 4.0.2 sends.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from mixformer.errors import DataError, MixFormerError
from mixformer.imaging.images import read_depth, read_image
from mixformer.masks.mask_files import decode_rle, encode_rle
from mixformer.types import Box
from mixformer.vot.regions import Polygon, Region
from mixformer.vot.session import Answer, Session

_PREFIX = "@@TRAX:"
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')
_KEY = re.compile(r"[\w.]{1,64}=")
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


@dataclass(frozen=True)
class Message:
    """One line of the protocol."""

    name: str  # kind of message, such as "frame"
    arguments: tuple[str, ...] = ()  # values without a name, in order
    properties: Mapping[str, str] | None = None  # values by name

    def encode(self) -> bytes:
        """Format the line. It begins with a newline, so that a message is never in the middle of other output."""
        values = [*self.arguments, *(f"{key}={value}" for key, value in (self.properties or {}).items())]
        quoted = "".join(f'"{_escaped(value)}" ' for value in values)
        return f"\n{_PREFIX}{self.name} {quoted}\n".encode()

    @classmethod
    def decode(cls, line: str) -> Message | None:
        """Parse a line; return None if it is not a message.

        Raises DataError if the line begins like a message but has another form.
        """
        if not line.startswith(_PREFIX):
            return None
        name, _, rest = line.removeprefix(_PREFIX).strip().partition(" ")
        if not name.isalpha() or _ARGUMENT.sub("", rest).strip():
            raise DataError(f"the toolkit sent a line that is no TraX message: {line[:80]!r}; check its version")
        # Named values come last. The first ones are never named, since a path may hold `=` too.
        found = [bare or _unescaped(quoted) for quoted, bare in _ARGUMENT.findall(rest)]
        count = min(len(found), _COUNTS.get(name, 0))
        properties = dict(value.partition("=")[::2] for value in found[count:] if _KEY.match(value))
        return cls(name, tuple(found[:count]), properties)


_COUNTS = {"initialize": 1, "frame": 1, "state": 1}  # number of values without a name


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPED.get(m[1], m[0]), text)


def parse_region(text: str, height: int, width: int) -> Region:
    """Parse a region: `x,y,w,h`, `x,y,x,y,x,y,...` or `mask:x,y,w,h,ZEROS,ONES,...` in a frame of this size in pixels.

    Raises DataError if the text has another form.
    """
    if text.startswith("mask:"):
        return decode_rle("m" + text.removeprefix("mask:"), height, width)
    try:
        values = np.array([float(v) for v in text.split(",")])
    except ValueError as error:
        raise DataError(f"a region must be numbers with commas between them, not {text[:60]!r}") from error
    if len(values) == 4:
        return Box(*values.tolist())
    if len(values) < 6 or len(values) % 2:
        raise DataError(f"a region must be a box, a mask or a polygon of 3 or more points, not {text[:60]!r}")
    return Polygon(values.reshape(-1, 2))


def format_region(region: Region) -> str:
    """Format a region as text; see `parse_region`."""
    if isinstance(region, Box):
        return ",".join(f"{v:.4f}" for v in region)
    if isinstance(region, Polygon):
        return ",".join(f"{v:.4f}" for v in region.points.ravel())
    return "mask:" + encode_rle(region).removeprefix("m")


def answer_toolkit(
    session: Session, incoming: BinaryIO, outgoing: BinaryIO, multiobject: bool = False, channel: str = "color"
) -> None:
    """Answer the toolkit's messages until it quits.

    `channel` is that of the sequences to ask for: "color", or "depth", whose maps `read_depth` reads. Raises
    MixFormerError if a message, a frame or a region cannot be used; the toolkit gets the reason.
    """
    _send(outgoing, _hello(multiobject, channel))
    waiting: list[str] = []
    try:
        for line in incoming:
            message = Message.decode(line.decode(errors="replace").rstrip("\r\n"))
            if message is None:
                continue
            if message.name == "quit":
                return
            if message.name == "initialize":
                if not (message.arguments and multiobject):
                    session.reset()
                    waiting.clear()
                waiting.extend(message.arguments)
                continue
            for answer in _process(session, message, waiting, channel):
                _send(outgoing, Message("state", (format_region(answer.region),), answer.properties))
            waiting.clear()
    except MixFormerError as error:
        _send(outgoing, Message("quit", (), {"trax.reason": str(error)}))
        raise


def _hello(multiobject: bool, channel: str) -> Message:
    offer = {
        "trax.version": "4",
        "trax.name": "mixformer",
        "trax.image": "path;",
        "trax.region": "rectangle;polygon;mask;",
        "trax.channels": f"{channel};",
    }
    return Message("hello", (), offer | ({"trax.multiobject": "1"} if multiobject else {}))


def _process(session: Session, message: Message, waiting: Sequence[str], channel: str = "color") -> list[Answer]:
    if message.name != "frame" or not message.arguments:
        raise DataError(f"the toolkit sent {message.name!r}, not initialize, frame with a picture, or quit")
    read = read_depth if channel == "depth" else read_image
    image = read(message.arguments[0].removeprefix("file://"))
    return session.process(image, [parse_region(text, *image.shape[:2]) for text in waiting])


def _send(outgoing: BinaryIO, message: Message) -> None:
    outgoing.write(message.encode())
    outgoing.flush()


@contextmanager
def toolkit_streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open the streams from and to the toolkit: the socket at port `TRAX_SOCKET` if that is set, else standard streams.

    With these, all other output goes to standard error, since it would spoil messages. Raises DataError if the socket
    cannot be opened.
    """
    port = os.environ.get("TRAX_SOCKET")
    if port:
        try:
            connection = socket.create_connection(("127.0.0.1", int(port)))
        except (OSError, ValueError) as error:
            raise DataError(
                f"TRAX_SOCKET is {port!r}, but no toolkit listens there: {error}; unset it, or start the toolkit"
            ) from error
        with connection, connection.makefile("rb") as incoming, connection.makefile("wb") as outgoing:
            yield incoming, outgoing
        return
    sys.stdout.flush()
    with open(os.dup(1), "wb") as outgoing:
        os.dup2(2, 1)
        try:
            yield sys.stdin.buffer, outgoing
        finally:
            sys.stdout.flush()
            os.dup2(outgoing.fileno(), 1)
