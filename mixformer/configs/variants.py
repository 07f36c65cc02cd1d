"""The table of variants: data with its source, nothing else."""

from __future__ import annotations

from typing import Any, Literal

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError

_V1 = "MixFormer (CVPR 2022, TPAMI 2024)"
_V2 = "MixFormerV2 (NeurIPS 2023)"
_OURS = "this project"

# Shared by the networks of the first papers: the score prediction module on a dense head, batch norms frozen.
_DENSE: dict[str, Any] = {"prediction_tokens": 0, "score": "spm", "frozen_norms": "all", "unused_keys": True}
_CVT: dict[str, Any] = {
    **_DENSE,
    "backbone": "cvt",
    "activation": "quick_gelu",
    "position": "none",
    "head": "corner",
    "search_size": 320,
}
_VIT: dict[str, Any] = {**_DENSE, "head": "pyramid"}
_LARGE: dict[str, Any] = {"dim": 1024, "heads": 16, "search_size": 384, "template_size": 192}

# Journal paper, sections 3.2 and 3.3, and official online configurations.
_FIRST = (
    ModelConfig(
        "mixcvt", 16, 384, 6, early_depths=(1, 4), early_dims=(64, 192), early_heads=(1, 3), drop_path=0.1, **_CVT
    ),
    ModelConfig(
        "mixcvt_l", 12, 1024, 16, early_depths=(2, 2), early_dims=(192, 768), early_heads=(3, 12), drop_path=0.3, **_CVT
    ),
    ModelConfig("mixvit", 12, drop_path=0.1, **_VIT),
    ModelConfig("mixvit_l", 24, drop_path=0.1, **_VIT, **_LARGE),
    ModelConfig("mixvit_convmae", 11, backbone="convmae", early_depths=(2, 2), early_dims=(256, 384), **_VIT),
    ModelConfig(
        "mixvit_l_convmae", 20, backbone="convmae", early_depths=(2, 2), early_dims=(384, 768), **_VIT, **_LARGE
    ),
)  # fmt: skip


def _stage1(config: ModelConfig) -> ModelConfig:
    """Return the network of the first training stage: it has no score head, and batch norms learn in the box head."""
    frozen: Literal["backbone", "none"] = "backbone" if config.backbone == "cvt" else "none"
    return config.replace(name=f"{config.name}_stage1", score="none", frozen_norms=frozen)


MODELS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        *_FIRST,
        *map(_stage1, _FIRST),
        # MixFormerV2 paper, table 1 and official score configurations: 96 bins, not the 72 of the stage configurations.
        ModelConfig("mixformerv2_b", depth=8, drop_path=0.1),
        ModelConfig("mixformerv2_s", depth=4, mlp_ratio=1.0, search_size=224, template_size=112, drop_path=0.1),
        # The 12-layer form of stage 1, which is also the teacher of stage 2: 72 bins, no score.
        ModelConfig("mixformerv2_d12", depth=12, bins=72, score="none", drop_path=0.1),
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
    name: _OURS if "dino" in name else _V2 if name.startswith("mixformerv2") else _V1 for name in MODELS
}


def model_config(name: str) -> ModelConfig:
    """Return the configuration of a named variant; a ConfigError lists the variants if there is none.

    Example:
        >>> from mixformer.configs import model_config
        >>> model_config("mixformerv2_b").depth
        8
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError(f"no model named {name!r}; there are: {', '.join(sorted(MODELS))}") from None
