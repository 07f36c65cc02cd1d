"""A variant is one entry of the table: nothing else has to know it."""

import numpy as np

from mixformer.cli.main import main
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import MODELS, SOURCES
from mixformer.models import build_model
from mixformer.tracking import Tracker
from mixformer.weights import list_models, load_model, save_model

TOY = ModelConfig("toy", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=16)


def test_a_variant_is_one_entry_of_the_table(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(MODELS, "toy", TOY)
    monkeypatch.setitem(SOURCES, "toy", "a test")
    listed = {model.name: model for model in list_models()}["toy"]
    assert listed.parameters == sum(each.numel() for each in build_model(MODELS["toy"]).parameters())
    assert main(["models"]) in (0, None)
    assert "toy" in capsys.readouterr().out
    folder = save_model(build_model(MODELS["toy"]), tmp_path / "toy")
    assert load_model(folder).config == TOY
    tracker, frame = Tracker(folder), np.zeros((90, 90, 3), np.uint8)
    tracker.init(frame, (20, 20, 30, 30))
    assert tracker.update(frame).score is not None
