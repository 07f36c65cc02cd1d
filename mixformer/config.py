"""Frozen configurations. A variant, a tracker setting or a training recipe is data, never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from mixformer.errors import ConfigError


class BaseConfig:
    """What every configuration can do: dictionaries, files, and errors that name the wrong field."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def to_file(self, path: str | Path) -> None:
        """Write as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)  # type: ignore[type-var]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            ConfigError: for an unknown key or an invalid value.
        """
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"{cls.__name__} has no field {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read JSON written by `to_file`.

        Raises:
            ConfigError: if the file is missing or is not a JSON object.
        """
        try:
            values = json.loads(Path(path).read_text())
        except FileNotFoundError as error:
            raise ConfigError(f"no configuration file at {path}") from error
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ConfigError(f"{path} is not a readable JSON file: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{path} must hold a JSON object")
        return cls.from_dict(values)

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise ConfigError(f"{type(self).__name__}: {message}")


@dataclass(frozen=True)
class ModelConfig(BaseConfig):
    """Everything that fixes the shape and arithmetic of one network.

    Attributes:
        name: variant name, for messages and files.
        depth: number of transformer blocks.
        dim: token width in channels.
        heads: attention heads; must divide `dim`.
        mlp_ratio: hidden width of the MLP in units of `dim`.
        patch_size: side of a square patch in pixels.
        search_size: side of the search crop in pixels, a multiple of `patch_size`.
        template_size: side of a template crop in pixels, a multiple of `patch_size`.
        position: "sincos" = fixed 2-D sin-cos tables; "frozen" = tables from a pre-trained model, not trained;
            "learned" = trained tables (the journal paper's position embeddings 3, 1 and 2).
        layer_scale: learned per-channel scale on both residual branches (DeiT III, DINOv2).
        prediction_tokens: 4 for MixFormerV2's left, right, top, bottom tokens, 0 for dense heads.
        head: "token" (V2), "corner" (plain) or "pyramid" (pyramidal corner head).
        bins: positions per edge of the token head.
        head_dim: first width of the corner towers; the token head works at `dim`.
        score: "token" = V2 score MLP on each prediction token, logits averaged as in the official code;
            "none" = no score.
        drop_path: rate of stochastic depth in the last block, rising linearly from 0 (training only).
        unused_keys: True if the official file carries the unused class token, position table, norm and
            classifier of its base class, so that conversion back can write them.
        mean: per-channel RGB mean of the normalisation, for values in 0..1.
        std: per-channel RGB standard deviation.
    """

    name: str
    depth: int
    dim: int = 768
    heads: int = 12
    mlp_ratio: float = 4.0
    patch_size: int = 16
    search_size: int = 288
    template_size: int = 128
    position: Literal["sincos", "frozen", "learned"] = "sincos"
    layer_scale: bool = False
    prediction_tokens: int = 4
    head: Literal["token", "corner", "pyramid"] = "token"
    bins: int = 96
    head_dim: int = 384
    score: Literal["token", "none"] = "token"
    drop_path: float = 0.0
    unused_keys: bool = False
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        for name in ("depth", "dim", "heads", "patch_size", "search_size", "template_size", "bins"):
            value = getattr(self, name)
            self._require(isinstance(value, int) and value > 0, f"{name} must be a whole number above 0, not {value!r}")
        self._require(self.dim % self.heads == 0, f"heads {self.heads} does not divide dim {self.dim}")
        self._require(self.dim % 4 == 0, f"dim {self.dim} must be a multiple of 4")
        for name in ("search_size", "template_size"):
            size = getattr(self, name)
            self._require(
                size % self.patch_size == 0, f"{name} {size} is not a multiple of patch_size {self.patch_size}"
            )
        self._require(self.mlp_ratio > 0, "mlp_ratio must be above 0")
        self._require(self.position in ("sincos", "frozen", "learned"), f"unknown position {self.position!r}")
        self._require(self.head in ("token", "corner", "pyramid"), f"unknown head {self.head!r}")
        self._require(self.score in ("token", "none"), f"unknown score {self.score!r}")
        tokens = 4 if self.head == "token" else 0
        self._require(self.prediction_tokens == tokens, f"head {self.head!r} needs prediction_tokens {tokens}")
        self._require(self.score == "none" or tokens == 4, "score 'token' needs the token head")
        self._require(0 <= self.drop_path < 1, "drop_path must be in [0, 1)")

    @property
    def search_grid(self) -> int:
        """Patches along one side of the search crop."""
        return self.search_size // self.patch_size

    @property
    def template_grid(self) -> int:
        """Patches along one side of a template crop."""
        return self.template_size // self.patch_size

    @property
    def mlp_dim(self) -> int:
        """Hidden width of the MLP in channels."""
        return round(self.dim * self.mlp_ratio)


@dataclass(frozen=True)
class TrackerConfig(BaseConfig):
    """Inference rules; the defaults are the official MixFormerV2 ones.

    Attributes:
        search_factor: side of the search crop in units of sqrt(w * h); larger follows faster motion but
            shows the target smaller.
        template_factor: side of a template crop in the same units.
        update_interval: frames between commits of the best candidate as online template; 0 = never update.
        online_templates: number of online templates kept (a ring; the first one starts as the initial template).
        score_threshold: a frame is a candidate only with a score above this (0..1).
        score_decay: factor on the best score so far, applied each frame; below 1 favours recent frames.
        margin: pixels of the box that must stay inside the frame, and its smallest side.
    """

    search_factor: float = 4.5
    template_factor: float = 2.0
    update_interval: int = 200
    online_templates: int = 1
    score_threshold: float = 0.5
    score_decay: float = 1.0
    margin: float = 10.0

    def __post_init__(self) -> None:
        self._require(self.search_factor > 0, "search_factor must be above 0")
        self._require(self.template_factor > 0, "template_factor must be above 0")
        self._require(self.update_interval >= 0, "update_interval must be 0 (never) or more")
        self._require(self.online_templates >= 1, "online_templates must be at least 1")
        self._require(0 <= self.score_threshold <= 1, "score_threshold must be in [0, 1]")
        self._require(0 < self.score_decay <= 1, "score_decay must be in (0, 1]")
        self._require(self.margin > 0, "margin must be above 0")
