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


@dataclass(frozen=True)
class DesignRow:
    """One row of a published table of designs."""

    key: str  # name of the row, unique in its table
    label: str  # name in the paper
    recipe: str  # recipe that trains it, a file of `recipes/` without its ending
    model: str  # variant that the recipe builds
    overrides: Mapping[str, Any] = field(default_factory=dict)  # the recipe's `model_overrides`
    changes: Mapping[str, Any] = field(default_factory=dict)  # other keys of the recipe, dotted as for `--set`
    # Numbers of the paper: "lasot" (AUC in %), "parameters" (M), "gmacs" (G), "fps"
    published: Mapping[str, float] = field(default_factory=dict)

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
_VIT, _VIT_RECIPE = "mixvit_stage1", "mixvit_corner"
_CORNER: dict[str, Any] = {"head": "corner"}
_BASE: dict[str, Any] = {"attention": "symmetric"}  # "MixCvT-Base": all tokens attend to all in every block
_APART: dict[str, Any] = {"separate_blocks": 21}


def _base(key: str, label: str, changes: dict[str, Any], lasot: float, parameters: float, gmacs: float) -> DesignRow:
    """Make a row of table 3, a changed MixCvT-Base."""
    published = {"lasot": lasot, "parameters": parameters, "gmacs": gmacs}
    return DesignRow(key, label, _CVT_RECIPE, _CVT, _BASE | changes, published=published)


_TABLE_3 = DesignTable(
    "v1-3",
    "Extraction and integration apart or together",
    "MixFormer journal table 3",
    (
        # A CAM is a W-MAM whose two sides attend to each other alone, by the paper's parameters and operations.
        _base("cross1", "SAM(21), CAM(1)", _APART | {"depth": 17, "cross_blocks": 1}, 59.8, 37.35, 20.69),
        _base("cross3", "SAM(21), CAM(3)", _APART | {"depth": 19, "cross_blocks": 3}, 60.5, 40.92, 22.20),
        # Widths of TransT, by the paper's parameters; the operations that it counts here are twice ours.
        _base("fusion4", "SAM(21), ECA + CFA(4)", _APART | {"fusion_layers": 4}, 66.9, 49.75, 27.81),
        # Symmetric and with one template, by the operations that the paper counts.
        _base("mixed1", "SAM(20) + W-MAM(1)", {"separate_blocks": 20}, 65.8, 35.57, 19.97),
        _base("mixed6", "SAM(15) + W-MAM(6)", {"separate_blocks": 15}, 66.2, 35.67, 20.02),
        _base("mixed11", "SAM(10) + W-MAM(11)", {"separate_blocks": 10}, 67.4, 35.77, 20.07),
        _base("mixed16", "SAM(5) + W-MAM(16)", {"separate_blocks": 5}, 68.1, 35.87, 20.12),
        _base("mixed21", "W-MAM(21)", {}, 68.4, 35.97, 20.85),
        _base("query", "W-MAM(21), query head", {"head": "query", "prediction_tokens": 1}, 66.0, 31.46, 19.13),
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


def _from_scratch(key: str, label: str, changes: dict[str, Any], lasot: float) -> DesignRow:
    return DesignRow(key, label, "mixcvt_scratch", _CVT, changes, published={"lasot": lasot})


# The paper gives neither the shares of the twelve blocks in the three stages of MixCvT nor their widths, nor whether
# fixed positions stay and keys are fewer, as with the convolutions.
_TWELVE: dict[str, Any] = {"early_depths": (1, 2), "depth": 9}
_LINEAR: dict[str, Any] = {"projection": "linear", "position": "sincos"}
_DEPTHWISE: dict[str, Any] = {"projection": "conv_ln"}
_TABLE_5 = DesignTable(
    "v1-5",
    "From MixViT to MixCvT, from scratch",
    "MixFormer journal table 5",
    (
        DesignRow("plain", "S-MAM(12)", _VIT_RECIPE, _VIT, _CORNER, {"init_from": ""}, {"lasot": 56.2}),
        _from_scratch("stages", "S-MAM(12), multi-stage", _TWELVE | _LINEAR, 58.8),
        _from_scratch("convolutions", "W-MAM(12), multi-stage, depth-wise projections", _TWELVE | _DEPTHWISE, 59.0),
    ),
)


def _plain_corner(key: str, version: str, changes: dict[str, Any], lasot: float) -> DesignRow:
    label = f"plain corner head, {version}"
    return DesignRow(key, label, _VIT_RECIPE, _VIT, _CORNER | changes, published={"lasot": lasot})


_TABLE_6 = DesignTable(
    "v1-6",
    "Heads and position embeddings of MixViT",
    "MixFormer journal table 6",
    (
        _plain_corner("frozen", "V1", {"position": "frozen"}, 68.4),
        _plain_corner("learned", "V2", {"position": "learned"}, 68.4),
        _plain_corner("sincos", "V3", {}, 68.5),
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
        # The same number as W-MAM(12) of table 5; here with the 21 blocks of MixCvT.
        _from_scratch("mixcvt", "MixCvT, from scratch", _DEPTHWISE, 59.0),
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
