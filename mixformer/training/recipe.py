"""A training run as data: what a recipe file in `recipes/` holds, section by section."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from mixformer.configs.base_config import BaseConfig
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import model_config
from mixformer.errors import ConfigError
from mixformer.training.config import (
    CropSection,
    DataSection,
    LossSection,
    MaskSection,
    OptimizerSection,
    PruningSection,
    TeacherSection,
)

Stage = Literal["boxes", "score", "distil", "pretrain"]


@dataclass(frozen=True)
class Recipe(BaseConfig):
    """One stage of training; relative paths start at the folder the command runs in.

    Attributes:
        model: variant to build.
        changes: fields of its `ModelConfig` to change, such as `{"head": "corner", "bins": 72}`.
        stage: "boxes" trains for the box; "score" the score head alone on a frozen network; "distil" for the box and a
            teacher's answers; "pretrain" the backbone alone, to restore hidden patches.
        start: weights to start from: a model folder of an earlier stage, taken whole, or a file that
            `load_pretrained` starts the backbone from; empty = random.
        steps: optimizer steps; 0 takes `epochs`.
        epochs: passes over `epoch_samples` samples, where steps is 0.
        epoch_samples: samples of an epoch, all processes together.
        batch: samples of a step, all processes and micro-batches together.
        accumulate: micro-batches that a process splits its part of a step into, to save memory.
        templates: template crops of a sample, the static one included.
        precision: of matrix products: "float32", "bfloat16", or "float16" with a scaled loss (GPUs only).
        seed: of weights and samples.
        save_every: steps between checkpoints.
        validate_every: steps between measurements on `validate`, 0 = none; the best averaged weights are kept.
        validate: folder of annotated sequences to measure on during training; never those that results are reported on.
        tensorboard: write TensorBoard's files beside the JSON lines; needs the extra `tensorboard`.
        data: what is learnt from.
        crops: how samples are cut and changed.
        optimizer: how weights move.
        loss: what is minimized.
        teacher: whom to follow ("distil").
        pruning: blocks that fade out ("distil").
        masks: what is hidden ("pretrain").
    """

    model: str
    changes: dict[str, Any] = field(default_factory=dict)
    stage: Stage = "boxes"
    start: str = ""
    steps: int = 4000
    epochs: int = 0
    epoch_samples: int = 60000
    batch: int = 16
    accumulate: int = 1
    templates: int = 2
    precision: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    seed: int = 1
    save_every: int = 200
    validate_every: int = 0
    validate: str = ""
    tensorboard: bool = False
    data: DataSection = field(default_factory=DataSection)
    crops: CropSection = field(default_factory=CropSection)
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    loss: LossSection = field(default_factory=LossSection)
    teacher: TeacherSection = field(default_factory=TeacherSection)
    pruning: PruningSection = field(default_factory=PruningSection)
    masks: MaskSection = field(default_factory=MaskSection)

    def __post_init__(self) -> None:
        stages = ("boxes", "score", "distil", "pretrain")
        self._require(self.stage in stages, f"stage must be one of {', '.join(stages)}, not {self.stage!r}")
        self._require(self.precision in ("bfloat16", "float16", "float32"), f"unknown precision {self.precision!r}")
        for name in ("batch", "accumulate", "templates", "save_every", "epoch_samples"):
            self._require(getattr(self, name) >= 1, f"{name} must be at least 1")
        self._require(self.steps > 0 or self.epochs > 0, "steps or epochs must be above 0")
        self._require(self.batch % self.accumulate == 0, "accumulate must divide batch")
        self._require(not self.validate_every or bool(self.validate), "validate_every needs a folder in validate")
        self._require(self.stage != "score" or self.data.negatives > 0, "the score stage needs data.negatives above 0")
        self._require(self.stage != "distil" or bool(self.teacher.model), "the distil stage needs teacher.model")

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch; a last incomplete one is left out."""
        return max(1, self.epoch_samples // self.batch)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.steps or self.epochs * self.epoch_steps

    def network(self) -> ModelConfig:
        """Configuration of the network to train.

        Raises:
            ConfigError: for an unknown variant or an impossible change.
        """
        config = model_config(self.model)
        return ModelConfig.from_dict({**config.to_dict(), **self.changes}) if self.changes else config

    @classmethod
    def from_toml(cls, path: str | Path, changes: Iterable[str] = ()) -> Self:
        """Read a recipe file.

        Args:
            path: TOML file.
            changes: "key=value" with a dotted key, such as "optimizer.lr=1e-4"; the value is JSON, or else text.

        Raises:
            ConfigError: if the file is missing, is not TOML, or holds an unknown key; the same for a change.
        """
        try:
            values = tomllib.loads(Path(path).read_text())
        except FileNotFoundError as error:
            raise ConfigError(f"no recipe at {path}") from error
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not a readable TOML file: {error}") from error
        for change in changes:
            _apply(values, change)
        return cls.from_dict(values)


def _apply(values: dict[str, Any], change: str) -> None:
    """Put one "a.b=value" into nested values."""
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(f"{change!r} is no change of a recipe: write key=value, such as optimizer.lr=1e-4")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{change!r}: the value is no finite number")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{change!r}: {section} is no section of a recipe")
    values[last] = value
