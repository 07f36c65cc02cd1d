"""Options for the settings of a tracker, the same in every verb that tracks."""

from __future__ import annotations

from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.parser import add_option
from mixformer.configs.presets import DEFAULT_TRACKERS, PRESETS
from mixformer.configs.variants import DEFAULT_MODEL

# Field of `TrackerConfig` -> kind of its values and help, with {} where the default of the default model is named.
_SETTINGS = {
    "search_factor": (
        float,
        "side of the search region in units of the target's size; a larger one follows faster motion ({})",
    ),
    "update": (
        Literal["score", "interval", "never"],
        "what becomes the new template after each interval. score: the frame with the best score; interval: the "
        "current frame; never: nothing, the first template stays",
    ),
    "update_interval": (int, "frames between template updates; 0 never updates ({})"),
    "online_templates": (int, "number of templates kept beside the first one"),
    "score_threshold": (float, "minimum score (0..1) for a frame to become a template"),
    "rules": (
        Literal["official", "careful"],
        "careful: if the target is lost, wait at its last position and search for it; official: as in the papers ({})",
    ),
    "redetect": (
        Literal["off", "local", "frame"],
        "where to search for a lost target. off: only at its last position; local: around it, farther every frame; "
        "frame: also in the whole frame, after a cut or ten frames ({})",
    ),
    "search_budget": (int, "maximum number of search crops per target and frame ({})"),
}


def add_settings(parser: ArgumentParser, *, preset: bool = True) -> None:
    """Add the options that `changed_settings` reads, and --preset if wanted."""
    group = parser.add_argument_group("tracker settings (the defaults come with the model)")
    if preset:
        names = ", ".join(sorted({entry.benchmark for entry in PRESETS}))
        add_option(group, "--preset", str, f"published settings for a benchmark: {names}")
    for name, (kind, text) in _SETTINGS.items():
        default = getattr(DEFAULT_TRACKERS[DEFAULT_MODEL], name)
        add_option(group, f"--{name.replace('_', '-')}", kind, text.format(f"default model: {default}"))


def changed_settings(options: Namespace) -> dict[str, Any]:
    """Return the tracker settings that the options change."""
    return {name: options[name] for name in _SETTINGS if options[name] is not None}
