"""Configurations refuse what cannot be built; published settings are found by name."""

import pytest

from mixformer.config import ModelConfig, TrackerConfig
from mixformer.errors import ConfigError
from mixformer.variants import DEFAULT_MODEL, MODELS, PRESETS, SOURCES, model_config, tracker_config


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": 0},
        {"depth": 1.5},
        {"heads": 5},
        {"dim": 770},
        {"search_size": 290},
        {"template_size": 100},
        {"mlp_ratio": 0},
        {"position": "rotary"},
        {"head": "query"},
        {"score": "magic"},
        {"head": "corner"},
        {"head": "corner", "prediction_tokens": 0},
        {"prediction_tokens": 0},
        {"drop_path": 1.0},
    ],
)
def test_impossible_models(changes):
    with pytest.raises(ConfigError, match="ModelConfig"):
        model_config("mixformerv2_b").replace(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"search_factor": 0},
        {"template_factor": -1},
        {"update_interval": -1},
        {"online_templates": 0},
        {"score_threshold": 1.1},
        {"score_decay": 0},
        {"margin": 0},
    ],
)
def test_impossible_rules(changes):
    with pytest.raises(ConfigError, match="TrackerConfig"):
        TrackerConfig(**changes)


@pytest.mark.parametrize("config", [*MODELS.values(), *(p.tracker for p in PRESETS)], ids=str)
def test_files_keep_everything(config, tmp_path):
    config.to_file(tmp_path / "config.json")
    assert type(config).from_file(tmp_path / "config.json") == config


def test_bad_files(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(ConfigError, match="no configuration file"):
        ModelConfig.from_file(path)
    for content, message in (("{", "not a readable JSON"), ("[]", "JSON object"), ('{"depht": 3}', "no field depht")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            ModelConfig.from_file(path)


def test_the_table_is_whole():
    assert set(SOURCES) == set(MODELS)
    assert all(name == config.name for name, config in MODELS.items())
    assert DEFAULT_MODEL in MODELS
    assert len({(p.model, p.benchmark) for p in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize(
    ("model", "benchmark", "factor", "interval", "templates"),
    [
        ("mixformerv2_b", "LaSOT", 5.0, 200, 1),
        ("mixformerv2_b", "got10k", 5.0, 10, 1),
        ("mixformerv2_s", "lasot", 4.4, 200, 1),
        ("mixformerv2_s", "trackingnet", 4.55, 25, 1),
        ("mixformerv2_s", "got10k", 4.55, 15, 1),
        ("mixformerv2_s", "vot2022stb", 4.5, 10, 3),
        ("mixformerv2_b", "tnl2k", 4.5, 200, 3),
    ],
)
def test_published_settings(model, benchmark, factor, interval, templates):
    found = tracker_config(model, benchmark)
    assert (found.search_factor, found.update_interval, found.online_templates) == (factor, interval, templates)
    assert found.score_threshold == 0.5


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError, match=r"no preset 'davis' for mixformerv2_b.*lasot"):
        tracker_config("mixformerv2_b", "davis")
    with pytest.raises(ConfigError, match="mixformerv2_s"):
        model_config("mixformerv3")
    assert tracker_config("anything else") == TrackerConfig()
