"""The state of a training run in one safe file, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mixformer.errors import CheckpointError
from mixformer.training.optim import MovingAverage
from mixformer.weights.files import write_together


def save_training(
    path: Path,
    step: int,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: MovingAverage | None,
    recipe: dict[str, Any],
) -> None:
    """Write model, optimiser, moving average, random state and step; the old file stays until the new one is whole.

    Raises:
        OutputError: if it cannot be written; an earlier checkpoint is then still there.
    """
    state = optimiser.state_dict()
    tensors: dict[str, Tensor] = {f"model/{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"optimiser/{i}/{k}": v for i, entry in state["state"].items() for k, v in entry.items()}
    if average is not None:
        tensors |= {f"average/{k}": v for k, v in average.values.items()}
    tensors["random/torch"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    header = {"step": str(step), "recipe": json.dumps(recipe), "groups": json.dumps(state["param_groups"])}
    values = {key: value.detach().contiguous().cpu() for key, value in tensors.items()}
    write_together({path: lambda place: save_file(values, place, header)})


def load_training(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: MovingAverage | None) -> int:
    """Restore what `save_training` wrote into objects built from the same recipe.

    Returns:
        Number of steps done.

    Raises:
        CheckpointError: if the file is damaged or belongs to another model.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        model.load_state_dict(_below(tensors, "model/"))
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, "optimiser/").items():
            index, name = key.split("/", 1)
            entries.setdefault(int(index), {})[name] = value
        optimiser.load_state_dict({"state": entries, "param_groups": json.loads(header["groups"])})
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit this run: {error}") from error
    if average is not None:
        average.values = {k: v.to(average.values[k].device) for k, v in _below(tensors, "average/").items()}
    torch.set_rng_state(tensors["random/torch"])
    if "random/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return int(header["step"])


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
