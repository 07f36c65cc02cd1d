"""The content of a recipe file: all settings of a training run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from mixformer.configs.base_config import BaseConfig
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import model_config
from mixformer.errors import ConfigError
from mixformer.files import LARGEST_SETTINGS, read_text_file
from mixformer.models.mae import MaskConfig
from mixformer.training.config import (
    CropSection,
    DataSection,
    LossSection,
    OptimizerSection,
    PruningSection,
    TeacherSection,
)
from mixformer.training.metric_boards import BOARDS
from mixformer.training.recipe_aliases import upgrade_recipe
from mixformer.training.recipe_list import find_recipe

Stage = Literal["box", "score", "distill", "pretrain"]


@dataclass(frozen=True)
class Recipe(BaseConfig):
    """One stage of training. Relative paths start at the current folder, those of `data.sets` at `data_root`.

    `from_toml`, `from_file` and `from_dict` accept the names of version 0.1.0, with a `DeprecationWarning` that lists
    the new ones.

    Attributes:
        model: variant to build, see `mixformer models`.
        model_overrides: fields of its `ModelConfig` to change, such as `{"head": "corner", "bins": 72}`.
        stage: "box" trains all parts for the box; "score" only the score head, on a frozen network; "distill" the box
            with a teacher; "pretrain" only the backbone, which learns to restore hidden patches.
        init_from: initial weights: the name of an included model or a model folder gives all of them, any other file
            the backbone (`load_pretrained`); empty = random.
        max_steps: optimizer steps; 0 = use `epochs`.
        epochs: passes over `epoch_samples` samples, if max_steps is 0.
        epoch_samples: samples of an epoch, all processes together.
        batch_size: samples of a step, all processes and micro-batches together.
        grad_accum_steps: micro-batches that each process splits its part of a step into, to save memory.
        templates: template crops of a sample, including the static one.
        precision: precision of matrix products: "float32", "bfloat16", or "float16" with a scaled loss (GPUs only).
            "auto" takes bfloat16, but float32 on a processor without instructions for it.
        seed: seed of weights and samples.
        save_interval: steps between checkpoints.
        val_interval: steps between validations on `val_data`, 0 = none; the best averaged weights are kept.
        patience: validations in a row without a better score after which the run ends; 0 = never.
        val_data: folder of annotated sequences for validation. Do not report results on the same sequences.
        tensorboard: write TensorBoard files beside the JSON lines; needs the extra `tensorboard`.
        wandb: write a run of Weights & Biases, offline unless WANDB_MODE is "online"; needs the extra `wandb`.
        mlflow: write a run of MLflow, beside the JSON lines or at MLFLOW_TRACKING_URI; needs the extra `mlflow`.
        data_root: folder that relative paths of `data.sets` start at; empty = the current folder.
        data: training data.
        crops: crops and augmentation.
        optimizer: optimizer and schedule.
        loss: weights of the loss.
        teacher: teacher ("distill").
        pruning: blocks that fade out ("distill").
        masks: hidden patches ("pretrain").

    Raises ConfigError for values that are out of range or contradict each other.

    Example:
        >>> recipe = Recipe("mixformerv2_s", {"depth": 2}, epochs=3, max_steps=0, batch_size=6000)
        >>> recipe.epoch_steps, recipe.total_steps, recipe.network().depth
        (10, 30, 2)
    """

    model: str
    model_overrides: dict[str, Any] = field(default_factory=dict)
    stage: Stage = "box"
    init_from: str = ""
    max_steps: int = 4000
    epochs: int = 0
    epoch_samples: int = 60000
    batch_size: int = 16
    grad_accum_steps: int = 1
    templates: int = 2
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    seed: int = 1
    save_interval: int = 200
    val_interval: int = 0
    patience: int = 0
    val_data: str = ""
    tensorboard: bool = False
    wandb: bool = False
    mlflow: bool = False
    data_root: str = ""
    data: DataSection = field(default_factory=DataSection)
    crops: CropSection = field(default_factory=CropSection)
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    loss: LossSection = field(default_factory=LossSection)
    teacher: TeacherSection = field(default_factory=TeacherSection)
    pruning: PruningSection = field(default_factory=PruningSection)
    masks: MaskConfig = field(default_factory=MaskConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_size", "grad_accum_steps", "templates", "save_interval", "epoch_samples"):
            self._require(getattr(self, name) >= 1, f"{name} must be at least 1")
        self._bound(0, 1e12, "max_steps", "epochs", "epoch_samples", "val_interval", "save_interval", "batch_size")
        self._bound(0, 1e6, "patience")
        self._bound(0, 2**40, "seed")
        self._bound(1, 100, "templates")
        self._require(self.max_steps > 0 or self.epochs > 0, "max_steps or epochs must be above 0")
        self._require(self.batch_size % self.grad_accum_steps == 0, "grad_accum_steps must divide batch_size")
        self._require(not self.val_interval or bool(self.val_data), "val_interval needs a folder in val_data")
        self._require(self.stage != "score" or self.data.negatives > 0, "the score stage needs data.negatives above 0")
        self._require(self.stage != "distill" or bool(self.teacher.model), "the distill stage needs teacher.model")

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch; a last incomplete one is left out."""
        return max(1, self.epoch_samples // self.batch_size)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.max_steps or self.epochs * self.epoch_steps

    @property
    def boards(self) -> tuple[str, ...]:
        """Other programs that the run writes its values to."""
        return tuple(name for name in BOARDS if getattr(self, name))

    def network(self) -> ModelConfig:
        """Configuration of the network to train; ConfigError for an unknown variant or an impossible change."""
        config = model_config(self.model)
        return ModelConfig.from_dict({**config.to_dict(), **self.model_overrides}) if self.model_overrides else config

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from nested dictionaries; ConfigError for an unknown or missing key, or an invalid value."""
        return super().from_dict(upgrade_recipe(values))

    @classmethod
    def from_toml(cls, path: str | Path, changes: Iterable[str] = ()) -> Self:
        """Read a recipe file.

        Args:
            path: TOML file, or the name of an included recipe (`list_recipes`).
            changes: "key=value" with a dotted key, such as "optimizer.lr=1e-4"; the value is JSON, or else text.

        Raises ConfigError if the file is missing, is not TOML, or holds an unknown key; also for a wrong change.
        """
        path = find_recipe(path)
        text = read_text_file(path, ConfigError, LARGEST_SETTINGS)
        try:
            values = tomllib.loads(text)
        except RecursionError:
            raise ConfigError(f"{path} is not a readable TOML file: it is nested too deeply") from None
        except ValueError as error:
            raise ConfigError(f"{path} is not a readable TOML file: {error}") from error
        return super().from_dict(upgrade_recipe(values, changes))
