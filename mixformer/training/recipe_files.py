"""Find the recipes of this project by name: in a checkout, or in the installed package."""

from __future__ import annotations

from pathlib import Path

from mixformer.errors import ConfigError, did_you_mean

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "recipes", _PACKAGE.parent / "recipes")  # of a wheel, and of a checkout


def recipe_file(name: str) -> Path:
    """Return the file of a recipe of this project.

    Args:
        name: name without folder and ending, as in docs/recipes.md.

    Raises:
        ConfigError: if there is no such recipe.

    Example:
        >>> from mixformer.training.recipe_files import recipe_file
        >>> recipe_file("mixvit_stage1").name
        'mixvit_stage1.toml'
    """
    for folder in _PLACES:
        if (found := folder / f"{name}.toml").is_file():
            return found
    known = sorted(path.stem for folder in _PLACES for path in folder.glob("*.toml"))
    raise ConfigError(f"there is no recipe {name!r} in this package{did_you_mean(name, known)}")
