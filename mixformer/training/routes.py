"""The table of routes: the training stages of each published model, in order. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixformer.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class RouteStep:
    """One step of a route: a run of a recipe, or a smaller network cut out of the model of an earlier step.

    A name stands for the same step in all routes. A path `runs/NAME` in `init_from` or `teacher.model` of a recipe
    means the folder of the step NAME.

    Attributes:
        name: name of the step and of its folder.
        recipe: recipe to train; "" = the name. Not used if `cut` is set.
        changes: "key=value", fields of the recipe to change, as for `mixformer train --set`.
        source: step whose model is cut.
        cut: how it is cut, an option of `mixformer prune`; "" = train.
        amount: value of that option.

    Example:
        >>> from mixformer.training import ROUTES
        >>> [step.name for step in ROUTES["mixvit"]]
        ['mixvit_stage1', 'mixvit_score']
    """

    name: str
    recipe: str = ""
    changes: tuple[str, ...] = ()
    source: str = ""
    cut: Literal["", "mlp_ratio", "keep_first", "skip"] = ""
    amount: int = 0

    @property
    def recipe_name(self) -> str:
        """The recipe to train."""
        return self.recipe or self.name


def _route(*steps: str | RouteStep) -> tuple[RouteStep, ...]:
    return tuple(RouteStep(step) if isinstance(step, str) else step for step in steps)


def _corner_after(pretraining: str) -> RouteStep:
    """MixViT with the plain corner head, from a backbone pre-trained on tracking data."""
    name = f"{pretraining}_corner"
    return RouteStep(name, "mixvit_corner", (f"init_from=runs/{pretraining}/model",))


# The teacher of MixFormerV2-B* has 72 bins per side.
_STAR = ("model_overrides.bins=72", "teacher.model=runs/v2_dense_to_sparse/model")

ROUTES: dict[str, tuple[RouteStep, ...]] = {
    "mixcvt": _route("mixcvt_stage1", "mixcvt_score"),
    "mixcvt-1k": _route("mixcvt_1k_stage1", "mixcvt_1k_score"),
    "mixcvt-1k-got": _route("mixcvt_1k_got_stage1", "mixcvt_1k_got_score"),
    "mixcvt-got": _route("mixcvt_got_stage1", "mixcvt_got_score"),
    "mixcvt-l": _route("mixcvt_l_stage1", "mixcvt_l_score"),
    "mixvit": _route("mixvit_stage1", "mixvit_score"),
    "mixvit-got": _route("mixvit_got_stage1", "mixvit_got_score"),
    "mixvit-l": _route("mixvit_l_stage1", "mixvit_l_score"),
    "mixvit-l-got": _route("mixvit_l_got_stage1", "mixvit_l_got_score"),
    "mixvit-convmae": _route("mixvit_convmae_stage1", "mixvit_convmae_score"),
    "mixvit-convmae-got": _route("mixvit_convmae_got_stage1", "mixvit_convmae_got_score"),
    "mixvit-l-convmae": _route("mixvit_l_convmae_stage1", "mixvit_l_convmae_score"),
    "mixvit-corner": _route("mixvit_corner"),
    "mixvit-deit3": _route("mixvit_deit3"),
    "mixvit-mae-finetuned": _route("mixvit_mae_finetuned"),
    "mixcvt-base": _route("mixcvt_base"),
    "mixcvt-scratch": _route("mixcvt_scratch"),
    "v2-tokens": _route("v2_tokens"),
    "mixvit-mae": _route("mixvit_pretrain_mae", _corner_after("mixvit_pretrain_mae")),
    "mixvit-trackmae": _route("mixvit_pretrain_trackmae", _corner_after("mixvit_pretrain_trackmae")),
    "v2-b": _route("mixvit_l_stage1", "v2_dense_to_sparse_large", "v2_b_prune_12to8", "v2_b_finetune_8", "v2_b_score"),
    "v2-b-star": _route(
        "mixvit_stage1",
        "v2_dense_to_sparse",
        RouteStep("star_12to8", "v2_b_prune_12to8", (*_STAR, "init_from=runs/v2_dense_to_sparse/model")),
        RouteStep("star_8", "v2_b_finetune_8", (*_STAR, "init_from=runs/star_12to8/model")),
        RouteStep("star_score", "v2_b_score", (_STAR[0], "init_from=runs/star_8/model")),
    ),
    "v2-s": _route(
        "v2_s_teacher_224",
        "v2_s_dense_to_sparse_224",
        "v2_s_8",
        "v2_s_4",
        RouteStep("v2_s_4_mlp1", source="v2_s_4", cut="mlp_ratio", amount=1),
        "v2_s_mlp1",
        "v2_s_score",
    ),
    "included": _route("dino_s8_boxes", "dino_s8_clips", "dino_s8_motion", "dino_s8_coarse", "dino_s8_score"),
}  # fmt: skip
"""Name of a route -> its steps, in order. docs/recipes.md says which model each one trains."""


def route(name: str) -> tuple[RouteStep, ...]:
    """Return the steps of a route; raises ConfigError if there is none of this name."""
    if not isinstance(name, str) or name not in ROUTES:
        nearest = did_you_mean(str(name), sorted(ROUTES)) or f"; there are: {', '.join(ROUTES)}"
        raise ConfigError(f"there is no route {name!r}{nearest}")
    return ROUTES[name]
