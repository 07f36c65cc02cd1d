"""Training: one stage of a tracker from a recipe, resumable at any step, on one device or many."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.models.mae import MaskConfig as MaskConfig
    from mixformer.training.ablation_curves import ablation_figure as ablation_figure
    from mixformer.training.ablation_runs import AblationResult as AblationResult, run_ablation as run_ablation
    from mixformer.training.ablation_tables import (
        ABLATIONS as ABLATIONS,
        AblationRow as AblationRow,
        AblationTable as AblationTable,
        ablation as ablation,
    )
    from mixformer.training.ablation_texts import ablation_report as ablation_report
    from mixformer.training.config import (
        CropSection as CropSection,
        DataSection as DataSection,
        LossSection as LossSection,
        OptimizerSection as OptimizerSection,
        PruningSection as PruningSection,
        SetSection as SetSection,
        TeacherSection as TeacherSection,
    )
    from mixformer.training.finetuning import finetune as finetune
    from mixformer.training.pretraining import PretrainStage as PretrainStage
    from mixformer.training.recipe import Recipe as Recipe
    from mixformer.training.recipe_list import RecipeEntry as RecipeEntry, list_recipes as list_recipes
    from mixformer.training.route_runs import StepReport as StepReport, plan_route as plan_route, run_route as run_route
    from mixformer.training.routes import ROUTES as ROUTES, RouteStep as RouteStep
    from mixformer.training.run_training import train as train
    from mixformer.training.score_calibration import Calibration as Calibration, calibrate as calibrate
    from mixformer.training.tuning_results import FineTuned as FineTuned, TrackingNumbers as TrackingNumbers
else:
    __getattr__, __dir__, __all__ = lazy_names()
