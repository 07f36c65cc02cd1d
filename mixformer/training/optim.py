"""Parameter groups, learning-rate schedule and the moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mixformer.training.recipe import Recipe


def learning_rate(step: int, recipe: Recipe) -> float:
    """Factor on the peak rate at a step: linear warm-up, constant, cosine to zero over the last `decay` steps."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    left = recipe.steps - step
    if left < recipe.decay:
        return 0.5 * (1 - math.cos(math.pi * left / recipe.decay))
    return 1.0


def build_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with two rates (backbone and the rest) and weight decay on matrices only; frozen parameters left out.

    Prediction tokens belong to the heads: they are new, whatever the backbone started from.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            new = "backbone." not in name or name.endswith(("backbone.tokens", "backbone.pos_tokens"))
            decay = recipe.weight_decay if parameter.ndim == 2 else 0.0
            groups.setdefault((recipe.lr if new else recipe.backbone_lr, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": members, "lr": lr, "peak": lr, "weight_decay": decay} for (lr, decay), members in groups.items()]
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's peak rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


class MovingAverage:
    """Exponential moving average of trained parameters, with a shorter memory in the first steps."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Blend in the current weights; the decay grows from 0.1 towards its final value."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(parameter.detach(), 1 - decay)
