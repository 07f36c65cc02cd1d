"""The rows and questions of `tools/ablation.py`: data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

TOKENS = {"head": "token", "prediction_tokens": 4}


@dataclass(frozen=True)
class Plan:
    """One run.

    Attributes:
        name: of the row and of its folder.
        stage: of the recipe.
        changes: fields of the network.
        start: row to start from: its backbone alone, or all of its network if `whole`.
        whole: see `start`.
        cut: blocks taken out of the start before training.
        teacher: row to learn from ("distill").
        follow: (blocks of the student, blocks of the teacher) whose outputs are compared; empty = edges alone.
        fade: blocks that fade out.
        masks: "mae" or "trackmae" ("pretrain").
        aux: weight of the auxiliary loss.
        times: length of the run in units of the common number of steps.
    """

    name: str
    stage: Literal["box", "distill", "pretrain"] = "box"
    changes: dict[str, Any] = field(default_factory=dict)
    start: str = ""
    whole: bool = False
    cut: tuple[int, ...] = ()
    teacher: str = ""
    follow: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    fade: tuple[int, ...] = ()
    masks: Literal["mae", "trackmae"] = "trackmae"
    aux: float = 0.0
    times: int = 1


def _shallow(name: str, depth: int = 2, **fields: Any) -> Plan:
    """A student of a deeper network, corner heads both, as in the paper's ablations."""
    fields = {"start": "corner", "whole": True, "teacher": "corner", "follow": ((0, 1), (2, 5))} | fields
    return Plan(name, "distill", {"depth": depth}, **fields)


# A row stands behind those it needs; every network has 6 blocks but for the shallow students.
# In so few steps prediction tokens learn nothing on MAE's backbone: the heads of (a) start on that of the trained
# "corner" with the auxiliary loss; (b) goes on from T4, without it.
PLANS = (
    Plan("mae", "pretrain", masks="mae"),
    Plan("corner", start="mae"),
    Plan("t4", changes=TOKENS, start="corner", aux=1.0),
    Plan("t1", changes={"head": "query", "prediction_tokens": 1}, start="corner", aux=1.0),
    Plan("pyramid", changes={"head": "pyramid"}, start="corner", aux=1.0),
    Plan("t4_more", changes=TOKENS, start="t4", whole=True),
    Plan("sparse", "distill", TOKENS, start="t4", whole=True, teacher="pyramid"),
    _shallow("mae_first", start="mae", whole=False),
    _shallow("first", cut=(2, 3, 4, 5)),
    _shallow("skip", cut=(0, 1, 3, 4)),
    _shallow("fade", 6, fade=(0, 1, 3, 4), follow=((2, 5), (2, 5))),
    _shallow("fade_4", 6, fade=(0, 3), follow=((1, 2, 4, 5), (1, 2, 4, 5))),
    _shallow("fade_42", 4, start="fade_4", teacher="fade_4", fade=(0, 2), follow=((1, 3), (1, 3))),
    Plan("corner_scratch"),
    Plan("trackmae", "pretrain", masks="trackmae"),
    Plan("corner_trackmae", start="trackmae"),
    Plan("symmetric", changes={"attention": "symmetric"}, start="mae"),
    _shallow("fade_long", 6, fade=(0, 1, 3, 4), follow=((2, 5), (2, 5)), times=2),
)


@dataclass(frozen=True)
class Question:
    """A question of the papers.

    Attributes:
        title: of its part of the table.
        rows: (plan, what the table calls it, the paper's number: AUC on LaSOT in %, "" if there is none).
        claims: pairs (better, worse): what the papers found, or hold for likely.
    """

    title: str
    rows: tuple[tuple[str, str, str], ...]
    claims: tuple[tuple[str, str], ...]


QUESTIONS = (
    Question(
        "(a) box heads (V2, table 3a)",
        (
            ("t1", "T1: a box from one token", "63.1"),
            ("t4", "T4: four tokens, edge distributions", "67.5"),
            ("pyramid", "pyramidal corner head", "69.0"),
        ),
        (("pyramid", "t4"), ("t4", "t1"), ("pyramid", "t1")),
    ),
    Question(
        "(b) dense-to-sparse distillation (V2, table 3c)",
        (("t4_more", "T4 without a teacher", "67.5"), ("sparse", "T4 taught by the pyramidal corner head", "68.9")),
        (("sparse", "t4_more"),),
    ),
    Question(
        "(c) start of a shallow student (V2, table 3e; supplement, table 2d)",
        (
            ("mae_first", "first blocks of MAE", "62.9"),
            ("first", "Tea-fir: first blocks of the teacher", "62.9"),
            ("skip", "Tea-skip: every third block of the teacher", "64.4"),
            ("fade", "progressive depth pruning", "64.8"),
        ),
        (("fade", "skip"), ("skip", "first"), ("fade", "first"), ("skip", "mae_first"), ("fade", "mae_first")),
    ),
    Question(
        "(d) intermediate teacher (V2, table 3f)",
        (
            ("fade", "6 to 2 blocks", "64.8"),
            ("fade_long", "6 to 2 blocks, twice the steps", ""),
            ("fade_42", "6 to 4 to 2 blocks", "65.5"),
        ),
        (("fade_42", "fade"), ("fade_42", "fade_long")),
    ),
    Question(
        "(e) pre-training on tracking data (journal, table 7)",
        (
            ("corner_scratch", "none", "56.2"),
            ("corner", "MAE", "65.1"),
            ("corner_trackmae", "TrackMAE", "66.0"),
        ),
        (("corner_trackmae", "corner"), ("corner", "corner_scratch"), ("corner_trackmae", "corner_scratch")),
    ),
    Question(
        "(f) attention of templates to the search region (journal, table 4, MixCvT)",
        (("symmetric", "symmetric", "68.4"), ("corner", "asymmetric", "68.1")),
        (("symmetric", "corner"),),
    ),
)
