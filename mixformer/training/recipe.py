"""A training run as data: what a recipe file in `recipes/` holds."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from mixformer.base_config import BaseConfig
from mixformer.errors import ConfigError


@dataclass(frozen=True)
class Recipe(BaseConfig):
    """One stage of training; relative paths start at the folder the command runs in.

    Attributes:
        model: variant to build.
        stage: "boxes" trains everything for the box; "score" trains the score head alone on a frozen network.
        start: weights to start from: a model folder of an earlier stage, taken whole, or a file that
            `load_pretrained` starts the backbone from; empty = random.
        data: folder of the data pack with `sequences/` and `images/`.
        sequences: weight of real video in the mixture.
        stills: weight of annotated stills.
        synthetic: weight of moving cut-outs.
        negatives: part of the shots without the target (score stage).
        max_gap: largest distance in frames between template and search.
        steps: optimiser steps.
        batch: samples per step.
        templates: template crops per sample, the static one included.
        search_factor: side of the search crop in units of sqrt(w * h).
        center_jitter: offsets of the search crop, uniform in +- half of this.
        scale_jitter: standard deviation of the log of each side of the search crop.
        template_jitter: both jitters of the template crops.
        flip_each: odds of mirroring each crop by itself.
        contrast: strength of contrast and colour changes.
        blur: odds of motion blur in the search crop.
        lr: peak learning rate of heads and tokens.
        backbone_lr: peak learning rate of the backbone.
        weight_decay: of AdamW, on matrices only.
        warmup: steps of linear warm-up.
        decay: steps of the final cosine decay to zero; in between the rate is constant, so that a run can be made
            longer or cut short without planning.
        clip: largest gradient norm.
        ema: decay of the moving average of the weights that is evaluated and exported; 0 = none.
        freeze: number of first blocks that stay as they are, with everything before them.
        l1: weight of the L1 loss on corners.
        ciou: weight of the complete-IoU loss.
        edges: weight of the cross-entropy of the four edge distributions.
        hints: weight of the auxiliary loss that asks search tokens whether they lie on the target and where the box is.
        precision: "bfloat16" computes matrix products in half precision (autocast), "float32" does not.
        seed: of weights and samples.
        workers: data loader processes.
        cache_mb: memory for decoded pictures in each loader process.
        save_every: steps between checkpoints.
    """

    model: str
    stage: Literal["boxes", "score"] = "boxes"
    start: str = ""
    data: str = "../shared/data"
    sequences: float = 1.0
    stills: float = 0.5
    synthetic: float = 0.5
    negatives: float = 0.0
    max_gap: int = 100
    steps: int = 4000
    batch: int = 16
    templates: int = 2
    search_factor: float = 4.0
    center_jitter: float = 3.0
    scale_jitter: float = 0.25
    template_jitter: float = 0.0
    flip_each: float = 0.0
    contrast: float = 0.2
    blur: float = 0.1
    lr: float = 5e-4
    backbone_lr: float = 1e-4
    weight_decay: float = 1e-4
    warmup: int = 200
    decay: int = 1000
    clip: float = 1.0
    ema: float = 0.998
    freeze: int = 0
    l1: float = 5.0
    ciou: float = 2.0
    edges: float = 1.0
    hints: float = 1.0
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    seed: int = 1
    workers: int = 1
    cache_mb: int = 2000
    save_every: int = 200

    def __post_init__(self) -> None:
        self._require(self.stage in ("boxes", "score"), f"stage must be 'boxes' or 'score', not {self.stage!r}")
        self._require(self.precision in ("bfloat16", "float32"), f"unknown precision {self.precision!r}")
        for name in ("steps", "batch", "templates", "save_every"):
            self._require(getattr(self, name) >= 1, f"{name} must be at least 1")
        self._require(0 <= self.ema < 1, "ema must be in [0, 1)")
        self._require(0 <= self.negatives <= 1, "negatives must be in [0, 1]")
        self._require(self.stage == "boxes" or self.negatives > 0, "the score stage needs negatives above 0")

    @classmethod
    def from_toml(cls, path: str | Path, **changes: Any) -> Self:
        """Read a recipe file; `changes` override its values.

        Raises:
            ConfigError: if the file is missing, is not TOML, or holds an unknown key.
        """
        try:
            values = tomllib.loads(Path(path).read_text())
        except FileNotFoundError as error:
            raise ConfigError(f"no recipe at {path}") from error
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not a readable TOML file: {error}") from error
        return cls.from_dict({**values, **changes})
