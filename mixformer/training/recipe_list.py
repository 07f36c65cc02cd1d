"""The included recipes: their names, their files, and what each is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import mixformer
from mixformer.errors import ConfigError, did_you_mean
from mixformer.files import path_kind

# A wheel holds the folder in the package; in a checkout it lies beside the package.
_PACKAGE = Path(mixformer.__file__).parent
_PLACES = (_PACKAGE / "recipes", _PACKAGE.parent / "recipes")


@dataclass(frozen=True)
class RecipeEntry:
    """One entry of `list_recipes`.

    Attributes:
        name: name for `mixformer train`, `train` and `Recipe.from_toml`.
        path: its TOML file.
        summary: one sentence on what it trains.

    Example:
        >>> from mixformer.training import list_recipes
        >>> entry = next(entry for entry in list_recipes() if entry.name == "mixvit_l_stage1")
        >>> entry.summary, entry.path.name
        ('MixViT-L, stage 1: the box.', 'mixvit_l_stage1.toml')
    """

    name: str
    path: Path
    summary: str


def list_recipes() -> list[RecipeEntry]:
    """List the included recipes, in the order of their names.

    Example:
        >>> from mixformer.training import Recipe, list_recipes
        >>> "finetune" in [entry.name for entry in list_recipes()]
        True
        >>> Recipe.from_toml("mixvit_stage1").epochs
        500
    """
    folder = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
    return [RecipeEntry(path.stem, path, _summary(path)) for path in sorted(folder.glob("*.toml"))]


def find_recipe(name_or_path: str | Path) -> Path:
    """Return the file of a recipe: a path that exists, or that of an included recipe; ConfigError without either."""
    path = Path(name_or_path)
    entries = {entry.name: entry.path for entry in list_recipes()}
    if path_kind(path) or str(path) in entries:
        return path if path_kind(path) else entries[str(path)]
    near = did_you_mean(path.stem, entries) or ";"
    raise ConfigError(
        f"there is no recipe {path}{near} give a TOML file such as those in recipes/, or a name that "
        "`mixformer recipes` lists"
    )


def _summary(path: Path) -> str:
    """Return the first sentence of the comment that a file begins with."""
    lines = path.read_text(encoding="utf-8").split("\n")
    comment = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    text = " ".join(line.removeprefix("#").strip() for line in lines[:comment])
    return re.split(r"(?<=\.)\s", text)[0]
