"""Arguments of constructors, and rules as values."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.torture.chance import VALUES
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import Surface, track_once

_WORDS: dict[str, tuple[Any, ...]] = {
    "device": ("cpu", "cuda", "cuda:99", "mps", "tpu", "CPU", "cpu:0"),
    "engine": ("torch", "openvino", "onnx", "compile", "graph", "auto"),
    "precision": ("float32", "bfloat16", "float64", "auto", "int8"),
    "threads": (1, 0, -1, 2, "2", 1.5, 10**6, True),
    "preset": ("lasot", "got10k", "nothing", "paper", "none"),
    "color": ("rgb", "bgr", "RGB", "gray"),
    "on_resize": ("rescale", "error", "raise", "x"),
}
_RULES = ("search_factor", "template_factor", "update_interval", "online_templates", "score_threshold", "update",
          "max_score_decay", "unknown", "hann", "window")  # fmt: skip


def constructors(random: Random, room: Room) -> Case:
    """Odd arguments for `Tracker` and `MultiTracker`."""
    names = random.sample(sorted(_WORDS), random.choice((1, 1, 2, 3)))
    options = {name: random.choice((*_WORDS[name], *_WORDS[name], *VALUES)) for name in names}
    options.setdefault("engine", "torch")
    options = {key: "torch" if value in ("compile", "auto") else value for key, value in options.items()}
    config: Any = random.choice((None, None, None, None, {}, "x", 1))
    model: Any = random.choice((room.material / "model", room.material / "model", *VALUES, room.material, room.secret))

    def run() -> None:
        from mixformer import MultiTracker, Tracker

        kind = random.choice((Tracker, MultiTracker))
        given = {name: value for name, value in options.items() if kind is Tracker or name != "color"}
        kind(model, config, **given)

    return Case(f"{model!r:.60} {config!r} {options!r:.200}", run)


def rules(random: Random, room: Room) -> Case:
    """Odd values of `TrackerConfig` and `ModelConfig`, and what a tracker makes of those that pass."""
    names = random.sample(_RULES, random.choice((1, 1, 2)))
    values = (*VALUES, 4.0, 4.5, 2, 25, 0, 1, 0.5, 1e4, 1e5, 1e-3, 100.0, 2**31)
    options = {name: random.choice(values) for name in names}
    network = {random.choice(("dim", "depth", "heads", "bins", "name", "mean", "search_size")): random.choice(values)}
    which = random.random()

    def run() -> None:
        from mixformer import ModelConfig, Tracker, TrackerConfig
        from tests.torture.surfaces.arrays import _FRAME, _GOOD

        if which < 0.25:
            ModelConfig(**{"name": "x", "depth": 1, "dim": 32, "heads": 1, **network})  # type: ignore[arg-type]
            return
        known = {name: value for name, value in options.items() if name in TrackerConfig.__dataclass_fields__}
        config = TrackerConfig().replace(**options) if which < 0.4 else TrackerConfig(**known)  # type: ignore[arg-type]
        one = Tracker(room.material / "model", config, engine="torch", device="cpu", threads=1)
        one.init(_FRAME, _GOOD)
        one.update(_FRAME)

    return Case(f"{network if which < 0.25 else options!r:.200}", run)


SURFACES = [
    Surface("constructors", constructors, ("clips", "model"), 900, 1, track_once),
    Surface("rules", rules, ("clips", "model"), 900, 1, track_once),
]
