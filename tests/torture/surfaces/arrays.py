"""Frames and boxes given to trackers in Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.torture.chance import NUMBERS, VALUES
from tests.torture.material import BOX
from tests.torture.room import Case, Room, WrongError
from tests.torture.surfaces.base import Surface, track_once

_FRAME = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
_GOOD = tuple(float(value) for value in BOX)
_DTYPES = ("uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "bool", "complex64", "S3",
           "U2",
           "datetime64[s]", "object", "V4", ">u2", "timedelta64[s]")  # fmt: skip


@cache
def _network(model: Path) -> Any:
    from mixformer import create_engine

    return create_engine(model, device="cpu", engine="torch", threads=1)


def _shape(random: Random) -> tuple[int, ...]:
    sides = [random.choice((0, 1, 2, 3, 4, 5, 17, 64, 200)) for _ in range(random.choice((0, 1, 2, 2, 3, 4)))]
    if random.random() < 0.6:
        sides = [
            random.choice((0, 1, 2, 3, 64, 3000)),
            random.choice((1, 2, 3, 96, 3000)),
            random.choice((1, 2, 3, 3, 4, 5)),
        ]
    return tuple(sides)


def _array(random: Random) -> Any:
    shape, kind = _shape(random), random.choice(_DTYPES)
    if int(np.prod(shape)) > (10_000 if kind[0] in "SUVdto" else 30_000_000):
        shape = (64, 96, 3)
    value, plain = random.choice((0, 1, 200)), "float64" if kind[0] in "SUVdto" else kind
    made = np.full(shape, value).astype(plain)  # 200 is -56 as int8
    return (
        made
        if kind[0] not in "SUVdto"
        else made.astype("int64").astype(kind)
        if kind != "V4"
        else np.zeros(shape, kind)
    )


def _view(random: Random) -> Any:
    base = _FRAME
    steps: tuple[Callable[[], Any], ...] = (
        lambda: base[::-1], lambda: base[:, ::-1], lambda: base[..., ::-1], lambda: base.transpose(1, 0, 2),
        lambda: np.asfortranarray(base), lambda: np.broadcast_to(base[:1], base.shape), lambda: base[::2, ::3],
        lambda: np.ma.masked_array(base, base > 9), lambda: np.matrix(base[..., 0]), lambda: base.astype(object),
        lambda: base.view(np.recarray), lambda: memoryview(base.copy()), lambda: base.tolist(), lambda: base.tobytes(),
        lambda: np.lib.stride_tricks.as_strided(base, (64, 96, 3), (0, 0, 0)), lambda: base.astype(">u2"),
        lambda: np.array([[1, 2], [3]], dtype=object), lambda: base.astype(np.float32) * np.nan,
        lambda: np.full((64, 96, 3), np.inf), lambda: base / 255, lambda: base.astype(np.int64) - 300,
    )  # fmt: skip
    return random.choice(steps)()


def _other(random: Random) -> Any:
    from PIL import Image

    class Odd:
        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return random.choice((_FRAME, None, np.zeros(3)))

    class Sized:
        shape, dtype, ndim = (64, 96, 3), np.dtype("uint8"), 3

    picture = Image.fromarray(_FRAME)
    things = (picture, picture.convert("P"), picture.convert("RGBA"), Image.new("1", (0, 0)), Odd(), Sized(), Odd,
              object(),
              "clip.mp4", b"x", {"a": 1}, iter(()), lambda: None, *VALUES)  # fmt: skip
    return random.choice(things)


def _frame(random: Random) -> Any:
    return random.choice((_array, _array, _view, _view, _other))(random)


def _tell(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__} {value.dtype} {value.shape}"
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return f"list of {', '.join(_tell(each) for each in value)}"
    return f"{type(value).__name__} {value!r:.80}"


def frames(random: Random, room: Room) -> Case:
    """An odd frame for `init` or `update` of one or several targets."""
    frame, several, first = _frame(random), random.random() < 0.3, random.random() < 0.4
    color, resize = random.choice(("rgb", "bgr")), random.choice(("rescale", "error", "rescale"))

    def run() -> None:
        from mixformer import MultiTracker, Tracker

        if several:
            many = MultiTracker(_network(room.material / "model"), color=color)
            many.add(1, frame if first else _FRAME, _GOOD)
            many.update(frame)
            return
        one = Tracker(_network(room.material / "model"), color=color, on_resize=resize)  # type: ignore[arg-type]
        one.init(frame if first else _FRAME, _GOOD)
        _check(one.update(frame).box)

    return Case(f"{'init' if first else 'update'} {_tell(frame)}", run)


def _check(box: Any) -> None:
    if not np.isfinite(np.asarray(list(box), float)).all():
        raise WrongError(f"the box is {box}")


def _odd_box(random: Random) -> Any:
    numbers: tuple[Any, ...] = (0, 1, 5, 20, 30, 95, 96, -5, 0.5, 1e-320, 1e-9, 1e4, 4e4, 1e9, 1e308, -1e308,
                                float("nan"),
                                float("inf"), -float("inf"), 10**400, True, None, "5", "x", np.float32(7), np.int64(3),
                                np.uint8(9), 1j, [1], np.array([1.0]), np.nan, 2**63)  # fmt: skip
    values = [random.choice(numbers) if random.random() < 0.5 else _GOOD[place] for place in range(4)]
    values = values[: random.choice((0, 1, 3, 4))] if random.random() < 0.1 else values
    values = [*values, 1] if random.random() < 0.05 else values
    forms: tuple[Callable[[], Any], ...] = (
        lambda: values, lambda: tuple(values), lambda: iter(values), lambda: {"x": 1}, lambda: np.array(values,
        dtype=object),
        lambda: ",".join(map(str, values)), lambda: " ".join(map(str, values)), lambda: [values], lambda: None,
        lambda: (value for value in values), lambda: random.choice(VALUES), lambda: random.choice(NUMBERS),
        lambda: np.ma.masked_all(4), lambda: np.zeros((2, 2)), lambda: np.matrix([1, 2, 3, 4]),
    )  # fmt: skip
    return random.choice(forms)() if random.random() < 0.4 else values


def boxes(random: Random, room: Room) -> Case:
    """An odd box, or an odd number of a target."""
    box, several = _odd_box(random), random.random() < 0.3
    number: Any = random.choice((1, 0, -1, 1.5, "1", None, 2**70, True, float("nan"), [1]))
    told = f"{'add' if several else 'init'} {box!r:.120}"

    def run() -> None:
        from mixformer import MultiTracker, Tracker

        if several:
            many = MultiTracker(_network(room.material / "model"))
            many.add(number, _FRAME, box)
            many.update(_FRAME)
            many.remove(number)
            return
        one = Tracker(_network(room.material / "model"))
        one.init(_FRAME, box)
        for _ in range(2):
            _check(one.update(_FRAME).box)

    return Case(told, run)


def sources(random: Random, room: Room) -> Case:
    """An odd source for `mixformer.track`, among others iterables of odd frames."""
    values = [_FRAME, _frame(random), _FRAME]
    source: Any = random.choice((values, iter(values), _frame(random), random.choice(VALUES), Path("nothing"), [], ()))
    options: dict[str, Any] = {"start": random.choice(VALUES)} if random.random() < 0.3 else {}
    options |= {"stop": random.choice(VALUES)} if random.random() < 0.3 else {}
    source = "nothing" if isinstance(source, int) and source in (0, 1) else source  # no webcam of this machine

    def run() -> None:
        from mixformer import track

        for number, result in enumerate(track(source, _GOOD, model=_network(room.material / "model"), **options)):
            _check(result.box)
            if number > 20:
                break

    return Case(f"track {_tell(source)} {options!r:.80}", run)


def _begin(room: Room) -> None:
    track_once(room)
    _network(room.material / "model")


SURFACES = [
    Surface("frames", frames, ("clips", "model"), 2600, 3, _begin),
    Surface("boxes", boxes, ("clips", "model"), 1600, 2, _begin),
    Surface("sources", sources, ("clips", "model"), 700, 1, _begin),
]
