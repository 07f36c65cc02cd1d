"""The sections of a recipe; `mixformer.training.recipe` has the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mixformer.configs.base_config import BaseConfig
from mixformer.data.augmentation import Augmentation
from mixformer.training.distill_config import PruningSection as PruningSection, TeacherSection as TeacherSection

_SAMPLERS = ("near", "causal", "trident", "trident_pro", "stark")


@dataclass(frozen=True)
class SetSection(BaseConfig):
    """One source of training samples: an entry of `data.sets`.

    Attributes:
        root: folder or archive of the data set, relative to the recipe's `data_root`. For "images" and "cutouts" it may
            be a list of folders.
        kind: "video" for sequences; "images" for annotated pictures; "cutouts" for objects to cut out and paste over
            `backgrounds`. docs/data.md describes the files of each kind.
        weight: share of the samples, relative to the other entries.
        name: "video" only: a data set of `mixformer data list`, or "custom" for your own sequences.
        split: split of the data set; "" takes its first.
        ids: file with the sequences to use; see `mixformer.data.DatasetOptions`.
        exclude: file with the sequences to leave out; see `mixformer.data.DatasetOptions`.
        chunks: numbers of the parts to use (TrackingNet).
        cache: folder for an index of large annotation files.
        where: use only sequences whose `meta.json` has these values (your own sequences).
        sampler: overrides `data.sampler` for this entry.
        backgrounds: folders of pictures to paste cut-outs on ("cutouts" only).

    Raises ConfigError for an unknown kind or sampler, or a field that is wrong or missing for the kind.

    Example:
        >>> SetSection("my_videos", weight=2.0).name
        'custom'
        >>> SetSection("my_objects", "cutouts", backgrounds=("my_photos",)).backgrounds
        ('my_photos',)
    """

    root: str | tuple[str, ...]
    kind: Literal["video", "images", "cutouts"] = "video"
    weight: float = 1.0
    name: str = "custom"
    split: str = ""
    ids: str = ""
    exclude: str = ""
    chunks: tuple[int, ...] = ()
    cache: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    sampler: str = ""
    backgrounds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.sampler in ("", *_SAMPLERS), f"unknown sampler {self.sampler!r}")
        self._require(self.kind != "video" or isinstance(self.root, str), "a video set has one root, not a list")
        self._require(not self.where or self.name == "custom", "where is for your own sequences (name = 'custom')")
        has, needs = bool(self.backgrounds), self.kind == "cutouts"
        self._require(has == needs, "cut-outs need backgrounds, and no other kind uses them")
        self._require(self.weight >= 0, "weight must be 0 or more")
        self._bound(0, 1e9, "weight")

    @property
    def roots(self) -> tuple[str, ...]:
        """All folders of the entry."""
        return (self.root,) if isinstance(self.root, str) else self.root


@dataclass(frozen=True)
class DataSection(BaseConfig):
    """Training data.

    Attributes:
        sets: sources of samples.
        sampler: rule that chooses frames of a video. "causal" and "trident_pro" are the official samplers of the first
            and of the score stage; "trident" and "stark" are variants of the latter; "near" takes frames in any order.
        max_gap: largest distance in frames between template and search frame.
        negatives: share of samples without the target, 0..1 (score stage).
        negative_rule: search crop of a sample without the target. "absent" (official): a frame of the video without
            the target, or another target. "elsewhere": another place in the search frame, or another target.
        distractor_prob: probability that a scene of cut-outs shows a second copy of the target, 0..1.
        smooth_motion: move cut-outs along smooth paths, with occlusion and motion blur; by default their places in each
            frame are random.
        cache_mb: memory in MB for decoded pictures in each loader process.
        workers: number of loader processes of each training process.
        crop_on: place where crops are made. "loader": one by one in the loader processes; "device": a whole batch at
            once on the training device; "auto": on the device if it is a GPU. Samples are equal up to rounding.

    Raises ConfigError for an unknown value, or a share outside of 0..1.

    Example:
        >>> DataSection((SetSection("my_videos"), SetSection("my_photos", "images", weight=0.5)), max_gap=50).sampler
        'near'
    """

    sets: tuple[SetSection, ...] = ()
    sampler: Literal["near", "causal", "trident", "trident_pro", "stark"] = "near"
    max_gap: int = 100
    negatives: float = 0.0
    negative_rule: Literal["absent", "elsewhere"] = "absent"
    distractor_prob: float = 0.0
    smooth_motion: bool = False
    cache_mb: int = 2000
    workers: int = 1
    crop_on: Literal["auto", "loader", "device"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(0 <= self.negatives <= 1, "negatives must be in [0, 1]")
        self._require(0 <= self.distractor_prob <= 1, "distractor_prob must be in [0, 1]")
        self._require(self.workers >= 0, "workers must be 0 or more")
        self._bound(0, 1024, "workers")
        self._bound(1, 1e9, "max_gap")
        self._bound(0, 1e8, "cache_mb")


@dataclass(frozen=True)
class CropSection(Augmentation):
    """Cropping and augmentation: the fields of `mixformer.data.augmentation.Augmentation`, and these.

    Attributes:
        search_factor: side of the search crop in units of sqrt(w * h) of the target.
        template_factor: side of a template crop in the same units.
        official: use the official code's augmentation, except for factors and jitter. Flips, light and blur of the
            recipe are then ignored.

    Example:
        >>> CropSection(center_jitter=4.5, official=True).augmentation.brightness
        0.2
    """

    search_factor: float = 4.0
    template_factor: float = 2.0
    official: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._bound(0.1, 100, "search_factor", "template_factor")

    @property
    def augmentation(self) -> Augmentation:
        """The augmentation, with `official` applied."""
        return self.with_official_processing() if self.official else self


@dataclass(frozen=True)
class OptimizerSection(BaseConfig):
    """Settings of the optimizer.

    Attributes:
        lr: peak learning rate of heads, and of prediction tokens unless `tokens_with_backbone`.
        backbone_lr: peak learning rate of the backbone.
        tokens_with_backbone: prediction tokens learn at the backbone's rate, as in the official code.
        weight_decay: weight decay of matrices; with `decay_all`, of all parameters.
        decay_all: apply weight decay to norms, biases and tokens too, as in the official code.
        betas: decay rates of the running means of gradient and squared gradient.
        schedule: "wsd" (warm-up, stable, decay): constant, then half a cosine to zero over the last `decay_steps`, so
            that a run can be made longer or shorter; "multistep": one tenth after `lr_drop_at`; "cosine": half a cosine
            to zero.
        warmup_steps: steps of linear warm-up.
        decay_steps: steps of the final decay ("wsd").
        lr_drop_at: fraction of the run after which the rate drops ("multistep"); 0.8 is epoch 400 of 500.
        grad_clip: largest gradient norm; 0 = no limit.
        ema_decay: decay of the moving average of the weights, which is validated and exported; 0 = no average.
        freeze_blocks: number of first blocks that are not trained; the layers before them are not trained either.
        algorithm: "adamw", or "adam" with the weight decay in the gradient, as the papers write for MixCvT.

    Raises ConfigError for an unknown schedule, or a value out of range.

    Example:
        >>> OptimizerSection(lr=1e-3, schedule="cosine", grad_clip=0.1).ema_decay
        0.998
    """

    lr: float = 5e-4
    backbone_lr: float = 1e-4
    tokens_with_backbone: bool = False
    weight_decay: float = 1e-4
    decay_all: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["wsd", "multistep", "cosine"] = "wsd"
    warmup_steps: int = 200
    decay_steps: int = 1000
    lr_drop_at: float = 0.8
    grad_clip: float = 1.0
    ema_decay: float = 0.998
    freeze_blocks: int = 0
    algorithm: Literal["adamw", "adam"] = "adamw"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(0 <= self.ema_decay < 1, "ema_decay must be in [0, 1)")
        self._require(0 < self.lr_drop_at <= 1, "lr_drop_at must be in (0, 1]")
        self._bound(0, 1e6, "lr", "backbone_lr", "weight_decay", "grad_clip")
        self._bound(0, 1e12, "warmup_steps", "decay_steps", "freeze_blocks")
        self._require(all(0 <= beta < 1 for beta in self.betas), f"betas must be in [0, 1), not {self.betas}")


@dataclass(frozen=True)
class LossSection(BaseConfig):
    """Weights of the loss parts that compare with the true box; a part with weight 0 is not computed.

    Attributes:
        l1: weight of the L1 loss of the corners.
        iou_weight: weight of the IoU loss.
        iou_type: kind of IoU loss: "ciou" (official code) or "giou" (first paper).
        dfl: weight of the distribution focal loss, the cross-entropy of the four edge distributions against the two
            nearest bins (Generalized Focal Loss, Li et al. 2020). For a corner head these are marginals of its maps.
        aux: weight of the auxiliary loss: search tokens predict whether they are on the target, and where it is.
        score: weight of the cross-entropy of the score ("box" stage); needs samples without the target as well.

    Raises ConfigError for an unknown `iou_type`, or a weight out of range.

    Example:
        >>> LossSection(iou_type="giou", dfl=1.0).l1
        5.0
    """

    l1: float = 5.0
    iou_weight: float = 2.0
    iou_type: Literal["ciou", "giou"] = "ciou"
    dfl: float = 0.0
    aux: float = 0.0
    score: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._bound(0, 1e6, "l1", "iou_weight", "dfl", "aux", "score")
