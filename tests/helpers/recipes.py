"""The recipe files of the repository."""

from functools import cache
from pathlib import Path

from mixformer.training.recipe import Recipe

FOLDER = Path(__file__).parents[2] / "recipes"
PATHS = {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
OWN = {name for name in PATHS if name.startswith("dino_")}  # see test_own_recipes.py
PAPERS = sorted(set(PATHS) - OWN - {"finetune"})


@cache
def recipe(name, *changes):
    return Recipe.from_toml(PATHS[name], changes)


def exported(plan):
    """Configuration of the model that a recipe leaves."""
    config = plan.network()
    return config.replace(depth=config.depth - len(plan.pruning.blocks))
