"""Attention weights and distributions of every kind of network, against the definition."""

import numpy as np
import pytest
import torch

from mixformer.errors import ConfigError, FrameError
from mixformer.inspection import average_attention, inspect_attention, inspect_frame, write_inspection
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers.family import ELIMINATING, make
from tests.helpers.networks import KINDS, network


def rows(block, queries):
    """All weights of a kind of query as one matrix (queries, keys), from the maps that are there."""
    found = []
    for keys in ("template", "online", "search", "tokens"):
        if (pair := f"{queries}_to_{keys}") in block.maps:
            weights = block.maps[pair]
            count = np.prod(weights.shape[: 2 if queries == "online" else 1])
            found.append(weights.reshape(count, -1))
    return np.concatenate(found, 1)


@pytest.mark.parametrize("online", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_query_spends_all_its_attention(kind, online):
    model, templates, search = network(kind, online)
    seen = inspect_attention(model, templates, search, "all")
    depths = [stage.depth for stage in model.config.stages]
    assert [b.name for b in seen.blocks] == [f"S{s}-B{b}" for s, depth in enumerate(depths) for b in range(depth)]
    for block in seen.blocks:
        queries = {pair.split("_to_")[0] for pair in block.maps}
        last = block.name.startswith(f"S{len(depths) - 1}")
        assert queries == {"template", "online", "search"} | (
            {"tokens"} if model.config.prediction_tokens and last else set()
        )
        for name in queries:
            matrix = rows(block, name)
            assert matrix.min() >= 0
            np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-5)
        assert ("template_to_search" in block.maps) == (model.config.attention == "symmetric")
        assert all(weights.dtype == np.float32 for weights in block.maps.values())


def test_shapes_of_the_token_network():
    maps = inspect_attention(*network("token", 3)).blocks[0].maps
    assert {pair: weights.shape for pair, weights in maps.items()} == {
        "template_to_template": (4, 4),
        "template_to_online": (4, 3, 4),
        "online_to_template": (3, 4, 4),
        "online_to_online": (3, 4, 3, 4),
        "search_to_template": (16, 4),
        "search_to_online": (16, 3, 4),
        "search_to_search": (16, 16),
        "search_to_tokens": (16, 4),
        "tokens_to_template": (4, 4),
        "tokens_to_online": (4, 3, 4),
        "tokens_to_search": (4, 16),
        "tokens_to_tokens": (4, 4),
    }


def test_keys_of_mixcvt_are_fewer_than_queries():
    block = inspect_attention(*network("cvt", 2)).blocks[-1]
    assert (block.search.queries, block.search.keys, block.template.queries, block.template.keys) == (5, 3, 3, 2)
    assert block.maps["search_to_online"].shape == (25, 2, 4)
    np.testing.assert_allclose(block.search.key_centers(), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(block.template.key_centers(), [1 / 6, 5 / 6])


@pytest.mark.parametrize("kind", KINDS)
def test_without_online_templates(kind):
    model, templates, search = network(kind)
    block = inspect_attention(model, templates[:, :1], search).blocks[-1]
    assert not [pair for pair in block.maps if "online" in pair]
    np.testing.assert_allclose(rows(block, "search").sum(1), 1, rtol=1e-5)


def heads(x, count):
    """(1, N, C) -> (heads, N, C / heads) in double precision."""
    array = x[0].double().numpy()
    return array.reshape(len(array), count, -1).transpose(1, 0, 2)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_follow_the_definition(kind, number):
    """Queries and keys are overheard in a plain run of the network; softmax and mean are written out in numpy."""
    model, templates, search = network(kind, 2)
    attention = [block for stage in model.backbone.parts for block in stage.blocks][number].attn
    heard = {"query": [], "key": []}
    if hasattr(attention, "qkv"):
        dim = attention.qkv.in_features
        hook = attention.qkv.register_forward_hook
        hook(lambda _, __, out: heard["query"].append(out[..., :dim]) or heard["key"].append(out[..., dim : 2 * dim]))
    else:
        for name, found in heard.items():
            getattr(attention, name).register_forward_hook(lambda _, __, out, found=found: found.append(out))
    with torch.inference_mode():
        model.locate(search, model.remember(templates, keep_features=True), keep_features=True)
    symmetric = model.config.attention == "symmetric"
    (t_query, s_query), (t_key, s_key) = ([heads(x, attention.heads) for x in heard[name]] for name in heard)
    everything = np.concatenate([t_key, s_key], 1)
    asked = everything if symmetric else t_key
    t_weights = softmax(t_query @ asked.transpose(0, 2, 1) * attention.scale).mean(0)
    s_weights = softmax(s_query @ everything.transpose(0, 2, 1) * attention.scale).mean(0)
    block = inspect_attention(model, templates, search, "all").blocks[number]
    assert t_weights.max() > 1.5 * t_weights.mean()  # not nearly even, so that a mix-up would show
    np.testing.assert_allclose(np.concatenate([rows(block, "template"), rows(block, "online")]), t_weights, atol=1e-6)
    names = [name for name in ("search", "tokens") if f"{name}_to_search" in block.maps]
    np.testing.assert_allclose(np.concatenate([rows(block, name) for name in names]), s_weights, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_prediction_is_that_of_the_model(kind):
    model, templates, search = network(kind)
    seen = inspect_attention(model, templates, search)
    with torch.inference_mode():
        plain = model.locate(search, model.remember(templates))
    torch.testing.assert_close(seen.prediction.boxes, plain.boxes)
    assert seen.box == pytest.approx(plain.boxes[0].tolist(), abs=1e-5)
    if plain.scores is None:
        assert seen.score is None
    else:
        assert seen.score == pytest.approx(plain.scores.item(), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_is_the_expectation_of_the_distributions(kind):
    model, templates, search = network(kind)
    seen = inspect_attention(model, templates, search)
    found = seen.distributions
    if kind == "query":
        assert found.edges is None
        assert found.corners is None
        return
    np.testing.assert_allclose(found.edges.sum(1), 1, rtol=1e-5)
    left, right, top, bottom = found.edges @ (np.arange(found.edges.shape[1]) / found.edges.shape[1])
    assert seen.box == pytest.approx(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), abs=1e-5)
    assert (found.corners is not None) == model.config.dense
    if model.config.dense:
        assert found.corners.shape == (2, found.edges.shape[1], found.edges.shape[1])
        marginals = [found.corners[0].sum(0), found.corners[1].sum(0), found.corners[0].sum(1), found.corners[1].sum(1)]
        np.testing.assert_allclose(found.edges, marginals, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "stages", "first"),
    [
        ("cvt", "auto", "S2-B0"),
        ("cvt", "last", "S2-B0"),
        ("cvt", "all", "S0-B0"),
        ("decoder", "auto", "S0-B0"),
        ("decoder", "last", "S1-B0"),
        ("token", "last", "S0-B0"),
    ],
)
def test_stages(kind, stages, first):
    assert inspect_attention(*network(kind), stages).blocks[0].name == first  # type: ignore[call-arg]


def test_what_is_no_single_frame_is_refused():
    model, templates, search = network("token")
    with pytest.raises(FrameError, match="one frame"):
        inspect_attention(model, templates.expand(2, -1, -1, -1, -1), search.expand(2, -1, -1, -1))
    with pytest.raises(FrameError, match="one frame"):
        inspect_attention(model, templates[0], search)
    with pytest.raises(ConfigError, match="stages"):
        inspect_attention(model, templates, search, "first")


def test_tokens_that_are_left_out_ask_nobody_and_get_nothing():
    model, templates, search = network("token")
    config = model.config.replace(depth=4, elimination=((0, 9), (2, 4)))
    model = make(config)
    seen = inspect_attention(model, templates, search)
    lit = [np.ones(16, bool) if block.left is None else block.left for block in seen.blocks]
    assert [mask.sum() for mask in lit] == [16, 9, 9, 4]
    assert np.array_equal(lit[1], lit[2])
    assert not (lit[3] & ~lit[2]).any()
    for block, mask in zip(seen.blocks, lit, strict=True):
        matrix = rows(block, "search")
        np.testing.assert_allclose(matrix.sum(1), mask, atol=1e-5)
        for name in ("search", "tokens"):
            assert ((block.maps[f"{name}_to_search"].max(0) > 0) == mask).all()
        np.testing.assert_allclose(rows(block, "tokens").sum(1), 1, rtol=1e-5)
    # Those with the most attention of prediction tokens in a block are those that the next one sees.
    first = seen.blocks[0].maps["tokens_to_search"].max(0)
    assert set(np.flatnonzero(lit[1])) == set(np.argsort(-first)[:9])
    torch.testing.assert_close(seen.prediction.boxes, model(templates, search).boxes, rtol=0, atol=1e-6)


def test_pictures_of_a_network_that_leaves_tokens_out(tmp_path):
    pytest.importorskip("matplotlib")
    seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=1, model=make(ELIMINATING))
    for query in ("target", "center", "all"):
        for weights in average_attention(seen, "search_to_search", query).values():
            assert 0 < weights.sum() <= 1 + 1e-6
    assert [file.name for file in write_inspection(seen, tmp_path)][-1] == "inspection.npz"
