"""The recipes of the shipped model and of what was tried beside it: they chain, are explained, and can be tried."""

from pathlib import Path

import pytest

from mixformer.cli import main
from mixformer.models import build_model
from mixformer.training.run_training import start_model
from mixformer.training.stages import build_stage
from mixformer.weights.load_save import load_model, save_model
from tests.helpers.recipes import FOLDER, OWN, PATHS, exported, recipe

SMALL = [
    f"model_overrides.{change}" for change in ("dim=16", "heads=2", "search_size=56", "template_size=28", "bins=16")
]
ORDER = (
    "dino_s8_boxes",
    "dino_s8_clips",
    "dino_s8_motion",
    "dino_s8_coarse",
    "dino_s8_teacher",
    "dino_s8_sparse",
    "dino_s6_fade",
    "dino_s6_boxes",
    "dino_s8_score",
)


def small(name, *changes):
    return recipe(name, *SMALL, *changes)


def test_every_recipe_has_its_place_and_is_explained():
    assert set(ORDER) == OWN
    text = (FOLDER.parent / "docs" / "training.md").read_text()
    assert [name for name in ORDER if f"recipes/{name}.toml" not in text] == []


def test_each_goes_on_from_one_before_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = set()
    for name in ORDER:
        plan = small(name)
        for path in filter(None, (name != "dino_s8_boxes" and plan.init_from, plan.teacher.model)):
            assert Path(path).parts[1] in made, (name, path)
        model = build_model(plan.network()) if name == "dino_s8_boxes" else start_model(plan)
        teacher = load_model(plan.teacher.model) if plan.stage == "distill" else None
        assert any(weight.requires_grad for weight in build_stage(model, plan, teacher).parameters())
        save_model(build_model(exported(plan)), Path("runs", name, "model"))
        made.add(name)


def test_the_score_recipe_fits_the_pruned_model(tmp_path, monkeypatch):
    """As its first lines say."""
    monkeypatch.chdir(tmp_path)
    save_model(build_model(small("dino_s6_boxes").network()), Path("runs/dino_s6_boxes/model"))
    plan = small("dino_s8_score", "model_overrides.depth=6", "init_from=runs/dino_s6_boxes/model")
    assert start_model(plan).config.depth == 6


@pytest.mark.parametrize("name", ["dino_s8_teacher", "dino_s6_fade"])
def test_the_way_to_a_smaller_model_can_be_tried(tmp_path, name):
    changes = [*SMALL, "model_overrides.head_dim=8"]
    words = ["train", str(PATHS[name]), "--out", str(tmp_path), "--dry-run", "--device", "cpu"]
    assert main([*words, "--set", *changes]) == 0
    config = load_model(tmp_path / "model").config
    assert (config.depth, config.head) == ((8, "pyramid") if "teacher" in name else (6, "token"))
