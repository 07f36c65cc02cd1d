"""Options for the settings of a tracker, the same in every verb that tracks."""

from __future__ import annotations

from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.configs.presets import DEFAULT_TRACKERS, PRESETS
from mixformer.configs.variants import DEFAULT_MODEL

_NAMES = (
    "search_factor",
    "update",
    "update_interval",
    "online_templates",
    "score_threshold",
    "rules",
    "redetect",
    "search_budget",
)


def add_settings(parser: ArgumentParser, *, preset: bool = True) -> None:
    """Add the options that `changed_settings` reads.

    Args:
        parser: gets the options.
        preset: adds --preset too.
    """
    group = parser.add_argument_group("tracker settings (the defaults come with the model)")
    default = DEFAULT_TRACKERS[DEFAULT_MODEL]

    def option(name: str, kind: Any, text: str) -> None:
        group.add_argument(name, type=kind | None, default=None, help=text)

    if preset:
        names = ", ".join(sorted({entry.benchmark for entry in PRESETS}))
        option("--preset", str, f"published settings for a benchmark: {names}")
    factor = "side of the search region in units of the target's size; a larger one follows faster motion"
    option("--search-factor", float, f"{factor} (default model: {default.search_factor})")
    option(
        "--update",
        Literal["score", "interval", "never"],
        "what becomes the new template after each interval. score: the frame with the best score; interval: the "
        "current frame; never: nothing, the first template stays",
    )
    every = "frames between template updates; 0 never updates"
    option("--update-interval", int, f"{every} (default model: {default.update_interval})")
    option("--online-templates", int, "number of templates kept beside the first one")
    option("--score-threshold", float, "minimum score (0..1) for a frame to become a template")
    option(
        "--rules",
        Literal["official", "careful"],
        "careful: if the target is lost, wait at its last position and search for it; official: as in the papers "
        f"(default model: {default.rules})",
    )
    option(
        "--redetect",
        Literal["off", "local", "frame"],
        "where to search for a lost target. off: only at its last position; local: around it, farther every frame; "
        f"frame: also in the whole frame after a cut (default model: {default.redetect})",
    )
    option(
        "--search-budget",
        int,
        f"maximum number of search crops per target and frame (default model: {default.search_budget})",
    )


def changed_settings(options: Namespace) -> dict[str, Any]:
    """Return the tracker settings that the options change."""
    return {name: options[name] for name in _NAMES if options[name] is not None}
