"""Check a state dict against its network, store it in fewer bits, and scale its score."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import CheckpointError, ConfigError, first_few
from mixformer.models import build_model

Shapes = Mapping[str, tuple[int, ...]]
Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")

_SCALE = ".scale"
_LAST_LAYERS = {"token": "out", "token_mean": "out", "spm": "layers.2"}
"""Name of the last linear layer by kind of score head. Scale and offset may be applied before a mean over tokens."""

log = logging.getLogger(__name__)


def model_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each entry of a model's state dict, without making the weights."""
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in build_model(config).state_dict().items()}


def current_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors of a file of 0.1.0 to the names of this version."""
    return {key.replace("score_head.looks.", "score_head.cross_attentions."): each for key, each in tensors.items()}


def check_state_dict(
    state: Mapping[str, Tensor], expected: Shapes, source: str, optional: Shapes | None = None
) -> None:
    """Check names and shapes of a state dict; CheckpointError lists missing, unknown and mis-shaped entries."""
    allowed = {**(optional or {}), **expected}
    problems = {
        "missing": [key for key in expected if key not in state],
        "unknown": [key for key in state if key not in allowed],
        "of another shape": [
            f"{key} {tuple(value.shape)} instead of {allowed[key]}"
            for key, value in state.items()
            if key in allowed and tuple(value.shape) != allowed[key]
        ],
    }
    lines = [f"{len(keys)} {kind}: {', '.join(first_few(keys))}" for kind, keys in problems.items() if keys]
    if lines:
        raise CheckpointError(f"{source} does not fit the model. " + "; ".join(lines))


def quantize_state(state: Mapping[str, Tensor], precision: str) -> dict[str, Tensor]:
    """Convert a state dict to a storage precision.

    int8 applies to the matrices of linear and convolution layers (`*.weight` with 2 or more dimensions): `NAME` holds
    integers in -127..127 and `NAME.scale` one float32 per output row. Other tensors become float16, or stay float32 if
    a value is beyond float16's range. Integer tensors stay unchanged.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    stored: dict[str, Tensor] = {}
    for key, value in state.items():
        value = value.detach().cpu().contiguous()
        if not value.is_floating_point():
            stored[key] = value
        elif precision == "int8" and key.endswith(".weight") and value.dim() >= 2:
            stored[key], stored[key + _SCALE] = _to_int8(value.float())
        else:
            half = value.half()
            stored[key] = value.float() if precision == "float32" or not half.isfinite().all() else half
    return stored


def dequantize_state(stored: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Undo `quantize_state`: all floating tensors become float32. An 8-bit matrix needs a scale for each row."""
    matrices = {key for key, value in stored.items() if value.dtype == torch.int8}
    state: dict[str, Tensor] = {}
    for key, value in stored.items():
        if key in matrices:
            state[key] = _from_int8(value, stored.get(key + _SCALE), f"{key} in {source}")
        elif key.removesuffix(_SCALE) not in matrices:
            state[key] = value
    return as_floats(state, source)


def as_floats(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Convert weights to float32, with a warning if some were whole numbers; CheckpointError for complex ones."""
    counters = {key for key in state if key.endswith("num_batches_tracked")}
    weights = {key: value for key, value in state.items() if key not in counters}
    if complex_ones := [key for key, value in weights.items() if value.is_complex()]:
        raise CheckpointError(f"{source} holds complex numbers, which no network here has: {first_few(complex_ones)}")
    if whole := [key for key, value in weights.items() if not value.is_floating_point()]:
        log.warning(
            "%s holds whole numbers where weights are fractions: they were rounded when it was written, so boxes will "
            "be wrong; save the weights again: %s",
            source,
            ", ".join(first_few(whole)),
        )
    return {key: value if key in counters else value.float() for key, value in state.items()}


def _to_int8(value: Tensor) -> tuple[Tensor, Tensor]:
    rows = value.flatten(1)
    scale = rows.abs().amax(1) / 127
    scale[scale == 0] = 1  # a row of zeros
    return (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(value), scale


def _from_int8(value: Tensor, scale: Tensor | None, what: str) -> Tensor:
    if scale is None or scale.shape != value.shape[:1]:
        raise CheckpointError(f"{what} has no scale for each of its rows; the file is damaged, convert it again")
    return value.float() * scale.float().view(-1, *[1] * (value.dim() - 1))


def require_score_head(config: ModelConfig) -> str:
    """Return the name of the score head's last layer. Raises ConfigError if the network has no score head."""
    if config.score not in _LAST_LAYERS:
        raise ConfigError(f"{config.name} has no score head, so there is no score to calibrate; use a model with one")
    return f"score_head.{_LAST_LAYERS[config.score]}"


def scale_score(state: Mapping[str, Tensor], config: ModelConfig, scale: float, offset: float) -> dict[str, Tensor]:
    """Change the score's logit to `scale` * logit + `offset`; all else stays unchanged, in the same tensors.

    Raises ConfigError if the network has no score head, or the scale is not above 0: the order of scores must stay.
    """
    layer = require_score_head(config)
    if not scale > 0:
        raise ConfigError(f"the scale of a score must be above 0, not {scale:g}: a higher score must stay higher")
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    return {**state, weight: state[weight] * scale, bias: state[bias] * scale + offset}
