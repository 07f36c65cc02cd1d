"""The table of variants and published tracker settings: data with its source, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from mixformer.config import ModelConfig, TrackerConfig
from mixformer.errors import ConfigError

_V2 = "MixFormerV2 (NeurIPS 2023)"
_OURS = "this project"

MODELS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        # MixFormerV2 paper, table 1 and official score configurations: 96 bins, not the 72 of the stage configurations.
        ModelConfig("mixformerv2_b", depth=8),
        ModelConfig("mixformerv2_s", depth=4, mlp_ratio=1.0, search_size=224, template_size=112),
        # The 12-layer form of stage 1, which is also the teacher of stage 2: 72 bins, no score.
        ModelConfig("mixformerv2_d12", depth=12, bins=72, score="none"),
        # Ours: first 8 blocks of DINOv2 ViT-S/14 with prediction tokens; trained here, see its model card.
        ModelConfig(
            "mixformerv2_dino_s8",
            depth=8,
            dim=384,
            heads=6,
            patch_size=14,
            search_size=196,
            template_size=98,
            position="frozen",
            layer_scale=True,
            bins=98,
        ),
    )
}

DEFAULT_MODEL = "mixformerv2_dino_s8"

SOURCES: dict[str, str] = {
    "mixformerv2_b": _V2,
    "mixformerv2_s": _V2,
    "mixformerv2_d12": _V2,
    "mixformerv2_dino_s8": _OURS,
}


@dataclass(frozen=True)
class Preset:
    """Tracker settings published for one model on one benchmark.

    Attributes:
        model: variant name.
        benchmark: lower-case benchmark name.
        tracker: the settings.
        source: where they come from.
    """

    model: str
    benchmark: str
    tracker: TrackerConfig
    source: str


def _v2(model: str, benchmark: str, factor: float, interval: int, templates: int = 1) -> Preset:
    settings = TrackerConfig(search_factor=factor, update_interval=interval, online_templates=templates)
    return Preset(model, benchmark, settings, "official configuration and evaluation commands (spec 1.2, 1.3)")


# Search factors come from the evaluation commands; where a benchmark has none, from the configuration (4.5).
# Three online templates are what the configuration asks for; the official code crashes there, ours does not.
PRESETS: tuple[Preset, ...] = (
    _v2("mixformerv2_b", "lasot", 5.0, 200),
    _v2("mixformerv2_b", "trackingnet", 5.0, 25),
    _v2("mixformerv2_b", "got10k", 5.0, 10),
    _v2("mixformerv2_b", "vot2020", 4.5, 10),
    _v2("mixformerv2_b", "vot2020lt", 4.5, 200),
    _v2("mixformerv2_b", "vot2022stb", 4.5, 10, 3),
    _v2("mixformerv2_b", "tnl2k", 4.5, 200, 3),
    _v2("mixformerv2_b", "otb100", 4.5, 200, 3),
    _v2("mixformerv2_b", "uav123", 4.5, 200, 3),
    _v2("mixformerv2_s", "lasot", 4.4, 200),
    _v2("mixformerv2_s", "trackingnet", 4.55, 25),
    _v2("mixformerv2_s", "got10k", 4.55, 15),
    _v2("mixformerv2_s", "vot2020", 4.5, 10),
    _v2("mixformerv2_s", "vot2020lt", 4.5, 200),
    _v2("mixformerv2_s", "vot2022stb", 4.5, 10, 3),
    _v2("mixformerv2_s", "tnl2k", 4.5, 200, 3),
    _v2("mixformerv2_s", "otb100", 4.5, 200, 3),
    _v2("mixformerv2_s", "uav123", 4.5, 200, 3),
)

DEFAULT_TRACKERS: dict[str, TrackerConfig] = {
    # The crop was trained at this factor: search and template then show the target at the same scale.
    "mixformerv2_dino_s8": TrackerConfig(search_factor=4.0, update_interval=25),
}


def model_config(name: str) -> ModelConfig:
    """The configuration of a named variant.

    Raises:
        ConfigError: if there is no such variant; the message lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError(f"no model named {name!r}; there are: {', '.join(sorted(MODELS))}") from None


def tracker_config(model: str, preset: str | None = None) -> TrackerConfig:
    """Tracker settings for a model: its default, or the published ones for a benchmark.

    Raises:
        ConfigError: if nothing is published for this model on that benchmark.
    """
    if preset is None:
        return DEFAULT_TRACKERS.get(model, TrackerConfig())
    known = {entry.benchmark: entry.tracker for entry in PRESETS if entry.model == model}
    try:
        return known[preset.lower()]
    except KeyError:
        there = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"no preset {preset!r} for {model}; there are: {there}") from None
