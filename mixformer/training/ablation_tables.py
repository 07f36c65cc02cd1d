"""The papers' tables of ablations as runs: which steps train a row, and what is measured. Data only.

The published numbers are those of `mixformer.evaluation.paper_ablations`, by table and row.
"""

from __future__ import annotations

import json
from typing import Any

from mixformer.configs.ablations import DESIGNS, DesignRow, DesignTable
from mixformer.errors import ConfigError, did_you_mean
from mixformer.training.ablation_rows import AblationRow, AblationTable
from mixformer.training.routes import ROUTES, RouteStep

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


_FOUR = ([0, 1, 2, 3], _EVERY_THIRD)
_PLAIN = RouteStep("four_plain", "mixvit_corner", _changes(model_overrides__depth=4))
_LOGITS = _student("four_logits", 4, _MAE, _FOUR, teacher__feature_weight=0)
_FROM_MAE = _student("four_mae", 4, _MAE, _FOUR)
_FIRST = _student("four_first", 4, "runs/teacher_first", _FOUR)
_SKIP = _student("four_skip", 4, "runs/teacher_skip", _FOUR)
_FADE = _student(
    "four_fade",
    12,
    f"runs/{_TEACHER}/model",
    (_EVERY_THIRD, _EVERY_THIRD),
    pruning__blocks=[0, 1, 3, 4, 6, 7, 9, 10],
)
_EIGHT = _student(
    "eight_fade", 12, f"runs/{_TEACHER}/model", (_EVERY_THIRD, _EVERY_THIRD), pruning__blocks=[0, 3, 6, 9]
)
_BY_EIGHT = _student(
    "four_by_eight",
    8,
    "runs/eight_fade/model",
    ([1, 3, 5, 7], [1, 3, 5, 7]),
    teacher__model="runs/eight_fade/model",
    pruning__blocks=[0, 2, 4, 6],
)
_T4 = RouteStep("v2_t4", "mixvit_stage1", _changes(model="mixformerv2_d12"))
_T1 = RouteStep(
    "v2_t1",
    "mixvit_stage1",
    _changes(model="mixformerv2_d12", model_overrides={"head": "query", "prediction_tokens": 1}),
)


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


def _rows(*rows: tuple[str, str | RouteStep]) -> tuple[AblationRow, ...]:
    """Rows in the order of the published table; a name stands for a step of a route."""
    return tuple(
        AblationRow(label, _ROUTED[step] if isinstance(step, str) else step, number=number)
        for number, (label, step) in enumerate(rows, 1)
    )


def _grid() -> tuple[AblationRow, ...]:
    """Table 2 of MixFormerV2: MixViT-B with a plain corner head, of other depths, MLPs and crops."""
    sizes = [(depth, ratio, size) for depth in (4, 8, 12) for ratio in (1, 4) for size in (288, 224)]
    return tuple(
        AblationRow(
            f"{depth} blocks, MLP ratio {ratio}, {size} pixels",
            network=(
                "mixvit_stage1",
                {
                    "head": "corner",
                    "depth": depth,
                    "mlp_ratio": float(ratio),
                    "search_size": size,
                    "template_size": {288: 128, 224: 112}[size],
                },
            ),
            number=number,
        )
        for number, (depth, ratio, size) in enumerate(sizes, 1)
    )


def _depths() -> tuple[AblationRow, ...]:
    """Figure 7 of the journal paper: the first blocks of two pre-trained models."""
    starts = (("DeiT III", "mixvit_deit3"), ("MAE", "mixvit_corner"))
    rows = [(name, recipe, depth) for name, recipe in starts for depth in (4, 8, 12)]
    given = {1, 3, 5, 6}  # in words and in table 7; the figure itself has no numbers
    return tuple(
        AblationRow(
            f"{name}, {depth} blocks",
            RouteStep(f"{recipe}_{depth}", recipe, _changes(model_overrides__depth=depth)),
            number=number if number in given else 0,
            point=(name, depth),
        )
        for number, (name, recipe, depth) in enumerate(rows, 1)
    )


def _tracked(label: str, step: str, update: str, number: int) -> AblationRow:
    return AblationRow(label, _ROUTED[step], {"update": update}, number=number)


_EIGHT_BLOCKS = {"depth": 8}
_OWN = {
    "v1-f7": AblationTable("Depth and pre-training", "MixFormer journal figure 7", _depths()),
    "v1-8": AblationTable(
        "Update of the template",
        "MixFormer journal table 8",
        (
            _tracked("no update", "mixcvt_score", "never", 1),
            _tracked("at a fixed interval", "mixcvt_score", "interval", 2),
            _tracked("by score", "mixcvt_score", "score", 3),
        ),
    ),
    "v2-1": AblationTable(
        "Speed of heads",
        "MixFormerV2 table 1",
        (
            AblationRow("pyramidal corner head, score module", network=("mixvit", _EIGHT_BLOCKS), number=1),
            AblationRow("pyramidal corner head", network=("mixvit_stage1", _EIGHT_BLOCKS), number=2),
            AblationRow("prediction tokens", network=("mixformerv2_b", {}), number=3),
        ),
        "speed",
    ),
    "v2-2": AblationTable("Speed of depths, MLPs and crops", "MixFormerV2 table 2", _grid(), "speed"),
    "v2-3a": AblationTable(
        "Box heads",
        "MixFormerV2 table 3a",
        _rows(
            ("T1: a box from one token", _T1),
            ("T4: four tokens, edge distributions", _T4),
            ("pyramidal corner head", "mixvit_stage1"),
        ),
    ),
    "v2-3b": AblationTable(
        "Score",
        "MixFormerV2 table 3b",
        (
            _tracked("MixFormerV2-B", "v2_b_score", "never", 1),
            _tracked("MixFormerV2-B, score", "v2_b_score", "score", 2),
            _tracked("MixViT-B", "mixvit_score", "never", 3),
            _tracked("MixViT-B, score", "mixvit_score", "score", 4),
        ),
    ),
    "v2-3c": AblationTable(
        "Dense-to-sparse distillation",
        "MixFormerV2 table 3c",
        _rows(
            ("no teacher", _T4),
            ("teacher MixViT-B", "v2_dense_to_sparse"),
            ("teacher MixViT-L", "v2_dense_to_sparse_large"),
        ),
    ),
    "v2-3d": AblationTable(
        "Logits and features",
        "MixFormerV2 table 3d",
        _rows(("no distillation", _PLAIN), ("logits", _LOGITS), ("logits and features", _FROM_MAE)),
    ),
    "v2-3e": AblationTable(
        "Start of a shallow student",
        "MixFormerV2 table 3e",
        _rows(
            ("first blocks of MAE", _FROM_MAE),
            ("Tea-skip: every third block of the teacher", _SKIP),
            ("progressive depth pruning", _FADE),
        ),
    ),
    "v2-3f": AblationTable(
        "Intermediate teacher",
        "MixFormerV2 table 3f",
        _rows(("12 to 4 blocks", _FADE), ("12 to 8 to 4 blocks", _BY_EIGHT)),
    ),
    "v2-8b": AblationTable(
        "Route of MixFormerV2-B*",
        "MixFormerV2 table 8b",
        _rows(
            ("12 blocks, pyramidal corner head", "mixvit_stage1"),
            ("12 blocks, T4", "v2_dense_to_sparse"),
            ("8 blocks, T4", "star_8"),
        ),
    ),
    "v2-s2c": AblationTable(
        "Route of MixFormerV2-S",
        "MixFormerV2 supplement table 2c",
        _rows(
            ("12 blocks, plain corner head", "v2_s_teacher_224"),
            ("12 blocks, T4", "v2_s_dense_to_sparse_224"),
            ("8 blocks, T4", "v2_s_8"),
            ("4 blocks, T4", "v2_s_4"),
            ("4 blocks, T4, MLP ratio 1", "v2_s_mlp1"),
        ),
    ),
    "v2-s2d": AblationTable(
        "Start of a shallow student",
        "MixFormerV2 supplement table 2d",
        _rows(
            ("Tea-fir: first blocks of the teacher", _FIRST),
            ("Tea-skip: every third block of the teacher", _SKIP),
            ("progressive depth pruning", _FADE),
        ),
    ),
    "v2-s2e": AblationTable(
        "Epochs of elimination",
        "MixFormerV2 supplement table 2e",
        _rows(
            ("30 epochs", _ELIMINATED[30][1]),
            ("40 epochs", "star_8"),
            ("50 epochs", _ELIMINATED[50][1]),
        ),
    ),
}


def _designed(table: DesignTable) -> AblationTable:
    """Return the runs of a table of designs."""
    rows = (AblationRow(row.label, _step_of(table, row), number=n) for n, row in enumerate(table.rows, 1))
    return AblationTable(table.title, table.source, tuple(rows))


def _step_of(table: DesignTable, row: DesignRow) -> RouteStep:
    overrides = {f"model_overrides__{key}": value for key, value in row.overrides.items()}
    changes = _changes(model=row.model, **overrides, **{key.replace(".", "__"): v for key, v in row.changes.items()})
    return RouteStep(f"{table.key}-{row.key}", row.recipe, changes)


ABLATIONS: dict[str, AblationTable] = {**{key: _designed(table) for key, table in DESIGNS.items()}, **_OWN}
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
