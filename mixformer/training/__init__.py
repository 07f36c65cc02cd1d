"""Train a network by a recipe: every stage of the papers, resumable at any step."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.models.mae import MaskConfig
    from mixformer.training.pretraining import PretrainStage, reconstruction_sheet
    from mixformer.training.recipe import Recipe
    from mixformer.training.run_training import train

__all__ = ["MaskConfig", "PretrainStage", "Recipe", "reconstruction_sheet", "train"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MaskConfig": "mixformer.models.mae",
        "PretrainStage": "mixformer.training.pretraining",
        "Recipe": "mixformer.training.recipe",
        "reconstruction_sheet": "mixformer.training.pretraining",
        "train": "mixformer.training.run_training",
    },
)
