"""The folded network is the network, for every backbone and head, and with the weights that are shipped."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.models import MixFormer, Prediction
from mixformer.models.attention import ConvAttention, KVCache, SlimAttention, StaticKVCache
from mixformer.models.layers import BatchNorm
from mixformer.models.optimize import fold_constants, to_half_precision
from mixformer.models.stem import ConvStem
from mixformer.weights.load_save import load_model
from tests.helpers.family import FAMILY, make


def pixels(config: ModelConfig, batch: int = 2, count: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    shapes = ((batch, count, *[config.template_size] * 2, 3), (batch, *[config.search_size] * 2, 3))
    templates, search = (torch.randint(0, 256, s, generator=generator, dtype=torch.uint8) for s in shapes)
    return templates, search


@torch.inference_mode()
def run(model: MixFormer, templates: Tensor, search: Tensor) -> Prediction:
    return model.locate(model.normalize(search), model.remember(model.normalize(templates)))


def assert_equal(a: Prediction, b: Prediction, atol: float) -> None:
    torch.testing.assert_close(a.boxes, b.boxes, atol=atol, rtol=0)
    for x, y in ((a.logits, b.logits), (a.scores, b.scores)):
        assert (x is None) == (y is None)
        if x is not None and y is not None:
            torch.testing.assert_close(x, y, atol=1e3 * atol, rtol=1e3 * atol)


@pytest.mark.parametrize("kind", FAMILY)
def test_folding_changes_nothing(kind: str) -> None:
    model = make(FAMILY[kind], dtype=torch.float64)
    before = copy.deepcopy(model.state_dict())
    folded = fold_constants(model)
    assert_equal(run(folded, *pixels(model.config)), run(model, *pixels(model.config)), 1e-11)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(isinstance(module, BatchNorm) for module in folded.modules())
    assert not any(value.requires_grad for value in folded.parameters())


def test_folding_the_shipped_weights() -> None:
    model = load_model(DEFAULT_MODEL)
    images = pixels(model.config, 1)
    assert_equal(run(fold_constants(model), *images), run(model, *images), 2e-6)


@pytest.mark.parametrize("kind", [kind for kind in FAMILY if kind.endswith("asym")])
def test_what_the_heads_do_not_read_changes_nothing(kind: str) -> None:
    """The last block makes keys and values of the templates, and queries for the prediction tokens, and no more."""
    model = make(FAMILY[kind], dtype=torch.float64)
    templates, search = (model.normalize(images) for images in pixels(model.config))
    with torch.inference_mode():
        short, whole = model.remember(templates), model.remember(templates, keep_features=True)
        assert (short.templates is not None) == (model.config.score == "spm")
        found, expected = model.locate(search, short), model.locate(search, whole, full=True)
    assert_equal(found, expected, 1e-12)
    rows = {True: model.config.search_grid**2 + model.config.prediction_tokens, False: model.config.prediction_tokens}
    assert found.tokens.shape[1] == rows[model.config.dense or model.config.score == "spm"]


@pytest.mark.parametrize("kind", FAMILY)
def test_half_precision_is_near_and_keeps_float32_where_it_counts(kind: str) -> None:
    model = make(FAMILY[kind])
    images = pixels(model.config)
    half = to_half_precision(fold_constants(model), torch.bfloat16)
    found, expected = run(half, *images), run(model, *images)
    torch.testing.assert_close(found.boxes, expected.boxes, atol=0.01, rtol=0)
    assert not torch.equal(found.boxes, expected.boxes)
    assert found.boxes.dtype == found.tokens.dtype == torch.float32
    assert half.backbone.parts[-1].typed_blocks[0].mlp.fc1.weight.dtype == torch.bfloat16
    norms = [module for module in half.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert all(norm.weight is None or norm.weight.dtype == torch.float32 for norm in norms)
    first = [module for module in half.modules() if isinstance(module, torch.nn.Conv2d) and module.in_channels == 3]
    assert [layer.weight.dtype for layer in first] == [torch.float32]


@pytest.mark.parametrize("kind", FAMILY)
def test_tokens_are_made_of_pixels_without_loss(kind: str) -> None:
    """Levels of 8 bits, normalized, do not fit into bfloat16, and what is lost there is in all that follows."""
    model = fold_constants(make(FAMILY[kind]))
    images = model.normalize(pixels(model.config)[1])
    expected = model.backbone.parts[0].patch_embed(images)
    found = to_half_precision(model, torch.bfloat16).backbone.parts[0].patch_embed(images)
    if isinstance(model.backbone.parts[0].patch_embed, ConvStem):  # ConvMAE's has blocks in half precision as well
        assert not torch.equal(found, expected)
    else:
        torch.testing.assert_close(found, expected)


def key_biases(model: MixFormer) -> list[Tensor]:
    """The bias of keys of every block, which writing to changes."""
    found = []
    for module in model.modules():
        if isinstance(module, SlimAttention):
            found.append(module.qkv.bias.data.view(3, -1)[1])
        elif isinstance(module, ConvAttention):
            found.append(module.key.bias.data)
    return found


@pytest.mark.parametrize("kind", FAMILY)
def test_large_biases_of_keys_are_left_out_and_half_precision_does_not_feel_them(kind: str) -> None:
    model = make(FAMILY[kind])
    generator = torch.Generator().manual_seed(3)
    for bias in key_biases(model):
        bias.copy_(300 * torch.randn(bias.shape, generator=generator))
    double, images = copy.deepcopy(model).double(), pixels(model.config)
    expected = run(double, *images)
    assert_equal(run(fold_constants(double), *images), expected, 1e-11)
    folded = fold_constants(model)
    assert not any(bias.any() for bias in key_biases(folded))
    halved = [run(to_half_precision(net, torch.bfloat16), *images) for net in (folded, copy.deepcopy(model))]
    without, having = ((found.tokens - expected.tokens).abs().mean() for found in halved)
    assert without < 0.8 * having


def test_room_is_a_concatenation() -> None:
    def random(count: int) -> KVCache:
        return KVCache(torch.randn(2, 3, count, 4), torch.randn(2, 3, count, 4))

    kept, other = random(5), random(5)
    before = kept.keys.clone()
    room = StaticKVCache(kept)
    for own in (random(7), random(7)):
        for mine, joined in zip(room.concat(own), kept.concat(own), strict=True):
            assert torch.equal(mine, joined)
    room.keys.copy_(other.keys)
    room.values.copy_(other.values)
    own = random(7)
    for mine, joined in zip(room.concat(own), other.concat(own), strict=True):
        assert torch.equal(mine, joined)
    assert torch.equal(kept.keys, before)
