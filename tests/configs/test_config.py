"""Configurations refuse what cannot be built; published settings are found by name."""

import json

import pytest

from mixformer.configs.model import ModelConfig, StageSize
from mixformer.configs.presets import PRESETS
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS, SOURCES, model_config
from mixformer.errors import ConfigError
from mixformer.training.config import DataSection, OptimizerSection
from mixformer.training.recipe import Recipe

BAD_MODELS = [
    ("mixformerv2_b", {"attention": "causal"}, "attention must be 'asymmetric' or 'symmetric', not 'causal'"),
    ("mixformerv2_b", {"backbone": "resnet"}, "backbone must be 'vit' or 'convmae' or 'cvt', not 'resnet'"),
    ("mixformerv2_b", {"activation": "relu"}, "activation must be 'gelu' or 'quick_gelu', not 'relu'"),
    ("mixformerv2_b", {"position": "rotary"}, "position must be 'sincos' or .*, not 'rotary'"),
    ("mixformerv2_b", {"head": "anchor"}, "head must be 'token' or 'query' or 'corner' or 'pyramid', not 'anchor'"),
    ("mixformerv2_b", {"score": "magic"}, "score must be 'spm' or .*, not 'magic'"),
    ("mixformerv2_b", {"frozen_norms": "head"}, "frozen_norms must be 'none' or 'backbone' or 'all', not 'head'"),
    ("mixformerv2_b", {"depth": 0}, "depth must be a whole number above 0, not 0"),
    ("mixformerv2_b", {"depth": 1.5}, "depth must be a whole number, not 1.5"),
    ("mixformerv2_b", {"dim": -768}, "dim must be a whole number"),
    ("mixformerv2_b", {"heads": 0}, "heads must be a whole number"),
    ("mixformerv2_b", {"patch_size": 0}, "patch_size must be a whole number"),
    ("mixformerv2_b", {"search_size": 0}, "search_size must be a whole number"),
    ("mixformerv2_b", {"template_size": 0}, "template_size must be a whole number"),
    ("mixformerv2_b", {"bins": 0}, "bins must be a whole number"),
    ("mixformerv2_b", {"search_size": 290}, "search_size 290 is not a multiple of patch_size 16"),
    ("mixformerv2_b", {"template_size": 100}, "template_size 100 is not a multiple of patch_size 16"),
    ("mixformerv2_b", {"mlp_ratio": 0}, "mlp_ratio must be above 0"),
    ("mixformerv2_b", {"drop_path": 1.0}, r"drop_path must be in \[0, 1\)"),
    ("mixformerv2_b", {"drop_path": -0.1}, "drop_path"),
    ("mixformerv2_b", {"decoder_depth": -1}, "decoder_depth must be a whole number, 0 or more, not -1"),
    ("mixformerv2_b", {"decoder_depth": 0.5}, "decoder_depth must be a whole number"),
    ("mixvit", {"decoder_depth": 1, "decoder_heads": 0}, "decoder_heads must be a whole number above 0"),
    ("mixvit", {"decoder_depth": 1, "decoder_heads": 3}, "heads 3 does not divide dim 512"),
    ("mixvit", {"decoder_depth": 1, "decoder_dim": 30, "decoder_heads": 5}, "dim 30 must be a multiple of 4"),
    ("mixformerv2_b", {"heads": 5}, "heads 5 does not divide dim 768"),
    ("mixformerv2_b", {"dim": 770, "heads": 10}, "dim 770 must be a multiple of 4"),
    ("mixformerv2_b", {"early_depths": (1,)}, "early_depths and early_dims must have the same length"),
    ("mixcvt", {"early_depths": (1, 0)}, r"early_depths must be a whole number above 0, not \(1, 0\)"),
    ("mixcvt", {"early_heads": (0, 3)}, "early_heads must be a whole number above 0"),
    ("mixvit_convmae", {"early_dims": (0, 384)}, "early_dims must be a whole number above 0"),
    ("mixcvt", {"early_dims": (64, 190)}, "heads 3 does not divide dim 190"),
    ("mixcvt", {"early_heads": (1,)}, "backbone 'cvt' needs 2 early_heads"),
    ("mixvit_convmae", {"early_heads": (1, 3)}, "backbone 'convmae' needs 0 early_heads"),
    ("mixvit", {"backbone": "convmae"}, "backbone 'convmae' needs early_dims"),
    ("mixvit_convmae", {"backbone": "vit"}, "backbone 'vit' needs empty early_dims"),
    ("mixcvt", {"patch_size": 32}, "2 early stages need patch_size 16"),
    ("mixvit", {"position": "none"}, 'position must be "none" for backbone "cvt", and only for it'),
    ("mixcvt", {"position": "sincos"}, 'position must be "none" for backbone "cvt", and only for it'),
    ("mixformerv2_b", {"prediction_tokens": 2}, "head 'token' needs prediction_tokens 1 or 4"),
    ("mixformerv2_b", {"prediction_tokens": 0}, "head 'token' needs prediction_tokens 1 or 4"),
    ("mixformerv2_b", {"head": "query"}, "head 'query' needs prediction_tokens 1"),
    ("mixformerv2_b", {"head": "corner"}, "head 'corner' needs prediction_tokens 0"),
    ("mixvit", {"prediction_tokens": 1}, "head 'pyramid' needs prediction_tokens 0"),
    ("mixvit", {"score": "token"}, "score 'token' needs prediction tokens"),
    ("mixvit", {"score": "token_mean"}, "score 'token_mean' needs prediction tokens"),
]


@pytest.mark.parametrize(("name", "changes", "message"), BAD_MODELS)
def test_impossible_models(name, changes, message):
    with pytest.raises(ConfigError, match=f"ModelConfig: .*{message}"):
        model_config(name).replace(**changes)


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
        {"update": "always"},
    ],
)
def test_impossible_rules(changes):
    with pytest.raises(ConfigError, match="TrackerConfig"):
        TrackerConfig(**changes)


@pytest.mark.parametrize("config", [*MODELS.values(), *(p.tracker for p in PRESETS)], ids=str)
def test_files_keep_everything(config, tmp_path):
    config.to_file(tmp_path / "config.json")
    assert type(config).from_file(tmp_path / "config.json") == config


@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_dictionaries_keep_everything(config):
    values = config.to_dict()
    assert ModelConfig.from_dict(values) == config
    listed = json.loads(json.dumps(values))
    assert isinstance(listed["early_dims"], list)
    again = ModelConfig.from_dict(listed)
    assert again == config
    assert hash(again) == hash(config)
    for name in ("early_depths", "early_dims", "early_heads", "mean", "std"):
        assert isinstance(getattr(again, name), tuple)


def test_stages_of_mixcvt():
    config = model_config("mixcvt")
    assert config.stages == (
        StageSize(depth=1, dim=64, heads=1, search_grid=80, template_grid=32),
        StageSize(depth=4, dim=192, heads=3, search_grid=40, template_grid=16),
        StageSize(depth=16, dim=384, heads=6, search_grid=20, template_grid=8),
    )
    assert (config.mixing_depth, config.final_dim, config.dense) == (21, 384, True)
    large = model_config("mixcvt_l")
    assert [stage[:3] for stage in large.stages] == [(2, 192, 3), (2, 768, 12), (12, 1024, 16)]
    assert large.stages[0][3:] == (80, 32)


def test_stages_of_the_others():
    assert model_config("mixvit").stages == (StageSize(12, 768, 12, 18, 8),)
    assert model_config("mixvit_l_convmae").stages == (StageSize(20, 1024, 16, 24, 12),)
    longer = model_config("mixvit").replace(decoder_depth=2)
    assert longer.stages == (StageSize(12, 768, 12, 18, 8), StageSize(2, 512, 16, 18, 8))
    assert (longer.mixing_depth, longer.final_dim) == (14, 512)


def test_bad_files(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(ConfigError, match="no configuration file"):
        ModelConfig.from_file(path)
    for content, message in (("{", "not readable JSON"), ("[]", "JSON object"), ('{"depht": 3}', "no field depht")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            ModelConfig.from_file(path)


def test_the_table_is_whole():
    assert set(SOURCES) == set(MODELS)
    assert all(name == config.name for name, config in MODELS.items())
    assert DEFAULT_MODEL in MODELS


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError, match="mixformerv2_s"):
        model_config("mixformerv3")


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Recipe, {"model": 3}, "Recipe: model must be text, not 3"),
        (Recipe, {"stage": "box"}, "Recipe needs model; add"),
        (DataSection, {"sets": [{"name": "lasot"}]}, "SetSection needs root"),
        (Recipe, {"model": "x", "max_steps": "many"}, "max_steps must be a whole number, not 'many'"),
        (Recipe, {"model": "x", "max_steps": True}, "max_steps must be a whole number, not True"),
        (Recipe, {"model": "x", "max_steps": 1.5}, "max_steps must be a whole number, not 1.5"),
        (Recipe, {"model": "x", "model_overrides": 1}, "model_overrides must be an object, not 1"),
        (DataSection, {"smooth_motion": 1}, "smooth_motion must be true or false, not 1"),
        (DataSection, {"sampler": 4}, "sampler must be 'near' or 'causal' or"),
        (DataSection, {"sets": ["a"]}, "sets must be a list, each an object with fields of SetSection"),
        (DataSection, {"sets": [{"root": 1}]}, "SetSection: root must be text or a list, each text, not 1"),
        (DataSection, {"sets": "a"}, "sets must be a list, each an object"),
        (OptimizerSection, {"lr": "1e-4"}, "lr must be a number, not '1e-4'"),
        (OptimizerSection, {"betas": [0.9]}, "betas must be a list of 2 values, each a number, not"),
    ],
)
def test_values_missing_or_of_the_wrong_kind_are_named(kind, values, said):
    with pytest.raises(ConfigError) as caught:
        kind.from_dict(values)
    assert said in str(caught.value)


def test_whole_numbers_are_numbers():
    assert OptimizerSection.from_dict({"lr": 1, "betas": [0, 0.5]}).betas == (0, 0.5)
