"""Published tracker settings for each model and benchmark: two tables with their sources, and a lookup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import ConfigError, did_you_mean

# Sources: interval and number of templates come from the official test configurations (experiments/MODEL/*.yaml); so
# does the column "factor", which a cell without a factor uses. A factor or decay in a cell comes from the official
# evaluation commands (tracking/test_mixformer*.sh).
#
# A cell is INTERVAL/TEMPLATES[@SEARCH_FACTOR[*SCORE_DECAY]]; "-" = nothing published. After a model's name come the
# weights that the settings belong to: none = the main ones (for MixCvT those pre-trained on ImageNet-22k), "1k" =
# pre-trained on ImageNet-1k, "got" = trained on GOT-10k alone, "mmtracking" = the settings of that port of MixCvT.
#
# Where upstream disagrees with itself:
# - the GOT-10k command of mixcvt gives the weights "got" to the main configuration: both rows have its factor and
#   decay, each with the schedule of its own configuration;
# - the TrackingNet command of mixcvt@1k and the OTB commands of MixViT and MixViT(ConvMAE) name another model's tracker
#   and cannot run; their factors are used all the same;
# - benchmarks without an entry (OTB and UAV of the stage-1 forms and of V2) use the official fallback: an interval of
#   200, for V2 with 3 templates. The official stage-1 trackers and V2 with 3 templates crash there; this code does not;
# - no command exists for the stage-1 forms and for VOT: the factors are those of the configurations;
# - for VOT2022 only V2 has settings, although MixFormer took part; the first models get those of VOT2020 here.
_V1 = """
model                     rule     factor lasot      got10k         trackingnet   vot2020 vot2020lt otb100    uav123
mixcvt                    score    5.0    200/2@4.55 10/2@4.55*0.98 25/1@4.5      10/5    200/3     6/3@4.5   200/1@4.5
mixcvt@1k                 score    5.0    200/3@4.5  10/3@4.55      25/3@4.5      7/5     200/3     6/2@4.5   200/3@4.55
mixcvt@got                score    5.0    200/3      25/3@4.55*0.98 25/3          10/3    200/3     200/3     200/3
mixcvt@mmtracking         score    -      200/2@4.55 25/2@4.55*0.98 25/1@4.5      -       -         -         -
mixcvt_l                  score    5.0    200/2@4.55 200/2          25/3@4.5*0.98 10/5    200/3     6/2@4.55  25/3@4.5
mixvit                    score    4.5    200/2@5.05 200/2          25/3          6/5     200/3     6/2@4.45  20/3@4.7
mixvit@got                score    4.5    200/2      200/2          25/3          6/5     200/3     6/2       200/3
mixvit_l                  score    4.5    200/2@4.55 200/2          25/2@4.6      10/5    200/3     12/5@4.6  25/2@4.7
mixvit_convmae            score    4.5    200/2@4.8  200/2          25/3          6/5     200/3     6/2       18/2@4.5
mixvit_convmae@got        score    4.5    200/2      200/2          25/3          6/5     200/3     6/2       200/3
mixvit_l_convmae          score    4.5    200/2@4.5  200/2          20/1@4.6      10/5    200/3     10/2@4.45 20/2@4.55
mixcvt_stage1             interval 5.0    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixcvt_stage1@1k          interval 5.0    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixcvt_stage1@got         interval 5.0    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixcvt_l_stage1           interval 5.0    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixvit_stage1             interval 4.5    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixvit_stage1@got         interval 4.5    200/1      200/1          200/1         200/1   200/1     200/1     200/1
mixvit_l_stage1           interval 5.0    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixvit_convmae_stage1     interval 4.5    200/1      200/1          25/1          10/1    200/1     200/1     200/1
mixvit_convmae_stage1@got interval 4.5    200/1      200/1          200/1         200/1   200/1     200/1     200/1
mixvit_l_convmae_stage1   interval 5.0    200/1      200/1          25/1          10/1    200/1     200/1     200/1
"""
_V2 = """
model           rule  factor lasot     got10k    trackingnet vot2020 vot2020lt otb100 uav123 vot2022stb tnl2k
mixformerv2_b   score 4.5    200/1@5.0 10/1@5.0  25/1@5.0    10/1    200/1     200/3  200/3  10/3       200/3
mixformerv2_s   score 4.5    200/1@4.4 15/1@4.55 25/1@4.55   10/1    200/1     200/3  200/3  10/3       200/3
mixformerv2_d12 never 4.5    0/1       0/1       0/1         0/1     0/1       0/1    0/1    0/1        0/1
"""

_CELL = re.compile(r"(?P<interval>\d+)/(?P<templates>\d)(?:@(?P<factor>[\d.]+))?(?:\*(?P<decay>[\d.]+))?")


@dataclass(frozen=True)
class Preset:
    """Tracker settings published for one model on one benchmark."""

    model: str  # variant name
    benchmark: str  # lower-case benchmark name
    tracker: TrackerConfig  # the settings
    source: str  # where they come from
    weights: str = ""  # training of the weights they belong to: "" for the main ones, "1k", "got" or "mmtracking"

    @property
    def name(self) -> str:
        """Name for users: "lasot", or "lasot@1k" for other weights."""
        return f"{self.benchmark}@{self.weights}" if self.weights else self.benchmark


def _read(table: str) -> Iterator[Preset]:
    header, *rows = (line.split() for line in table.strip().splitlines())
    for name, rule, factor, *cells in rows:
        model, _, weights = name.partition("@")
        for benchmark, cell in zip(header[3:], cells, strict=True):
            if found := _CELL.fullmatch(cell):
                settings = {
                    "search_factor": float(found["factor"] or factor),
                    "update_interval": int(found["interval"]),
                    "online_templates": int(found["templates"]),
                    "score_decay": float(found["decay"] or 1),
                    "update": rule,
                }
                source = "mmtracking" if weights == "mmtracking" else "official"
                source += " command and configuration" if found["factor"] and source == "official" else " configuration"
                yield Preset(model, benchmark, TrackerConfig.from_dict(settings), source, weights)


def _with_vot2022(presets: Iterator[Preset]) -> Iterator[Preset]:
    for preset in presets:
        yield preset
        if preset.benchmark == "vot2020":
            yield replace(preset, benchmark="vot2022stb", source="that of vot2020: none is published")


PRESETS: tuple[Preset, ...] = (*_with_vot2022(_read(_V1)), *_read(_V2))

# Settings of a model for videos outside the benchmarks.
DEFAULT_TRACKERS: dict[str, TrackerConfig] = {
    # None are published for the MixFormer models. Their LaSOT settings are made for long videos of all kinds.
    **{p.model: p.tracker for p in _read(_V1) if p.name == "lasot"},
    # The crop was trained at this factor: search and template then show the target at the same scale.
    # The margin was chosen on the training sequences: many targets there are smaller than the official 10 pixels.
    # Rules and thresholds for lost targets were chosen on clips made from these sequences (docs/lost.md).
    "mixformerv2_dino_s8": TrackerConfig(
        search_factor=4.0,
        update_interval=25,
        margin=2.0,
        rules="careful",
        lost_below=0.5,
        sure_above=0.65,
        lost_after=2,
        found_above=0.6,
        likeness_weight=10.0,
        likeness_interval=32,
    ),
}


def tracker_config(model: str, preset: str | None = None) -> TrackerConfig:
    """Return the tracker settings of a model: its default, or the published ones for a benchmark.

    Args:
        model: variant name; an unknown one has the official V2 defaults and no presets.
        preset: benchmark such as "lasot" or, for weights other than the main ones, "lasot@1k", "got10k@got" or
            "lasot@mmtracking", in upper or lower case.

    Raises ConfigError, with the presets, if nothing is published for this model on that benchmark.

    Example:
        >>> from mixformer.configs import tracker_config
        >>> tracker_config("mixcvt", "lasot").search_factor
        4.55
    """
    if preset is None:
        return DEFAULT_TRACKERS.get(model, TrackerConfig())
    known = {entry.name: entry.tracker for entry in PRESETS if entry.model == model}
    try:
        return known[preset.lower()]
    except KeyError:
        near = did_you_mean(preset.lower(), known) or ";"
        there = f"{near} there are: {', '.join(sorted(known))}" if known else "; it has none, so leave the preset out"
        raise ConfigError(f"no preset {preset!r} for {model}{there}") from None
