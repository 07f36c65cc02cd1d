"""Smaller networks out of larger ones: the official key map, and that faded blocks can be removed without a trace."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer.configs.variants import model_config
from mixformer.errors import CheckpointError, ConfigError
from mixformer.models import build_model
from mixformer.training.distillation import depth_scales
from mixformer.weights.infer_config import infer_config
from mixformer.weights.load_save import ModelWeights, load_model, save_weights
from mixformer.weights.official_names import from_official, official_name
from mixformer.weights.pruning import first_blocks, reduce_mlp, remove_blocks, skip_blocks, skipped_blocks
from mixformer.weights.state_dicts import check_state_dict, model_shapes
from tests.helpers.family import backbone_of, images, make, small
from tests.parity.rebuild import SHARED, input_image, read_json, rebuild_state

KEY_MAP = json.loads((Path(__file__).parents[1] / "training" / "references" / "prune_checkpoint.json").read_text())
TABLES = ["backbone.pos_embed_s", "backbone.pos_embed_t"]


@pytest.mark.parametrize(
    ("removed", "elimination"),
    [((0, 2), ((0, 9), (1, 4))), ((4,), ((1, 9), (3, 4))), ((4, 5), ((1, 9),)), ((3, 4, 5), ((1, 9),))],
)
def test_blocks_that_choose_tokens_move_with_the_others(removed, elimination):
    config = small(depth=6, elimination=((1, 9), (3, 4)))
    model = make(config)
    state, smaller = remove_blocks(model.state_dict(), config, removed)
    assert smaller.elimination == elimination
    templates, search = images(config)
    scales = torch.ones(6, 2, 1)
    scales[list(removed)] = 0
    torch.testing.assert_close(
        rebuilt(state, smaller)(templates, search).boxes, model(templates, search, scales).boxes, rtol=0, atol=1e-6
    )


def test_a_block_that_chooses_tokens_stays():
    config = small(depth=6, elimination=((1, 9), (3, 4)))
    with pytest.raises(ConfigError, match="block 1 of small, because search tokens are left out after"):
        remove_blocks(make(config).state_dict(), config, (0, 1))


def test_official_key_map():
    """Every kept tensor gets the name that the official conversion gives it; fixed tables stay, upstream drops them."""
    config = model_config("mixformerv2_d12")
    assert KEY_MAP["source_variant"] == "v2_d12_offline"
    state = {key: torch.empty(shape, device="meta") for key, shape in model_shapes(config).items()}
    case = KEY_MAP["cases"]["[0, 3, 6, 9]"]
    assert len(state) == case["n_in"]
    found, smaller = remove_blocks(state, config, (0, 3, 6, 9))
    old_names = {id(value): official_name(key, config) for key, value in state.items()}
    mapping = {official_name(key, smaller): old_names[id(value)] for key, value in found.items()}
    assert {key: mapping.pop(key) for key in TABLES} == {key: key for key in TABLES}
    assert mapping == case["map_new_to_old"]
    assert case["missing_in_pruned"] == TABLES
    assert smaller.depth == 8
    check_state_dict(found, model_shapes(smaller), "the pruned network")
    assert KEY_MAP["cases"]["[12]"] == "AssertionError"
    with pytest.raises(ConfigError, match=r"cannot remove blocks \[12\] of mixformerv2_d12: only 0 to 11"):
        remove_blocks(state, config, (12,))


@pytest.mark.sweep
@pytest.mark.skipif(not (SHARED / "functions").is_dir(), reason=f"no references at {SHARED / 'functions'}")
def test_official_pruned_student():
    """The 12-layer weights without four layers: the official 8-layer student, and the 12-layer one at rate 0."""
    description = read_json("v2_d12_offline.json")
    official = {key: torch.from_numpy(value) for key, value in rebuild_state(description).items()}
    config = infer_config(official)
    state = from_official(official, config)
    shapes = description["inputs"]
    names = ("input/template", "input/online_template", "input/search")
    template, online, search = (torch.from_numpy(input_image(name, tuple(shapes[name])))[:1] for name in names)
    templates, scales = torch.stack([template, online], 1), depth_scales(torch.ones(12, 2, 1), (0, 3, 6, 9), 0.0)
    large, pruned = rebuilt(state, config), rebuilt(*remove_blocks(state, config, (0, 3, 6, 9)))
    with torch.no_grad():
        faded = large(templates, search, scales)
        found = pruned.locate(search, pruned.remember(templates), full=True)
    assert torch.equal(found.boxes, faded.boxes)
    assert torch.equal(found.logits, faded.logits)
    with np.load(SHARED / "functions" / "pruned_student_forward.npz") as expected:
        np.testing.assert_allclose(found.boxes[:, None], expected["pred_boxes"], rtol=0, atol=1e-5)
        for index, edge in enumerate("lrtb"):
            np.testing.assert_allclose(found.logits.softmax(-1)[:, index], expected[f"prob_{edge}"], rtol=0, atol=1e-5)
        tokens = expected["reg_tokens_slice"]
        np.testing.assert_allclose(found.tokens[:, -4:, :16], tokens, rtol=0, atol=1e-4 * tokens.std())
        assert expected["max_abs_diff_to_12_layer_rate0"] == 0
        assert expected["missing_keys"].tolist() == TABLES


def network(kind="vit", **changes):
    """A network of 4 blocks in the last stage; two early ones in a MixCvT."""
    changes = {"depth": 4, "score": "none", **backbone_of(kind), **changes}
    return make(small(**changes))


def rebuilt(state, config):
    model = build_model(config).eval()
    model.load_state_dict(state)
    return model


def run(model, scales=None):
    with torch.no_grad():
        return model(*images(model.config), scales)


@pytest.mark.parametrize("form", ["official", "paper"])
@pytest.mark.parametrize(("changes", "removed"), [
    ({}, (0, 2)), ({"attention": "symmetric", "layer_scale": True}, (1, 3)),
    ({"kind": "convmae", "head": "pyramid", "prediction_tokens": 0}, (0, 3)), ({"kind": "cvt"}, (2, 5)),
    ({"decoder_depth": 2, "decoder_dim": 16, "decoder_heads": 4}, (1, 2)),
])  # fmt: skip
def test_faded_blocks_can_be_removed(changes, removed, form):
    """Bit for bit the same network."""
    model = network(**changes)
    config = model.config
    scales = depth_scales(torch.ones(config.mixing_depth, 2, 1), removed, 0.0, form)
    state, smaller = remove_blocks(model.state_dict(), config, removed)
    found, expected = run(rebuilt(state, smaller)), run(model, scales)
    assert smaller.depth == 2
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.logits, expected.logits)
    assert not torch.equal(found.boxes, run(model).boxes)


def test_first_and_skipped_blocks():
    model = network(depth=8)
    state, config = model.state_dict(), model.config
    for cut, kept in ((first_blocks, (0, 1, 2, 3)), (skip_blocks, (1, 3, 5, 7))):
        found, smaller = cut(state, config, 4)
        assert (smaller.depth, smaller.name) == (4, "small_4blocks")
        for new, old in enumerate(kept):
            key = "backbone.blocks.{}.attn.qkv.weight"
            assert found[key.format(new)] is state[key.format(old)]
        check_state_dict(found, model_shapes(smaller), "the smaller network")
    assert first_blocks(state, config, 8)[1] == config


def test_even_distances_are_the_published_ones():
    config = model_config("mixformerv2_d12")
    assert skipped_blocks(config, 8) == (0, 3, 6, 9)  # official run
    assert set(range(12)) - set(skipped_blocks(config, 4)) == {2, 5, 8, 11}  # supplement: layers 3, 6, 9, 12
    assert skipped_blocks(config, 12) == ()
    cvt = network("cvt").config
    assert skipped_blocks(cvt, 2) == (2, 4)  # after the two blocks of the early stages


@pytest.mark.parametrize(("removed", "message"), [
    ((4,), "only 0 to 3"), ((-1,), "only 0 to 3"), ((0, 1, 2, 3), "leave at least one"),
])  # fmt: skip
def test_blocks_that_cannot_be_removed(removed, message):
    model = network()
    with pytest.raises(ConfigError, match=message):
        remove_blocks(model.state_dict(), model.config, removed)


def test_early_and_decoder_blocks_cannot_be_removed():
    for model in (network("cvt"), network(decoder_depth=1, decoder_dim=16, decoder_heads=4)):
        numbers = (0,) if model.config.early_dims else (4,)
        with pytest.raises(ConfigError, match="cannot remove blocks"):
            remove_blocks(model.state_dict(), model.config, numbers)


@pytest.mark.parametrize("count", [0, 5])
@pytest.mark.parametrize("cut", [first_blocks, skip_blocks])
def test_impossible_numbers_of_blocks(cut, count):
    model = network()
    with pytest.raises(ConfigError, match="keep 1 to 4"):
        cut(model.state_dict(), model.config, count)


def test_weights_of_another_network_are_refused():
    state, config = network().state_dict(), network(dim=48).config
    for change in (lambda: remove_blocks(state, config, (0,)), lambda: reduce_mlp(state, config, 1.0)):
        with pytest.raises(CheckpointError, match="does not fit the model"):
            change()


@pytest.mark.parametrize("keep", ["first", "strongest"])
@pytest.mark.parametrize("kind", ["vit", "convmae", "cvt"])
def test_narrower_mlps_make_a_whole_network(kind, keep, tmp_path):
    """Every stage's MLP is narrowed, the rest is the same tensor, and the result can be stored and loaded."""
    decoder = {} if kind == "cvt" else {"decoder_depth": 1, "decoder_dim": 16, "decoder_heads": 4}
    model = network(kind, mlp_ratio=4.0, **decoder)
    state, config = model.state_dict(), model.config
    found, smaller = reduce_mlp(state, config, 1.0, keep)
    assert (smaller.mlp_ratio, smaller.name) == (1.0, "small_mlp1")
    changed = {key for key in found if found[key].shape != state[key].shape}
    assert all(".mlp." in key for key in changed)
    assert all(found[key] is state[key] for key in set(found) - changed if ".mlp." not in key)
    folder = save_weights(ModelWeights(smaller, found), tmp_path / "narrow")
    assert torch.equal(run(load_model(folder)).boxes, run(rebuilt(found, smaller)).boxes)


def test_the_slice_of_the_paper():
    model = network(mlp_ratio=4.0)
    state = model.state_dict()
    found, _ = reduce_mlp(state, model.config, 1.5)
    name = "backbone.blocks.1.mlp."
    assert torch.equal(found[name + "fc1.weight"], state[name + "fc1.weight"][:36])
    assert torch.equal(found[name + "fc1.bias"], state[name + "fc1.bias"][:36])
    assert torch.equal(found[name + "fc2.weight"], state[name + "fc2.weight"][:, :36])
    assert found[name + "fc2.bias"] is state[name + "fc2.bias"]


def test_idle_units_can_be_left_out():
    """Units that reach nothing are the ones that "strongest" gives up: the output stays."""
    model = network(mlp_ratio=4.0)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for key, value in state.items():
        if key.endswith("mlp.fc2.weight"):
            value[:, ::2] = 0
    model = rebuilt(state, model.config)
    strongest = rebuilt(*reduce_mlp(state, model.config, 2.0, "strongest"))
    first = rebuilt(*reduce_mlp(state, model.config, 2.0))
    torch.testing.assert_close(run(strongest).boxes, run(model).boxes, rtol=0, atol=1e-6)
    assert (run(first).boxes - run(model).boxes).abs().max() > 1e-4
    same, config = reduce_mlp(state, model.config, 4.0, "strongest")
    assert config == model.config
    assert all(torch.equal(same[key], state[key]) for key in state)


@pytest.mark.parametrize("ratio", [0.0, -1.0, 0.01, 2.5, float("nan")])
def test_impossible_ratios(ratio):
    model = network()
    with pytest.raises(ConfigError, match="cannot reduce mlp_ratio 2 of small"):
        reduce_mlp(model.state_dict(), model.config, ratio)
    with pytest.raises(ConfigError, match="use first or strongest"):
        reduce_mlp(model.state_dict(), model.config, 1.0, "loudest")
