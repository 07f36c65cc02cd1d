"""Names, sizes and errors of official state dicts, on small networks."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import MODELS
from mixformer.errors import CheckpointError, ConfigError
from mixformer.models import build_model
from mixformer.models.layers import sincos_table
from mixformer.weights.infer_config import infer_config
from mixformer.weights.official_names import (
    COUNTER,
    as_official,
    from_official,
    is_mmtracking,
    official_name,
    to_mmtracking_names,
    to_official,
    unused_shapes,
)
from mixformer.weights.state_dicts import model_shapes
from tests.parity.rebuild import read_json

DENSE: dict[str, Any] = {"prediction_tokens": 0, "score": "none", "head_dim": 16, "bins": 96, "unused_keys": True}
SCORED: dict[str, Any] = {**DENSE, "score": "spm", "frozen_norms": "all"}
CVT: dict[str, Any] = {
    "backbone": "cvt", "early_depths": (1, 2), "early_dims": (64, 64), "early_heads": (1, 1), "position": "none",
    "activation": "quick_gelu", "head": "corner", "search_size": 320, "template_size": 128,
}  # fmt: skip
CONVMAE: dict[str, Any] = {"backbone": "convmae", "early_depths": (1, 2), "early_dims": (32, 48), "head": "pyramid"}
SIZES: dict[str, dict[str, Any]] = {
    "token": {},
    "no score": {"score": "none", "mlp_ratio": 1.0, "bins": 9},
    "other sizes": {"depth": 3, "dim": 128, "heads": 2, "patch_size": 8, "search_size": 40, "template_size": 24},
    "layer scale": {"layer_scale": True, "position": "frozen"},
    "corner": {"head": "corner", **DENSE},
    "pyramid": {"head": "pyramid", **DENSE},
    "vit with score": {"head": "pyramid", **SCORED},
    "cvt": {**DENSE, **CVT, "frozen_norms": "backbone"},
    "cvt with score": {**SCORED, **CVT},
    "convmae": {**DENSE, **CONVMAE},
    "convmae with score and layer scale": {**SCORED, **CONVMAE, "layer_scale": True},
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
    if config.position == "frozen":
        state["backbone.pos_search"] = torch.randn_like(state["backbone.pos_search"])
    return {
        k: v + 0.1 * torch.randn(v.shape) if v.is_floating_point() and "pos_" not in k else v for k, v in state.items()
    }


@pytest.fixture(params=SIZES.values(), ids=SIZES.keys())  # type: ignore[call-overload]
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return small(**request.param)


def test_there_and_back(config: ModelConfig) -> None:
    state = state_of(config)
    official = to_official(state, config)
    back = from_official(official, config)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)
    unused = unused_shapes(config)
    counters = [key for key in official if key.endswith(COUNTER)]
    learning = config.dense and config.frozen_norms != "all"
    assert len(counters) == learning * sum(k.endswith("running_mean") and k.startswith("box_head") for k in state)
    assert len(official) == len(state) + len(unused) + len(counters)
    assert {key: tuple(official[key].shape) for key in unused} == unused
    assert bool(unused) == config.unused_keys
    if unused:
        assert (official["backbone.norm.weight"] == 1).all()
        assert all(not official[key].any() for key in unused if key != "backbone.norm.weight")


def test_sizes_are_read_from_shapes(config: ModelConfig) -> None:
    found = infer_config(to_official(state_of(config), config))
    assert found.replace(name="small") == config
    kind = "mixformerv2" if config.head == "token" else "mixcvt" if config.backbone == "cvt" else "mixvit"
    assert found.name == f"{kind}_{config.depth}x{config.dim}"


@pytest.mark.parametrize("name", list(MODELS))
def test_named_variants_are_recognized(name: str) -> None:
    config = MODELS[name]
    state = {key: torch.empty(shape, device="meta") for key, shape in model_shapes(config).items()}
    for key, grid in (("backbone.pos_search", config.search_grid), ("backbone.pos_template", config.template_grid)):
        if config.position != "none":
            table = sincos_table(config.dim, grid)
            state[key] = table if config.position == "sincos" else torch.ones_like(table)
    assert infer_config(to_official(state, config)) == config


NAMES = ["v1_vit_base_offline", "v1_convmae_base_online", "v1_cvt_large_offline", "v1_cvt_base_offline"]


def test_names_are_those_of_a_reference_checkpoint() -> None:
    check_names("v1_cvt_base_online")


@pytest.mark.sweep
@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_all_reference_checkpoints(name: str) -> None:
    check_names(name)


def check_names(name: str) -> None:
    """Every key and shape, also of entries that nothing reads, is one the official strict loader expects."""
    expected = {row["name"]: tuple(row["shape"]) for row in read_json(f"{name}.json")["state_dict"]}
    kinds = {"cvt": "mixcvt", "vit": "mixvit", "convmae": "mixvit_convmae"}
    _, kind, size, stage = name.split("_")
    ours = kinds[kind] if size == "base" else kinds[kind].replace("mixcvt", "mixcvt_l")
    config = MODELS[ours if stage == "online" else f"{ours}_stage1"]
    state = {key: torch.empty(shape, device="meta") for key, shape in model_shapes(config).items()}
    assert {key: tuple(value.shape) for key, value in to_official(state, config).items()} == expected


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
    assert infer_config(official, {"heads": 3}).heads == 3
    with pytest.raises(CheckpointError, match="number of attention heads"):
        infer_config(official)
    with pytest.raises(ConfigError, match="does not divide"):
        infer_config(official, {"heads": 5})


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
        official_name("backbone.other", config)


def test_unused_entries_belong_to_dense_heads_only() -> None:
    config = small()
    official = {**to_official(state_of(config), config), "backbone.cls_token": torch.ones(1, 1, 64)}
    assert not infer_config(official).unused_keys
    with pytest.raises(CheckpointError, match=r"1 unknown: backbone\.cls_token"):
        from_official(official, config)


def test_batch_counters_may_be_there_or_not() -> None:
    """Heads that still learn have them in official files; nothing reads them, and frozen ones have none."""
    config = small(head="corner", **DENSE)
    official = to_official(state_of(config), config)
    counter = "box_head.conv1_tl.1.num_batches_tracked"
    assert official[counter] == 0
    back = from_official({**official, counter: torch.tensor(5)}, config)
    assert not any(key.endswith(COUNTER) for key in back)
    without = {key: value for key, value in official.items() if not key.endswith(COUNTER)}
    assert from_official(without, config).keys() == back.keys()
    assert infer_config(without).frozen_norms == "all"
    with pytest.raises(CheckpointError, match=r"1 of another shape: .*num_batches_tracked"):
        from_official({**official, counter: torch.ones(3)}, config)


def test_mmtracking_names() -> None:
    config = small(**SCORED, **CVT)
    state = state_of(config)
    theirs = to_mmtracking_names(state, config)
    assert is_mmtracking(theirs)
    for name in (
        "backbone.stage0.patch_embed.proj.weight",
        "backbone.stage1.blocks.1.attn.conv_proj_k.bn.num_batches_tracked",
        "backbone.stage2.blocks.0.mlp.layers.0.0.weight",
        "backbone.stage2.blocks.1.mlp.layers.1.bias",
        "head.bbox_head.tl_corner_pred.0.conv.bias",
        "head.bbox_head.br_corner_pred.3.bn.running_var",
        "head.bbox_head.br_corner_pred.4.weight",
        "head.score_decoder_head.score_token",
        "head.score_decoder_head.proj_k.1.weight",
        "head.score_decoder_head.score_head.layers.2.bias",
    ):
        assert name in theirs
    for named in (theirs, {key.replace("score_decoder_head", "score_head", 1): value for key, value in theirs.items()}):
        official = as_official(named)
        found = infer_config(official)
        assert found.replace(name="small") == config
        back = from_official(official, found)
        assert back.keys() == state.keys()
        assert all(torch.equal(back[key], state[key]) for key in state)
    assert infer_config(official, {"activation": "gelu"}).activation == "gelu"
    with pytest.raises(CheckpointError, match=r"1 unknown: head\.other"):
        from_official(as_official({**theirs, "head.other": torch.ones(1)}), config)
    with pytest.raises(CheckpointError, match="mmtracking has no place for"):
        to_mmtracking_names(state_of(small()), small())


def test_the_two_activations_of_mixcvt_differ() -> None:
    """Why `activation` matters: the same weights give other features with the exact GELU."""
    config = small(**SCORED, **CVT)
    images, search = torch.randn(1, 2, 3, 128, 128), torch.randn(1, 3, 320, 320)
    boxes = []
    for activation in ("quick_gelu", "gelu"):
        model = build_model(config.replace(activation=activation)).eval()
        model.load_state_dict(state_of(config))
        with torch.no_grad():
            boxes.append(model(images, search).tokens)
    assert 1e-5 < (boxes[0] - boxes[1]).abs().max() < 0.5


@pytest.mark.parametrize(
    "changes",
    [{"head": "query", "prediction_tokens": 1}, {"prediction_tokens": 1}, {"decoder_depth": 1, "decoder_dim": 32}],
)
def test_parts_without_official_names_are_refused(changes: dict[str, Any]) -> None:
    config = small(**{"score": "none", "decoder_heads": 2, **changes})
    with pytest.raises(CheckpointError, match="the official layout has no place for"):
        to_official(state_of(config), config)


def test_state_dicts_of_something_else() -> None:
    with pytest.raises(CheckpointError, match=r"lacks backbone\.patch_embed.*its first entries: fc\.weight"):
        infer_config({"fc.weight": torch.ones(2, 2)})
    config = small()
    official = to_official(state_of(config), config)
    with pytest.raises(CheckpointError, match="not a square grid"):
        infer_config({**official, "backbone.pos_embed_s": torch.ones(1, 15, 64)})
    with pytest.raises(CheckpointError, match="expected 4 dimensions"):
        infer_config({**official, "backbone.patch_embed.proj.weight": torch.ones(3)})
    with pytest.raises(CheckpointError, match="expected 4 dimensions above 0"):
        infer_config({**official, "backbone.patch_embed.proj.weight": torch.ones(0, 3, 16, 16)})
    odd = f"backbone.blocks.{'9' * 5000}.norm1.weight"  # Python refuses to read such a number
    assert infer_config({**official, odd: torch.ones(1)}) == infer_config(official)
    without = {key: value for key, value in official.items() if ".blocks." not in key}
    with pytest.raises(CheckpointError, match=r"lacks backbone\.blocks\.0\.mlp\.fc1\.weight"):
        infer_config(without)
