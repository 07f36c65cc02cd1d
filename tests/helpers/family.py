"""Small networks over the whole family, with random weights, for the tests beside this file."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.models import MixFormer, build_model

BACKBONES = ("vit", "convmae", "cvt")
HEADS = (("token", 4), ("token", 1), ("query", 1), ("corner", 0), ("pyramid", 0))

Pick = Callable[[Sequence[Any]], Any]


def small(**changes: Any) -> ModelConfig:
    """A plain transformer with four prediction tokens, changed as wanted."""
    values: dict[str, Any] = {
        "depth": 2, "dim": 24, "heads": 2, "mlp_ratio": 2.0, "search_size": 64, "template_size": 32, "bins": 16,
        "head_dim": 32,
    }  # fmt: skip
    return ModelConfig("small", **{**values, **changes})


def backbone_of(kind: str) -> dict[str, Any]:
    """What a backbone needs beside the values of `small`."""
    if kind == "vit":
        return {}
    early: dict[str, Any] = {"backbone": kind, "early_depths": (1, 1), "early_dims": (8, 12)}
    return {**early, "early_heads": (1, 3), "position": "none"} if kind == "cvt" else early


def compose(pick: Pick, backbone: str, head: tuple[str, int], attention: str) -> ModelConfig:
    """A valid small configuration of one kind; `pick` takes one of each of the other choices."""
    name, tokens = head
    changes = backbone_of(backbone) | {"head": name, "prediction_tokens": tokens, "attention": attention}
    if backbone != "cvt":
        changes["position"] = pick(("sincos", "frozen", "learned"))
    changes["score"] = pick(("spm", "none", "token", "token_mean") if tokens else ("spm", "none"))
    changes["layer_scale"] = pick((False, True))
    changes["activation"] = pick(("gelu", "quick_gelu"))
    changes["frozen_norms"] = pick(("none", "backbone", "all"))
    changes["depth"] = pick((1, 2))
    changes["decoder_depth"] = pick((0, 1)) if backbone != "cvt" else 0
    changes |= {"decoder_dim": 16, "decoder_heads": 4}
    # 48 gives CvT an odd grid (3) in the last stage, where the keys' grid is rounded up.
    return small(**changes, search_size=pick((64, 96)), template_size=pick((32, 48)))


def _kinds() -> dict[str, ModelConfig]:
    choice = random.Random(3).choice
    return {
        f"{backbone}-{head[0]}{head[1]}-{attention[:4]}": compose(choice, backbone, head, attention)
        for backbone in BACKBONES
        for head in HEADS
        for attention in ("asymmetric", "symmetric")
    }


# Every backbone with every head in both forms of attention; the other choices are mixed in.
FAMILY = _kinds()


def _designs() -> dict[str, ModelConfig]:
    cvt = backbone_of("cvt") | {"early_depths": (1, 2)}
    corner: dict[str, Any] = {"head": "corner", "prediction_tokens": 0, "score": "none"}
    spm = corner | {"score": "spm"}
    designs: dict[str, dict[str, Any]] = {
        "cross": cvt | corner | {"depth": 3, "separate_blocks": 4, "cross_blocks": 2},
        "cross_score": cvt | spm | {"depth": 2, "separate_blocks": 4, "cross_blocks": 1},
        "cross_plain": spm | {"depth": 3, "separate_blocks": 1, "cross_blocks": 1, "layer_scale": True},
        "late": cvt | corner | {"separate_blocks": 4, "frozen_norms": "all"},
        "late_tokens": {"depth": 3, "separate_blocks": 2},
        "late_decoder": corner | {"separate_blocks": 2, "decoder_depth": 1, "decoder_dim": 16, "decoder_heads": 4},
        "fusion": cvt | spm | {"separate_blocks": 5, "fusion_layers": 2},
        "fusion_mixed": corner | {"separate_blocks": 1, "fusion_layers": 1},
        "all_parts": cvt | spm | {"separate_blocks": 4, "cross_blocks": 1, "fusion_layers": 1, "projection": "conv_ln"},
        "layer_norms": cvt | corner | {"projection": "conv_ln"},
        "linear": cvt | corner | {"projection": "linear", "position": "sincos"},
        "linear_learned": cvt | {"projection": "linear", "position": "learned"},
        "four_mlps": {"shared_mlp": False},
    }
    forms = ("asymmetric", "symmetric")
    return {f"{name}-{form[:4]}": small(**design, attention=form) for name, design in designs.items() for form in forms}


# The designs that the papers compare with their own, in both forms of attention.
DESIGNED = _designs()

# Search tokens leave after the first and the third block.
ELIMINATING = small(depth=4, elimination=((0, 9), (2, 4)))


def make(config: ModelConfig, seed: int = 0, dtype: torch.dtype = torch.float32) -> MixFormer:
    """A network in evaluation mode whose every parameter and statistic is random, norms too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(config).to(dtype).eval()
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if name not in ("mean", "std"):
                noise = 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
                value += noise.abs() if name.endswith("running_var") else noise
    return model


def images(
    config: ModelConfig, batch: int = 2, count: int = 2, seed: int = 1, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Templates (batch, count, 3, t, t), static one first, and search crops (batch, 3, s, s)."""
    generator = torch.Generator().manual_seed(seed)
    sizes = ((batch, count, 3, config.template_size, config.template_size), (batch, 3, *[config.search_size] * 2))
    templates, search = (torch.randn(size, generator=generator, dtype=torch.float64).to(dtype) for size in sizes)
    return templates, search
