"""Tables of the designs that the papers compare: the network of each row, and its published numbers.

This is data only. A row names a recipe of `recipes/`, what it changes in the recipe's network (fields of `ModelConfig`)
and in the recipe itself, and the published numbers. All numbers of LaSOT are success AUC in percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import model_config
from mixformer.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class DesignRow:
    """One row of a published table of designs.

    Attributes:
        key: name of the row, unique in its table.
        label: name in the paper.
        recipe: recipe that trains it, a file of `recipes/` without its ending.
        model: variant that the recipe builds.
        overrides: fields of its `ModelConfig` to change, the recipe's `model_overrides`.
        changes: other keys of the recipe to change, dotted as for `--set`.
        published: numbers of the paper by name: "lasot" (AUC in %), "parameters" (M), "gmacs" (G), "fps".
        note: choices of this package that the paper does not give; or "".
    """

    key: str
    label: str
    recipe: str
    model: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def network(self) -> ModelConfig:
        """Return the configuration of the row's network."""
        return ModelConfig.from_dict({**model_config(self.model).to_dict(), **self.overrides})


@dataclass(frozen=True)
class DesignTable:
    """One published table of designs."""

    key: str  # name of the table
    title: str  # the compared designs, in a few words
    source: str  # paper and number of the table
    rows: tuple[DesignRow, ...]


_CVT, _CVT_RECIPE = "mixcvt_stage1", "mixcvt_base"
_BASE = {"attention": "symmetric"}  # "MixCvT-Base": all tokens attend to all in every block
_SCRATCH = {"init_from": ""}
# Twelve blocks in the three stages of MixCvT; the paper gives neither their shares nor their widths.
_TWELVE = {"early_depths": (1, 2), "depth": 9}
_SHARES = "12 blocks as 1-2-9 of MixCvT's widths: the paper does not say"
_UNSAID = "symmetric and with one template, by the operations that the paper counts"


def _mixed_last(key: str, count: int, parameters: float, gmacs: float, lasot: float) -> DesignRow:
    """Make a row of table 3 with mixed attention in the last `count` of 21 blocks."""
    return DesignRow(
        key,
        f"SAM({21 - count}) + W-MAM({count})",
        _CVT_RECIPE,
        _CVT,
        _BASE | {"separate_blocks": 21 - count},
        published={"lasot": lasot, "parameters": parameters, "gmacs": gmacs},
        note=_UNSAID,
    )


_APART = _BASE | {"separate_blocks": 21}
_CAM = "a CAM is a W-MAM whose two sides attend to each other alone, by the parameters and operations of the paper"
_TABLE_3 = DesignTable(
    "v1-3",
    "Extraction and integration apart or together",
    "MixFormer journal table 3",
    (
        DesignRow(
            "cross1",
            "SAM(21), CAM(1)",
            _CVT_RECIPE,
            _CVT,
            _APART | {"depth": 17, "cross_blocks": 1},
            published={"lasot": 59.8, "parameters": 37.35, "gmacs": 20.69},
            note=_CAM,
        ),
        DesignRow(
            "cross3",
            "SAM(21), CAM(3)",
            _CVT_RECIPE,
            _CVT,
            _APART | {"depth": 19, "cross_blocks": 3},
            published={"lasot": 60.5, "parameters": 40.92, "gmacs": 22.20},
            note=_CAM,
        ),
        DesignRow(
            "fusion4",
            "SAM(21), ECA + CFA(4)",
            _CVT_RECIPE,
            _CVT,
            _APART | {"fusion_layers": 4},
            published={"lasot": 66.9, "parameters": 49.75, "gmacs": 27.81},
            note="widths of TransT, by the paper's parameters; the operations that it counts here are twice ours",
        ),
        _mixed_last("mixed1", 1, 35.57, 19.97, 65.8),
        _mixed_last("mixed6", 6, 35.67, 20.02, 66.2),
        _mixed_last("mixed11", 11, 35.77, 20.07, 67.4),
        _mixed_last("mixed16", 16, 35.87, 20.12, 68.1),
        DesignRow(
            "mixed21",
            "W-MAM(21)",
            _CVT_RECIPE,
            _CVT,
            _BASE,
            published={"lasot": 68.4, "parameters": 35.97, "gmacs": 20.85},
        ),
        DesignRow(
            "query",
            "W-MAM(21), query head",
            _CVT_RECIPE,
            _CVT,
            _BASE | {"head": "query", "prediction_tokens": 1},
            published={"lasot": 66.0, "parameters": 31.46, "gmacs": 19.13},
        ),
    ),
)

_TABLE_4 = DesignTable(
    "v1-4",
    "Asymmetric mixed attention",
    "MixFormer journal table 4",
    (
        DesignRow("symmetric", "symmetric", _CVT_RECIPE, _CVT, _BASE, published={"lasot": 68.4, "fps": 25}),
        DesignRow("asymmetric", "asymmetric", "mixcvt_stage1", _CVT, published={"lasot": 68.1, "fps": 31}),
    ),
)

_CORNER = {"head": "corner"}
_VIT, _VIT_RECIPE = "mixvit_stage1", "mixvit_corner"
_CVT_SCRATCH = DesignRow(
    "mixcvt",
    "MixCvT, from scratch",
    "mixcvt_scratch",
    _CVT,
    {"projection": "conv_ln"},
    published={"lasot": 59.0},
    note="the same number as W-MAM(12) of table 5; here with the 21 blocks of MixCvT",
)
_TABLE_5 = DesignTable(
    "v1-5",
    "From MixViT to MixCvT, from scratch",
    "MixFormer journal table 5",
    (
        DesignRow("plain", "S-MAM(12)", _VIT_RECIPE, _VIT, _CORNER, _SCRATCH, {"lasot": 56.2}),
        DesignRow(
            "stages",
            "S-MAM(12), multi-stage",
            "mixcvt_scratch",
            _CVT,
            _TWELVE | {"projection": "linear", "position": "sincos"},
            published={"lasot": 58.8},
            note=f"{_SHARES}; nor whether fixed positions stay and keys are fewer, as with the convolutions",
        ),
        DesignRow(
            "convolutions",
            "W-MAM(12), multi-stage, depth-wise projections",
            "mixcvt_scratch",
            _CVT,
            _TWELVE | {"projection": "conv_ln"},
            published={"lasot": 59.0},
            note=_SHARES,
        ),
    ),
)

_TABLE_6 = DesignTable(
    "v1-6",
    "Heads and position embeddings of MixViT",
    "MixFormer journal table 6",
    (
        DesignRow(
            "frozen",
            "plain corner head, V1",
            _VIT_RECIPE,
            _VIT,
            _CORNER | {"position": "frozen"},
            published={"lasot": 68.4},
        ),
        DesignRow(
            "learned",
            "plain corner head, V2",
            _VIT_RECIPE,
            _VIT,
            _CORNER | {"position": "learned"},
            published={"lasot": 68.4},
        ),
        DesignRow("sincos", "plain corner head, V3", _VIT_RECIPE, _VIT, _CORNER, published={"lasot": 68.5}),
        DesignRow("pyramid", "pyramidal corner head, V3", "mixvit_stage1", _VIT, published={"lasot": 69.0}),
    ),
)


def _deit3(key: str, data: str, lasot: float) -> DesignRow:
    start = {"init_from": f"pretrained/deit_3_base_224_{'21k' if data.endswith('21k') else '1k'}.pth"}
    changes = _CORNER | {"layer_scale": True}
    return DesignRow(key, f"MixViT, DeiT III, {data}", "mixvit_deit3", _VIT, changes, start, {"lasot": lasot})


def _cvt(key: str, data: str, recipe: str, lasot: float) -> DesignRow:
    return DesignRow(key, f"MixCvT, CvT, {data}", recipe, _CVT, published={"lasot": lasot})


def _mae(key: str, label: str, start: str, lasot: float) -> DesignRow:
    return DesignRow(key, f"MixViT, {label}", _VIT_RECIPE, _VIT, _CORNER, {"init_from": start}, {"lasot": lasot})


_TABLE_7 = DesignTable(
    "v1-7",
    "Pre-training",
    "MixFormer journal table 7",
    (
        _CVT_SCRATCH,
        _cvt("cvt_1k", "ImageNet-1k", "mixcvt_1k_stage1", 67.2),
        _cvt("cvt_22k", "ImageNet-22k", "mixcvt_stage1", 68.1),
        _mae("scratch", "from scratch", "", 56.2),
        _mae("mae_tracking", "MAE, tracking data", "runs/mixvit_pretrain_mae/model", 65.1),
        _mae("trackmae", "TrackMAE, tracking data", "runs/mixvit_pretrain_trackmae/model", 66.0),
        _deit3("deit3_1k", "ImageNet-1k", 66.5),
        _deit3("deit3_21k", "ImageNet-21k", 67.7),
        _mae("mae_finetuned", "MAE fine-tuned, ImageNet-1k", "pretrained/mae_finetuned_vit_base.pth", 68.0),
        _mae("mae", "MAE, ImageNet-1k", "pretrained/mae_pretrain_vit_base.pth", 68.5),
    ),
)

_SPARSE = "v2_tokens"
_TOKENS = "mixformerv2_d12"
_TABLE_V2_2A = DesignTable(
    "v2-s2a",
    "Prediction tokens and MLPs",
    "MixFormerV2 supplement table 2a",
    (
        DesignRow("one_four", "1 token, 4 MLPs", _SPARSE, _TOKENS, {"prediction_tokens": 1}, {}, {"lasot": 67.1}),
        DesignRow("four_four", "4 tokens, 4 MLPs", _SPARSE, _TOKENS, {"shared_mlp": False}, {}, {"lasot": 67.3}),
        DesignRow("four_one", "4 tokens, 1 MLP", _SPARSE, _TOKENS, {}, {}, {"lasot": 67.5}),
    ),
)

DESIGNS: dict[str, DesignTable] = {
    table.key: table for table in (_TABLE_3, _TABLE_4, _TABLE_5, _TABLE_6, _TABLE_7, _TABLE_V2_2A)
}


def design_table(key: str) -> DesignTable:
    """Return a table of designs by its key.

    Raises:
        ConfigError: if there is no such table; the message lists them.
    """
    try:
        return DESIGNS[key]
    except KeyError:
        near = did_you_mean(key, DESIGNS) or ";"
        raise ConfigError(f"no table of designs {key!r}{near} there are: {', '.join(DESIGNS)}") from None
