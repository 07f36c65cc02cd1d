"""Training: one stage of a tracker from a recipe, resumable at any step, on one device or many."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.models.mae import MaskConfig
    from mixformer.training.config import (
        CropSection,
        DataSection,
        LossSection,
        OptimizerSection,
        PruningSection,
        SetSection,
        TeacherSection,
    )
    from mixformer.training.pretraining import PretrainStage
    from mixformer.training.recipe import Recipe
    from mixformer.training.run_training import train

__all__ = [
    "CropSection",
    "DataSection",
    "LossSection",
    "MaskConfig",
    "OptimizerSection",
    "PretrainStage",
    "PruningSection",
    "Recipe",
    "SetSection",
    "TeacherSection",
    "train",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CropSection": "mixformer.training.config",
        "DataSection": "mixformer.training.config",
        "LossSection": "mixformer.training.config",
        "MaskConfig": "mixformer.models.mae",
        "OptimizerSection": "mixformer.training.config",
        "PretrainStage": "mixformer.training.pretraining",
        "PruningSection": "mixformer.training.config",
        "Recipe": "mixformer.training.recipe",
        "SetSection": "mixformer.training.config",
        "TeacherSection": "mixformer.training.config",
        "train": "mixformer.training.run_training",
    },
)
