"""Search tokens that are left out: the rule against numpy, operations, gradients, and what cannot be configured."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mixformer.configs.flops import locate_flops, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.models.optimize import fold_constants
from tests.helpers.family import backbone_of, images, make, small

SIZES = {
    "token": {},
    "single": {"prediction_tokens": 1},
    "query": {"head": "query", "prediction_tokens": 1, "score": "none"},
    "scaled": {"layer_scale": True, "position": "frozen"},
    "convmae": backbone_of("convmae"),
}


def eliminating(*pairs, depth=4, **changes):
    return small(depth=depth, elimination=pairs, **changes)


def by_definition(block, tokens, memory, extra, count):
    """Places to keep, in float64: softmax over all keys, mean over heads, max over prediction tokens."""
    with torch.no_grad():
        queries, keys, _ = block.attn.qkv(block.norm1(tokens)).double().chunk(3, -1)
    heads = block.attn.heads
    chosen = []
    for item in range(len(tokens)):
        total = np.zeros(())
        for head, (q, k) in enumerate(zip(queries[item].chunk(heads, -1), keys[item].chunk(heads, -1), strict=True)):
            everything = np.concatenate([memory.keys[item, head].double().numpy(), k.numpy()])
            logits = q.numpy()[-extra:] @ everything.T / np.sqrt(q.shape[1])
            powers = np.exp(logits - logits.max(1, keepdims=True))
            total = total + powers / powers.sum(1, keepdims=True)
        attention = total.max(0)[memory.keys.shape[2] : -extra]
        chosen.append(sorted(np.argsort(-attention)[:count]))
    return np.array(chosen)


@pytest.mark.parametrize("kind", SIZES)
def test_those_that_prediction_tokens_attend_to_most_stay(kind):
    config = eliminating((0, 9), (2, 4), **SIZES[kind])
    model = make(config)
    templates, search = images(config, batch=3, count=3)
    with torch.no_grad():
        memory = model.remember(templates)
        stage, extra = model.backbone, config.prediction_tokens
        x, features = stage.embed_search(search), []
        for index, block in enumerate(stage.typed_blocks):
            kept = None
            if index in dict(config.elimination):
                count = dict(config.elimination)[index]
                kept = by_definition(block, x, memory.blocks[index], extra, count)
            x = block.locate(x, stage.layouts[1], memory.blocks[index])
            if kept is not None:
                x = torch.stack([each[[*places, *range(-extra, 0)]] for each, places in zip(x, kept, strict=True)])
            features.append(x)
        found = model.locate(search, memory, keep_features=True)
    assert [each.shape[1] - extra for each in found.features] == [9, 9, 4, 4]
    for mine, its in zip(features, found.features, strict=True):
        torch.testing.assert_close(its, mine, rtol=0, atol=1e-5)


def test_keeping_all_changes_nothing():
    whole = make(small(depth=3))
    templates, search = images(whole.config)
    same = make(eliminating((0, 16), depth=3))
    same.load_state_dict(whole.state_dict())
    expected, found = whole(templates, search), same(templates, search)
    for name in ("boxes", "logits", "scores"):
        assert torch.equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("kind", SIZES)
def test_the_short_last_block_and_folded_constants_change_nothing(kind):
    config = eliminating((1, 5), **SIZES[kind])
    model = make(config)
    pixels = torch.randint(0, 256, (3, 2, 32, 32, 3), dtype=torch.uint8)
    crops = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        memory = model.remember(model.normalize(pixels))
        full = model.locate(model.normalize(crops), memory, full=True)
        assert full.tokens.shape[1] == 5 + config.prediction_tokens
        for each in (model, fold_constants(model)):
            short = each.locate(each.normalize(crops), each.remember(each.normalize(pixels)))
            torch.testing.assert_close(short.boxes, full.boxes, rtol=0, atol=1e-5)


def test_members_of_a_batch_choose_for_themselves():
    config = eliminating((0, 7), (1, 3))
    model = make(config)
    templates, search = images(config, batch=4)
    together = model(templates, search)
    alone = [model(templates[i : i + 1], search[i : i + 1]).boxes for i in range(4)]
    torch.testing.assert_close(torch.cat(alone), together.boxes, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("full", [False, True])
def test_operations_are_those_that_pytorch_counts(kind, full):
    config = eliminating((0, 9), (2, 4), **SIZES[kind])
    model = make(config)
    templates, search = images(config, batch=1, count=3)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # the counter does not see the fused kernel
        memory = model.remember(templates)
        with FlopCounterMode(display=False) as counter:
            model.locate(search, memory, full=full)
    assert counter.get_total_flops() == locate_flops(config, 2, full=full)
    plain = config.replace(elimination=())
    assert locate_flops(config, 2, full=full) < locate_flops(plain, 2, full=full)
    assert remember_flops(config) == remember_flops(plain)


def test_gradients_reach_all_weights():
    config = eliminating((0, 4), depth=2)
    model = make(config).train()
    model(*images(config)).boxes.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.backbone.parameters() if p.requires_grad)
    assert all(p.grad.abs().max() > 0 for p in model.backbone.blocks[0].parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elimination": ((1, 9), (1, 4))}, "blocks must rise"),
        ({"elimination": ((-1, 9),)}, "blocks must rise from 0"),
        ({"elimination": ((0, 9), (1, 9))}, "counts must fall"),
        ({"elimination": ((0, 0),)}, "counts must fall and stay above 0"),
        ({"elimination": ((3, 9),)}, "block 3 must be before the last one, 3"),
        ({"elimination": ((0, 17),)}, "17 is more than the 16 search tokens"),
        ({"elimination": ((0, 9.5),)}, "elimination must be a list"),
        ({"elimination": ((0, 9, 1),)}, "elimination must be a list"),
        ({"elimination": 9}, "elimination must be a list"),
        ({"elimination": ((0, 9),), "attention": "symmetric"}, "asymmetric attention"),
        ({"elimination": ((0, 9),), "score": "spm"}, "heads that read nothing else"),
        ({"elimination": ((0, 9),), "head": "corner", "prediction_tokens": 0, "score": "none"}, "prediction tokens"),
        ({"elimination": ((0, 9),), **backbone_of("cvt")}, "plain backbone"),
        ({"elimination": ((0, 9),), "decoder_depth": 1, "decoder_dim": 16, "decoder_heads": 2}, "without a decoder"),
    ],
)
def test_what_cannot_be_left_out_is_said(changes, message):
    with pytest.raises(ConfigError, match=message):
        small(**{"depth": 4, **changes})


def test_a_configuration_is_read_with_and_without_the_field():
    config = eliminating((0, 9), (2, 4))
    plain = config.to_dict()
    assert ModelConfig.from_dict({**plain, "elimination": [[0, 9], [2, 4]]}) == config
    assert ModelConfig.from_dict({key: value for key, value in plain.items() if key != "elimination"}).elimination == ()
