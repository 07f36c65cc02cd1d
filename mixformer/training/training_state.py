"""The state of a training run in one safetensors file, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mixformer.errors import CheckpointError
from mixformer.files import parse_json, write_files
from mixformer.training.optim import EMA
from mixformer.training.recipe_aliases import STATE_PREFIXES
from mixformer.weights.state_dicts import current_names

CHECKPOINT = "state.safetensors"
"""File of the state in the folder of a run."""


def save_training(
    path: Path,
    step: int,
    best: float,
    waited: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: EMA | None,
    scaler: torch.amp.GradScaler,
    recipe: dict[str, Any],
) -> None:
    """Write model, optimizer, moving average, loss scale and step. The new file replaces an older one when complete.

    Random states are not needed: samples depend on their number, and random factors on the step.
    """
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {f"model/{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"optimizer/{i}/{k}": v for i, entry in state["state"].items() for k, v in entry.items()}
    if ema is not None:
        tensors |= {f"average/{k}": v for k, v in ema.values.items()}
    header = {
        "step": str(step),
        "best": repr(best),
        "waited": str(waited),
        "recipe": json.dumps(recipe),
        "groups": json.dumps(state["param_groups"]),
        "scaler": json.dumps(scaler.state_dict()),
    }
    values = {key: value.detach().contiguous().cpu() for key, value in tensors.items()}
    write_files({path: lambda place: save_file(values, place, header)})


def load_training(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA | None, scaler: torch.amp.GradScaler
) -> tuple[int, float, int]:
    """Load a file of `save_training` into objects of the same recipe; CheckpointError if it is damaged or does not fit.

    Returns the number of steps done, the best validation score so far, and the number of validations since it.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata()
            tensors = current_names({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        model.load_state_dict(_below(tensors, "model/"))
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, "optimizer/").items():
            index, name = key.split("/", 1)
            entries.setdefault(int(index), {})[name] = value
        settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
        groups = parse_json(header["groups"], path, CheckpointError)
        # Rates and decays are those of the recipe, which may have changed; so may the kind of arithmetic, which decides
        # where the steps are counted.
        groups = [group | wanted for group, wanted in zip(groups, settings, strict=True)]
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
        if ema is not None:
            ema.values = _averages(ema, model, _below(tensors, "average/"))
        scaler.load_state_dict(parse_json(header["scaler"], path, CheckpointError))
        step, best, waited = int(header["step"]), float(header["best"]), int(header.get("waited", "0"))
    except CheckpointError:
        raise
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit this run: {error}; use another --out, or its own recipe") from error
    return step, best, waited


def _averages(ema: EMA, model: nn.Module, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the stored averages; a run that had none so far begins with its weights. LookupError for other names."""
    if not found:
        return EMA(model, ema.decay).values
    if found.keys() != ema.values.keys():
        raise LookupError("its averages are those of other weights")
    return {name: value.to(ema.values[name].device) for name, value in found.items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries below a prefix, under today's names."""
    found = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            old = next((start for start in STATE_PREFIXES if name.startswith(start)), "")
            found[STATE_PREFIXES.get(old, "") + name.removeprefix(old)] = value
    return found
