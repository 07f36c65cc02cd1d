"""The papers' tables of ablations as runs: which steps train a row, and what is measured.

The published numbers are those of `mixformer.evaluation.paper_ablations`, by table and row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

from mixformer.configs.ablations import DESIGNS, DesignRow, DesignTable
from mixformer.errors import ConfigError, did_you_mean
from mixformer.training.routes import ROUTES, RouteStep


@dataclass(frozen=True)
class AblationRow:
    """One row of a table.

    Attributes:
        label: what the table calls it.
        step: step that trains its network; None if only the speed of `network` is measured.
        settings: fields of `TrackerConfig` to track with. A row with settings is measured by tracking at every scale.
        network: (variant, fields to change) of a network whose speed is measured.
        number: row of the published table, from 1; 0 if the paper gives no number for it.
        point: (curve, blocks) of the row in a figure; ("", 0) if the table is none.
        own: whether it is no row of the paper.

    Example:
        >>> from mixformer.training import ABLATIONS
        >>> [row.label for row in ABLATIONS["v2-3d"].rows]
        ['no distillation', 'logits', 'logits and features']
    """

    label: str
    step: RouteStep | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: tuple[str, Mapping[str, Any]] = ("", {})
    number: int = 0
    point: tuple[str, int] = ("", 0)
    own: bool = False


@dataclass(frozen=True)
class AblationTable:
    """One published table: its title, its name in `paper_ablations`, what it measures, and its rows.

    Example:
        >>> from mixformer.training import ABLATIONS
        >>> ABLATIONS["v1-8"].source
        'MixFormer journal table 8'
    """

    title: str
    source: str
    rows: tuple[AblationRow, ...]
    measures: Literal["accuracy", "speed"] = "accuracy"


_MAE = "pretrained/mae_pretrain_vit_base.pth"
_TEACHER = "mixvit_corner"  # 12 blocks with a plain corner head, as in the paper's tables 3d to 3f
_EVERY_THIRD = [2, 5, 8, 11]


def _changes(**values: Any) -> tuple[str, ...]:
    """Changes of a recipe: `a__b=1` for the key a.b."""
    return tuple(
        f"{key.replace('__', '.')}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )


def _student(name: str, depth: int, start: str, pairs: tuple[list[int], list[int]], **values: Any) -> RouteStep:
    """MixViT with a corner head and `depth` blocks that learns from the one with 12 blocks."""
    fields: dict[str, Any] = {
        "model": "mixvit_stage1",
        "model_overrides": {"head": "corner", "depth": depth},
        "init_from": start,
        "teacher__model": f"runs/{_TEACHER}/model",
        "teacher__student_blocks": pairs[0],
        "teacher__teacher_blocks": pairs[1],
        "pruning__blocks": [],
    }
    return RouteStep(name, "v2_s_4", _changes(**(fields | values)))


_FULL = f"runs/{_TEACHER}/model"
_FOUR = ([0, 1, 2, 3], _EVERY_THIRD)
_THIRDS = (_EVERY_THIRD, _EVERY_THIRD)
_PLAIN = RouteStep("four_plain", "mixvit_corner", _changes(model_overrides__depth=4))
_LOGITS = _student("four_logits", 4, _MAE, _FOUR, teacher__feature_weight=0)
_FROM_MAE = _student("four_mae", 4, _MAE, _FOUR)
_FIRST = _student("four_first", 4, "runs/teacher_first", _FOUR)
_SKIP = _student("four_skip", 4, "runs/teacher_skip", _FOUR)
_FADE = _student("four_fade", 12, _FULL, _THIRDS, pruning__blocks=[0, 1, 3, 4, 6, 7, 9, 10])
_EIGHT = _student("eight_fade", 12, _FULL, _THIRDS, pruning__blocks=[0, 3, 6, 9])
_HALF = "runs/eight_fade/model"
_BY_EIGHT = _student(
    "four_by_eight", 8, _HALF, ([1, 3, 5, 7], [1, 3, 5, 7]), teacher__model=_HALF, pruning__blocks=[0, 2, 4, 6]
)
_T4 = RouteStep("v2_t4", "mixvit_stage1", _changes(model="mixformerv2_d12"))
_ONE_TOKEN = {"head": "query", "prediction_tokens": 1}
_T1 = RouteStep("v2_t1", "mixvit_stage1", _changes(model="mixformerv2_d12", model_overrides=_ONE_TOKEN))


def _eliminated(epochs: int) -> tuple[RouteStep, RouteStep]:
    """MixFormerV2-B* with another number of epochs in which blocks fade out: fading, and the training after it."""
    fading, after = ROUTES["v2-b-star"][2:4]
    name = f"star_fade_{epochs}"
    faded = (*fading.changes, *_changes(pruning__epochs=epochs, epochs=epochs + 5))
    return (
        RouteStep(name, fading.recipe, faded),
        RouteStep(f"{name}_8", after.recipe, (*after.changes, f"init_from=runs/{name}/model")),
    )


_ELIMINATED = {epochs: _eliminated(epochs) for epochs in (30, 50)}

# Steps that other steps start from or learn from, beside those of the routes.
_HELPERS = (
    RouteStep("teacher_first", source=_TEACHER, cut="keep_first", amount=4),
    RouteStep("teacher_skip", source=_TEACHER, cut="skip", amount=4),
    _EIGHT,
    *(step for steps in _ELIMINATED.values() for step in steps),
)
_ROUTED = {step.name: step for steps in ROUTES.values() for step in steps}


def _table(
    title: str,
    source: str,
    *rows: AblationRow | tuple[str, str | RouteStep],
    measures: Literal["accuracy", "speed"] = "accuracy",
) -> AblationTable:
    """Make a table of rows in published order; a pair is a label and a step, or the name of one of a route."""
    made = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, AblationRow):
            row = AblationRow(row[0], _ROUTED[row[1]] if isinstance(row[1], str) else row[1])
        made.append(replace(row, number=number))
    return AblationTable(title, source, tuple(made), measures)


def _grid() -> Iterator[AblationRow]:
    """Table 2 of MixFormerV2: MixViT-B with a plain corner head, of other depths, MLPs and crops."""
    for depth, ratio, (search, template) in product((4, 8, 12), (1.0, 4.0), ((288, 128), (224, 112))):
        sizes = {"head": "corner", "depth": depth, "mlp_ratio": ratio, "search_size": search, "template_size": template}
        yield AblationRow(f"{depth} blocks, MLP ratio {ratio:g}, {search} pixels", network=("mixvit_stage1", sizes))


def _depths() -> Iterator[AblationRow]:
    """Figure 7 of the journal paper: the first blocks of two pre-trained models.

    It has no numbers; words and table 7 give those of rows 1, 3, 5 and 6.
    """
    starts = (("DeiT III", "mixvit_deit3"), ("MAE", "mixvit_corner"))
    for number, ((name, recipe), depth) in enumerate(product(starts, (4, 8, 12)), 1):
        step = RouteStep(f"{recipe}_{depth}", recipe, _changes(model_overrides__depth=depth))
        given = number if number in {1, 3, 5, 6} else 0
        yield AblationRow(f"{name}, {depth} blocks", step, number=given, point=(name, depth))


def _tracked(label: str, step: str, update: str) -> AblationRow:
    return AblationRow(label, _ROUTED[step], {"update": update})


_EIGHT_BLOCKS = {"depth": 8}
_OWN = {
    "v1-f7": AblationTable("Depth and pre-training", "MixFormer journal figure 7", tuple(_depths())),
    "v1-8": _table(
        "Update of the template",
        "MixFormer journal table 8",
        _tracked("no update", "mixcvt_score", "never"),
        _tracked("at a fixed interval", "mixcvt_score", "interval"),
        _tracked("by score", "mixcvt_score", "score"),
    ),
    "v2-1": _table(
        "Speed of heads",
        "MixFormerV2 table 1",
        AblationRow("pyramidal corner head, score module", network=("mixvit", _EIGHT_BLOCKS)),
        AblationRow("pyramidal corner head", network=("mixvit_stage1", _EIGHT_BLOCKS)),
        AblationRow("prediction tokens", network=("mixformerv2_b", {})),
        measures="speed",
    ),
    "v2-2": _table("Speed of depths, MLPs and crops", "MixFormerV2 table 2", *_grid(), measures="speed"),
    "v2-3a": _table(
        "Box heads",
        "MixFormerV2 table 3a",
        ("T1: a box from one token", _T1),
        ("T4: four tokens, edge distributions", _T4),
        ("pyramidal corner head", "mixvit_stage1"),
    ),
    "v2-3b": _table(
        "Score",
        "MixFormerV2 table 3b",
        _tracked("MixFormerV2-B", "v2_b_score", "never"),
        _tracked("MixFormerV2-B, score", "v2_b_score", "score"),
        _tracked("MixViT-B", "mixvit_score", "never"),
        _tracked("MixViT-B, score", "mixvit_score", "score"),
    ),
    "v2-3c": _table(
        "Dense-to-sparse distillation",
        "MixFormerV2 table 3c",
        ("no teacher", _T4),
        ("teacher MixViT-B", "v2_dense_to_sparse"),
        ("teacher MixViT-L", "v2_dense_to_sparse_large"),
    ),
    "v2-3d": _table(
        "Logits and features",
        "MixFormerV2 table 3d",
        ("no distillation", _PLAIN),
        ("logits", _LOGITS),
        ("logits and features", _FROM_MAE),
    ),
    "v2-3e": _table(
        "Start of a shallow student",
        "MixFormerV2 table 3e",
        ("first blocks of MAE", _FROM_MAE),
        ("Tea-skip: every third block of the teacher", _SKIP),
        ("progressive depth pruning", _FADE),
    ),
    "v2-3f": _table(
        "Intermediate teacher",
        "MixFormerV2 table 3f",
        ("12 to 4 blocks", _FADE),
        ("12 to 8 to 4 blocks", _BY_EIGHT),
    ),
    "v2-8b": _table(
        "Route of MixFormerV2-B*",
        "MixFormerV2 table 8b",
        ("12 blocks, pyramidal corner head", "mixvit_stage1"),
        ("12 blocks, T4", "v2_dense_to_sparse"),
        ("8 blocks, T4", "star_8"),
    ),
    "v2-s2c": _table(
        "Route of MixFormerV2-S",
        "MixFormerV2 supplement table 2c",
        ("12 blocks, plain corner head", "v2_s_teacher_224"),
        ("12 blocks, T4", "v2_s_dense_to_sparse_224"),
        ("8 blocks, T4", "v2_s_8"),
        ("4 blocks, T4", "v2_s_4"),
        ("4 blocks, T4, MLP ratio 1", "v2_s_mlp1"),
    ),
    "v2-s2d": _table(
        "Start of a shallow student",
        "MixFormerV2 supplement table 2d",
        ("Tea-fir: first blocks of the teacher", _FIRST),
        ("Tea-skip: every third block of the teacher", _SKIP),
        ("progressive depth pruning", _FADE),
    ),
    "v2-s2e": _table(
        "Epochs of elimination",
        "MixFormerV2 supplement table 2e",
        ("30 epochs", _ELIMINATED[30][1]),
        ("40 epochs", "star_8"),
        ("50 epochs", _ELIMINATED[50][1]),
    ),
}


def _step_of(table: DesignTable, row: DesignRow) -> RouteStep:
    overrides = {f"model_overrides__{key}": value for key, value in row.overrides.items()}
    changes = _changes(model=row.model, **overrides, **{key.replace(".", "__"): v for key, v in row.changes.items()})
    return RouteStep(f"{table.key}-{row.key}", row.recipe, changes)


ABLATIONS: dict[str, AblationTable] = {
    **{
        key: _table(table.title, table.source, *((row.label, _step_of(table, row)) for row in table.rows))
        for key, table in DESIGNS.items()
    },
    **_OWN,
}
"""Key -> table: v1 is the journal paper of MixFormer, v2 that of MixFormerV2, and s its supplement."""

STEPS: dict[str, RouteStep] = (
    _ROUTED
    | {step.name: step for step in _HELPERS}
    | {row.step.name: row.step for table in ABLATIONS.values() for row in table.rows if row.step}
)
"""All steps by name."""


def ablation(key: str) -> AblationTable:
    """Return a table of `ABLATIONS`; raises ConfigError if there is none of this key.

    Example:
        >>> from mixformer.training import ablation
        >>> ablation("v2-3d").rows[1].step.name
        'four_logits'
    """
    if key not in ABLATIONS:
        near = did_you_mean(key, ABLATIONS) or ";"
        raise ConfigError(f"there is no ablation {key!r}{near} there are: {', '.join(sorted(ABLATIONS))}")
    return ABLATIONS[key]
