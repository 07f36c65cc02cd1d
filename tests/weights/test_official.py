"""Names, sizes and errors of official state dicts, on small networks."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mixformer.config import ModelConfig
from mixformer.errors import CheckpointError, ConfigError
from mixformer.models import build_model
from mixformer.variants import MODELS
from mixformer.weights.fit import model_shapes
from mixformer.weights.official import from_official, infer_config, official_name, to_official, unused_shapes

DENSE: dict[str, Any] = {"prediction_tokens": 0, "score": "none", "head_dim": 16, "bins": 96, "unused_keys": True}
SIZES: dict[str, dict[str, Any]] = {
    "token": {},
    "no score": {"score": "none", "mlp_ratio": 1.0, "bins": 9},
    "other sizes": {"depth": 3, "dim": 128, "heads": 2, "patch_size": 8, "search_size": 40, "template_size": 24},
    "layer scale": {"layer_scale": True, "position": "frozen"},
    "corner": {"head": "corner", **DENSE},
    "pyramid": {"head": "pyramid", **DENSE},
}


def small(**changes: Any) -> ModelConfig:
    values: dict[str, Any] = {
        "name": "small", "depth": 2, "dim": 64, "heads": 1, "mlp_ratio": 2.0, "search_size": 64, "template_size": 32,
        "bins": 16,
    }  # fmt: skip
    return ModelConfig(**{**values, **changes})


def state_of(config: ModelConfig) -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = build_model(config).state_dict()
    if config.position != "sincos":
        state["backbone.pos_search"] = torch.randn_like(state["backbone.pos_search"])
    return {
        k: v + 0.1 * torch.randn(v.shape) if v.is_floating_point() and "pos_" not in k else v for k, v in state.items()
    }


@pytest.fixture(params=SIZES.values(), ids=SIZES.keys())
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return small(**request.param)


def test_there_and_back(config: ModelConfig) -> None:
    state = state_of(config)
    official = to_official(state, config)
    back = from_official(official, config)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)
    unused = unused_shapes(config)
    assert len(official) == len(state) + len(unused)
    assert {key: tuple(official[key].shape) for key in unused} == unused
    assert bool(unused) == config.unused_keys
    if unused:
        assert (official["backbone.norm.weight"] == 1).all()
        assert all(not official[key].any() for key in unused if key != "backbone.norm.weight")


def test_sizes_are_read_from_shapes(config: ModelConfig) -> None:
    found = infer_config(to_official(state_of(config), config))
    assert found.replace(name="small") == config
    assert found.name == f"{'mixformerv2' if config.head == 'token' else 'mixvit'}_{config.depth}x{config.dim}"


@pytest.mark.parametrize("name", list(MODELS))
def test_named_variants_are_recognised(name: str) -> None:
    config = MODELS[name]
    state = {key: torch.zeros(shape) for key, shape in model_shapes(config.replace(depth=1)).items()}
    table = build_model(config.replace(depth=1)).state_dict()
    for key in ("backbone.pos_search", "backbone.pos_template"):
        state[key] = table[key] if config.position == "sincos" else torch.ones_like(table[key])
    official = to_official(state, config.replace(depth=1))
    blocks = {key: value for key, value in official.items() if ".blocks.0." in key}
    for index in range(config.depth):
        official |= {key.replace(".blocks.0.", f".blocks.{index}."): value for key, value in blocks.items()}
    assert infer_config(official) == config


def test_position_tables_decide_between_fixed_and_not() -> None:
    official = to_official(state_of(small()), small())
    assert infer_config(official).position == "sincos"
    key = "backbone.pos_embed_t"
    assert infer_config({**official, key: official[key] + 5e-5}).position == "sincos"
    assert infer_config({**official, key: official[key] + 5e-4}).position == "frozen"
    assert infer_config({**official, key: official[key] * torch.nan}).position == "frozen"


def test_heads_can_be_given() -> None:
    config = small(dim=48, heads=3)
    official = to_official(state_of(config), config)
    assert infer_config(official, heads=3).heads == 3
    with pytest.raises(CheckpointError, match="number of attention heads"):
        infer_config(official)
    with pytest.raises(ConfigError, match="does not divide"):
        infer_config(official, heads=5)


def test_all_wrong_entries_are_named() -> None:
    config = small()
    official = to_official(state_of(config), config)
    del official["backbone.reg_tokens"], official["box_head.layers.1.1.bias"]
    official |= {"backbone.extra": torch.ones(1), "head.other": torch.ones(1)}
    official["score_head.layers.1.weight"] = torch.ones(2, 64)
    with pytest.raises(CheckpointError) as caught:
        from_official(official, config)
    message = str(caught.value)
    for words in (
        "2 missing: ",
        "backbone.reg_tokens",
        "box_head.layers.1.1.bias",
        "2 unknown: backbone.extra, head.other",
        "1 of another shape: score_head.layers.1.weight (2, 64) instead of (1, 64)",
    ):
        assert words in message


def test_long_lists_are_cut() -> None:
    config = small()
    official = to_official(state_of(config), config)
    official |= {f"teacher.{index}": torch.ones(1) for index in range(20)}
    with pytest.raises(CheckpointError, match=r"20 unknown: teacher\.0, .* and 12 more"):
        from_official(official, config)


def test_the_other_way_is_strict_too() -> None:
    config = small()
    state = state_of(config)
    state["backbone.tokens"] = torch.ones(1, 5, 64)
    with pytest.raises(CheckpointError, match=r"small does not fit.*backbone.tokens \(1, 5, 64\)"):
        to_official(state, config)
    with pytest.raises(CheckpointError, match=r"no place for backbone\.other"):
        official_name("backbone.other")


def test_unused_entries_belong_to_dense_heads_only() -> None:
    config = small()
    official = {**to_official(state_of(config), config), "backbone.cls_token": torch.ones(1, 1, 64)}
    assert not infer_config(official).unused_keys
    with pytest.raises(CheckpointError, match=r"1 unknown: backbone\.cls_token"):
        from_official(official, config)


def test_batch_counters_may_be_missing() -> None:
    """Frozen batch norms, in official online checkpoints, have none."""
    config = small(head="corner", **DENSE)
    state = state_of(config)
    counter = "box_head.tl.conv1.1.num_batches_tracked"
    official = to_official({**state, counter: torch.tensor(5)}, config)
    assert from_official(official, config)[counter] == 5
    assert official.pop("box_head.conv1_tl.1.num_batches_tracked") == 5
    assert from_official(official, config)[counter] == 0


@pytest.mark.parametrize(
    ("key", "family"),
    [
        ("backbone.stage0.patch_embed.proj.weight", "MixCvT"),
        ("backbone.patch_embed1.proj.weight", "ConvMAE"),
        ("score_branch.score_token", "score branch"),
    ],
)
def test_other_families_are_named(key: str, family: str) -> None:
    with pytest.raises(CheckpointError, match=family):
        infer_config({key: torch.ones(1)})


def test_state_dicts_of_something_else() -> None:
    with pytest.raises(CheckpointError, match=r"lacks backbone\.patch_embed.*begins with fc\.weight"):
        infer_config({"fc.weight": torch.ones(2, 2)})
    config = small()
    official = to_official(state_of(config), config)
    with pytest.raises(CheckpointError, match="not a square grid"):
        infer_config({**official, "backbone.pos_embed_s": torch.ones(1, 15, 64)})
    with pytest.raises(CheckpointError, match="expected 4 dimensions"):
        infer_config({**official, "backbone.patch_embed.proj.weight": torch.ones(3)})
    without = {key: value for key, value in official.items() if ".blocks." not in key}
    with pytest.raises(CheckpointError, match=r"lacks backbone\.blocks\.0\.mlp\.fc1\.weight"):
        infer_config(without)
