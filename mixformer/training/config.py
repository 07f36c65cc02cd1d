"""The sections of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixformer.configs.base_config import BaseConfig
from mixformer.models.mae import MaskConfig as MaskSection

__all__ = [
    "CropSection",
    "DataSection",
    "LossSection",
    "MaskSection",
    "OptimizerSection",
    "PruningSection",
    "SetSection",
    "TeacherSection",
]


@dataclass(frozen=True)
class SetSection(BaseConfig):
    """One data set of the mixture.

    Attributes:
        name: of the set, as `mixformer data list` has it; or "custom" for a folder or JSON of your own.
        root: where it lies.
        weight: share of the samples, in units of all weights.
        split: part of the set, where it has several.
        ids: file of the sequences to take, and
        exclude: file of those to leave out (GOT-10k's list for "vottrain"); see `mixformer.data.DatasetOptions`.
        chunks: numbers of the parts to take (TrackingNet).
        cache: folder for compact indices of large annotation files.
    """

    name: str
    root: str
    weight: float = 1.0
    split: str = ""
    ids: str = ""
    exclude: str = ""
    chunks: tuple[int, ...] = ()
    cache: str = ""


@dataclass(frozen=True)
class DataSection(BaseConfig):
    """What is learnt from.

    Attributes:
        sets: public data sets, or your own.
        sampler: which frames make a sample of `sets`: "causal" and "trident_pro" are those of the official first and
            score stages, "trident" and "stark" their relatives, "near" = any order within the gap.
        root: folder of the project's data pack with `sequences/` and `images/`.
        sequences: weight of its real video in the mixture.
        stills: weight of its annotated stills.
        synthetic: weight of cut-outs over its pictures.
        lookalikes: odds that a cut-out has a second copy of itself in its scene.
        moving: cut-outs move smoothly, pass behind each other and blur; else each frame places them anew.
        negatives: part of the samples without the target (score stage).
        max_gap: largest distance in frames between template and search.
        cache_mb: memory for decoded pictures in each loader process.
        workers: loader processes of each training process.
        crops: where crops, resizing, blur and light are made: "loader" = one by one in the loader processes; "device" =
            for a whole batch at once where the network is; "auto" = on the device if that is a GPU. The samples are the
            same but for the rounding of light.
    """

    sets: tuple[SetSection, ...] = ()
    sampler: Literal["near", "causal", "trident", "trident_pro", "stark"] = "near"
    root: str = "../shared/data"
    sequences: float = 0.0
    stills: float = 0.0
    synthetic: float = 0.0
    lookalikes: float = 0.0
    moving: bool = False
    negatives: float = 0.0
    max_gap: int = 100
    cache_mb: int = 2000
    workers: int = 1
    crops: Literal["auto", "loader", "device"] = "auto"

    def __post_init__(self) -> None:
        places = ("auto", "loader", "device")
        self._require(self.crops in places, f"data.crops must be one of {', '.join(places)}, not {self.crops!r}")
        self._require(0 <= self.negatives <= 1, "negatives must be in [0, 1]")
        self._require(0 <= self.lookalikes <= 1, "lookalikes must be in [0, 1]")
        self._require(self.workers >= 0, "workers must be 0 or more")


@dataclass(frozen=True)
class CropSection(BaseConfig):
    """How samples are cut and changed; see `mixformer.data.augmentation.Augmentation`.

    Attributes:
        search_factor: side of the search crop in units of sqrt(w * h).
        template_factor: side of a template crop in the same units.
        center_jitter: offsets of the search crop, uniform in +- half of this.
        scale_jitter: standard deviation of the log of each side of the search crop.
        motion: part of the search crops whose offsets are those of a target between two frames, so that the network
            learns to expect it near the middle; see `mixformer.data.augmentation.Jitter`.
        motion_spread: mean absolute offset of these along each axis.
        template_jitter: both jitters of the template crops.
        flip_each: odds of mirroring each crop by itself.
        brightness: each crop is multiplied by 1 +- this.
        contrast: strength of contrast and color changes.
        blur: odds of motion blur in the search crop.
        coarse: odds of frames shrunk till the target is 12 to 40 pixels large, so that crops look as those of small
            targets do.
        official: everything but the factors and jitters as in the official code (`Augmentation.official`); flips, light
            and blur given here are then not read.
    """

    search_factor: float = 4.0
    template_factor: float = 2.0
    center_jitter: float = 3.0
    scale_jitter: float = 0.25
    motion: float = 0.0
    motion_spread: float = 0.15
    template_jitter: float = 0.0
    flip_each: float = 0.0
    brightness: float = 0.2
    contrast: float = 0.2
    blur: float = 0.1
    coarse: float = 0.0
    official: bool = False

    def __post_init__(self) -> None:
        self._require(0 <= self.motion <= 1, "motion must be in [0, 1]")
        self._require(self.motion_spread > 0, "motion_spread must be above 0")
        self._require(0 <= self.coarse <= 1, "coarse must be in [0, 1]")


@dataclass(frozen=True)
class OptimizerSection(BaseConfig):
    """How weights move: AdamW.

    Attributes:
        lr: peak learning rate of heads, and of prediction tokens unless `tokens_with_backbone`.
        backbone_lr: peak learning rate of the backbone.
        tokens_with_backbone: prediction tokens learn at the backbone's rate, as in the official code.
        weight_decay: on matrices, or with `decay_all` on everything.
        decay_all: weight decay on norms, biases and tokens too, as in the official code.
        betas: of the running means of gradient and square.
        schedule: "tail" = constant, then a cosine to zero over the last `decay` steps, so that a run can be made longer
            or shorter without planning; "step" = one tenth from `drop_at` on; "cosine" = half a cosine to zero.
        warmup: steps of linear warm-up.
        decay: steps of the final decay ("tail").
        drop_at: part of the run after which the rate drops ("step"); 0.8 is epoch 400 of 500.
        clip: largest gradient norm; 0 = no limit.
        ema: decay of the moving average of the weights that is measured and exported; 0 = none.
        freeze: number of first blocks that stay as they are, with everything before them.
    """

    lr: float = 5e-4
    backbone_lr: float = 1e-4
    tokens_with_backbone: bool = False
    weight_decay: float = 1e-4
    decay_all: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["tail", "step", "cosine"] = "tail"
    warmup: int = 200
    decay: int = 1000
    drop_at: float = 0.8
    clip: float = 1.0
    ema: float = 0.998
    freeze: int = 0

    def __post_init__(self) -> None:
        self._require(0 <= self.ema < 1, "ema must be in [0, 1)")
        self._require(self.schedule in ("tail", "step", "cosine"), f"unknown schedule {self.schedule!r}")
        self._require(0 < self.drop_at <= 1, "drop_at must be in (0, 1]")


@dataclass(frozen=True)
class LossSection(BaseConfig):
    """What is minimized, as weights of the parts.

    Attributes:
        l1: of the L1 loss on corners.
        iou: of the loss on overlap.
        overlap: that loss: "ciou" (official code), or "giou" (the first paper).
        edges: of the cross-entropy of the four edge distributions; those of a corner head are marginals of its maps.
        hints: of the auxiliary loss that asks search tokens whether they lie on the target and where the box is.
    """

    l1: float = 5.0
    iou: float = 2.0
    overlap: Literal["ciou", "giou"] = "ciou"
    edges: float = 0.0
    hints: float = 0.0

    def __post_init__(self) -> None:
        self._require(self.overlap in ("ciou", "giou"), f"unknown overlap loss {self.overlap!r}")


@dataclass(frozen=True)
class TeacherSection(BaseConfig):
    """Whom to follow.

    Attributes:
        model: name, folder or checkpoint of the teacher.
        logits: weight of the divergence of the edge distributions.
        features: weight of the mean squared error of block outputs.
        student_blocks: blocks of the student that are compared, numbered from 0.
        teacher_blocks: blocks of the teacher that they are compared with.
    """

    model: str = ""
    logits: float = 5.0
    features: float = 0.0
    student_blocks: tuple[int, ...] = ()
    teacher_blocks: tuple[int, ...] = ()


@dataclass(frozen=True)
class PruningSection(BaseConfig):
    """Blocks of the student that fade out and are left out of the model that is written.

    Attributes:
        remove: their numbers, from 0.
        epochs: epochs until they are gone.
        form: "official", or "paper" for formula (8) as printed.
    """

    remove: tuple[int, ...] = ()
    epochs: int = 40
    form: Literal["official", "paper"] = "official"
