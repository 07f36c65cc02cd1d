"""What a recipe starts from: another run's model folder, whole or in part, and when it is refused."""

from pathlib import Path

import pytest
import torch

from mixformer.errors import CheckpointError, ConfigError
from mixformer.models import build_model
from mixformer.training.config import DataSection
from mixformer.training.recipe import Recipe
from mixformer.training.run_training import start_model
from mixformer.weights.load_save import load_weights, save_model

START = Recipe(
    "mixformerv2_d12",
    {"depth": 2, "dim": 16, "heads": 2, "search_size": 64, "template_size": 32, "bins": 16, "drop_path": 0.0},
    init_from="start",
)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A model folder `start` of START's network."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    model = build_model(START.network())
    save_model(model, "start")
    return model.state_dict()


def other(stage="box", **changes):
    return START.replace(
        model_overrides={**START.model_overrides, **changes}, stage=stage, data=DataSection(negatives=0.5)
    )


def test_a_start_of_the_same_network_is_taken_whole(start, caplog):
    """Under the recipe's own name and rates, which are no part of the weights."""
    plan = other(name="mine", drop_path=0.2, frozen_norms="all", elimination=[[0, 9]])
    model = start_model(plan)
    assert model.config == plan.network()
    assert all(torch.equal(value, start[key]) for key, value in model.state_dict().items())
    assert not caplog.records


def test_search_tokens_that_come_back_are_a_warning(start, caplog):
    """A recipe of the included model's name made a slower network of the included weights, without a word."""
    save_model(build_model(other(elimination=[[0, 9]]).network()), "fewer")
    assert start_model(START.replace(init_from="fewer")).config.elimination == ()
    assert "fewer leaves search tokens out" in caplog.text
    assert "model_overrides.elimination=[[0,9]]" in caplog.text
    caplog.clear()
    start_model(other(elimination=[[0, 9]]).replace(init_from="fewer"))
    assert not caplog.records


def test_heads_of_another_form_start_anew_and_are_named(start, caplog):
    def taken(plan):
        """Keys with the start's values; what was logged."""
        caplog.clear()
        torch.manual_seed(2)
        state = start_model(plan).state_dict()
        same = {key for key in state if key in start and torch.equal(state[key], start[key])}
        assert all(key in same for key in state if key.startswith("backbone."))
        return {key for key in state if key not in same}, caplog.text

    new, text = taken(other(bins=32))
    assert new == {f"box_head.{key}" for key in ("bins.weight", "bins.bias", "bins_norm.weight", "bins_norm.bias")}
    assert all(key in text for key in new)
    assert text.count("box_head.") == len(new)
    new, text = taken(other("score", score="token"))
    assert {key.split(".")[0] for key in new} == {"score_head"}
    assert text.rstrip().endswith("fits: score_head")


def test_a_box_head_of_another_kind_starts_anew_as_a_whole(start):
    """Even where layers happen to have the same shape."""
    dense = START.model_overrides | {"prediction_tokens": 0, "head": "pyramid", "head_dim": 8}
    save_model(build_model(START.replace(model_overrides=dense).network()), "dense")
    before = load_weights("dense").state
    after = start_model(other(**dense | {"head": "corner"}).replace(init_from="dense")).state_dict()
    shared = [key for key in after if key in before and key.startswith("box_head.") and key.endswith("0.weight")]
    assert any(before[key].shape == after[key].shape for key in shared)
    assert not any(before[key].shape == after[key].shape and torch.equal(before[key], after[key]) for key in shared)


def test_another_network_is_no_start(start):
    with pytest.raises(ConfigError, match=r"from the recipe's in depth \(2, not 3\), mlp_ratio \(4.0, not 2.0\)"):
        start_model(other(depth=3, mlp_ratio=2.0))
    file = str(Path("start", "model.safetensors"))
    with pytest.raises(ConfigError, match=rf"search_size \(64, not 96\).*give {file} to load only the backbone"):
        start_model(other(search_size=96))
    model = start_model(other(search_size=96).replace(init_from=file))
    assert torch.equal(model.backbone.blocks[0].norm1.weight, start["backbone.blocks.0.norm1.weight"])
    with pytest.raises(ConfigError, match=r"mean \("):
        start_model(other(mean=[0.5, 0.5, 0.5]))


def test_the_score_stage_needs_a_trained_box_head(start):
    """It would stay as random as it begins."""
    with pytest.raises(ConfigError, match=r"bins \(16, not 32\).*train the box first"):
        start_model(other("score", score="token", bins=32))


def test_a_missing_start_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        start_model(START.replace(init_from=str(tmp_path / "nowhere" / "model")))
