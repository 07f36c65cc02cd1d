"""`mixformer recipes`, and `mixformer train` by the name of a recipe."""

import json
import tomllib

import pytest

from mixformer.cli import main
from mixformer.errors import ConfigError
from mixformer.training import Recipe, list_recipes, recipe_list
from tests.helpers.recipes import FOLDER, PATHS


def test_every_file_is_listed_with_a_sentence(capsys):
    assert main(["recipes"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name}\n    " in f"\n{said}" for name in PATHS)
    assert all(len(line) < 80 for line in said.splitlines() if not line.startswith("files: "))
    entries = list_recipes()
    assert [entry.name for entry in entries] == list(PATHS)
    assert all(10 < len(entry.summary) < 200 and entry.summary.count(". ") == 0 for entry in entries)
    assert all(entry.summary.endswith(".") for entry in entries)


def test_the_list_is_json_on_request(capsys):
    assert main(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["path"] for row in rows} == {name: str(path) for name, path in PATHS.items()}


def test_a_name_and_its_path_are_the_same_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Recipe.from_toml("mixvit_stage1") == Recipe.from_toml(FOLDER / "mixvit_stage1.toml")
    # A file of that name wins, because the user made it.
    (tmp_path / "mixvit_stage1").write_text('model = "mixvit"\nmax_steps = 7')
    assert Recipe.from_toml("mixvit_stage1").max_steps == 7
    with pytest.raises(ConfigError, match=r"did you mean 'mixvit_stage1'.*`mixformer recipes` lists"):
        Recipe.from_toml("mixvit_stag1")


def test_train_takes_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ("depth=1", "dim=16", "heads=2", "search_size=56", "template_size=28", "bins=16")
    changes = [f"model_overrides.{each}" for each in small]
    assert main(["train", "dino_s8_boxes", "--out", "run", "--dry-run", "--device", "cpu", "--set", *changes]) == 0
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_a_wheel_holds_the_files_where_they_are_looked_for(tmp_path, monkeypatch):
    """The build copies `recipes/` into the package; `list_recipes` looks there first."""
    settings = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {"recipes": "mixformer/recipes"}
    package = tmp_path / "mixformer"
    (package / "recipes").mkdir(parents=True)
    (package / "recipes" / "mine.toml").write_text("# Trains nothing. Really.\n")
    places = tuple(package.parent / place.relative_to(FOLDER.parent) for place in recipe_list._PLACES)
    monkeypatch.setattr(recipe_list, "_PLACES", places)
    assert [(entry.name, entry.summary) for entry in list_recipes()] == [("mine", "Trains nothing.")]
