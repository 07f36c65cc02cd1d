"""Parameter groups, learning-rate schedules and the moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mixformer.training.config import OptimizerSection
from mixformer.training.recipe import Recipe


def learning_rate(step: int, total: int, plan: OptimizerSection) -> float:
    """Factor on the peak rate at a step: linear warm-up, then the schedule of the plan.

    Args:
        step: steps done.
        total: steps of the run.
        plan: schedule and its lengths.
    """
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    if plan.schedule == "step":
        return 1.0 if step < plan.drop_at * total else 0.1
    if plan.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - plan.warmup) / max(1, total - plan.warmup)))
    left = total - step
    return 0.5 * (1 - math.cos(math.pi * left / plan.decay)) if left < plan.decay else 1.0


def build_optimizer(stage: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with two rates, for the backbone and for the rest; frozen parameters are left out.

    Everything but the tracker's backbone counts as new. So do prediction tokens, whatever the backbone started from,
    unless the plan says otherwise; in pre-training there is nothing but a backbone and its decoder, at one rate.
    """
    plan = recipe.optimizer
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in stage.named_parameters():
        if not parameter.requires_grad:
            continue
        tokens = name.endswith((".tokens", ".pos_tokens")) and not plan.tokens_with_backbone
        old = "backbone." in name and not tokens and recipe.stage != "pretrain"
        decay = plan.weight_decay if plan.decay_all or parameter.ndim == 2 or parameter.ndim == 4 else 0.0
        groups.setdefault((plan.backbone_lr if old else plan.lr, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": members, "lr": lr, "peak": lr, "weight_decay": decay} for (lr, decay), members in groups.items()],
        betas=plan.betas,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's peak rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


class EMA:
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
