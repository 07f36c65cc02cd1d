"""Score heads: the MLP on prediction tokens in both readings, and the score prediction module."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mixformer.configs.model import ModelConfig
from mixformer.imaging.boxes import cxcywh_to_xyxy
from mixformer.models.heads import TokenScore
from mixformer.models.spm import CrossAttention, ScorePrediction, precise_roi_pool
from tests.helpers.family import BACKBONES, HEADS, backbone_of, images, make, small

FLOAT64 = torch.float64


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=FLOAT64)


def seeded(module_type: type, *args: int, **options: bool) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return module_type(*args, **options).double()


def test_logits_or_tokens_are_averaged() -> None:
    logits, averaged = (seeded(TokenScore, 8, average_tokens=flag) for flag in (False, True))
    averaged.load_state_dict(logits.state_dict())
    tokens = randn(3, 4, 8)

    def mlp(x: Tensor) -> Tensor:
        hidden = (x @ logits.hidden.weight.T + logits.hidden.bias).clamp(min=0)
        return (hidden @ logits.out.weight.T + logits.out.bias)[..., 0]

    torch.testing.assert_close(logits(tokens), mlp(tokens).mean(1), rtol=0, atol=1e-12)
    torch.testing.assert_close(averaged(tokens), mlp(tokens.mean(1)), rtol=0, atol=1e-12)
    assert (logits(tokens) - averaged(tokens)).abs().min() > 1e-3
    equal = tokens[:, :1].expand(-1, 4, -1)
    torch.testing.assert_close(logits(equal), averaged(equal), rtol=0, atol=1e-12)


def test_one_token_has_one_reading() -> None:
    first, second = (seeded(TokenScore, 8, average_tokens=flag) for flag in (False, True))
    tokens = randn(3, 1, 8)
    torch.testing.assert_close(first(tokens), second(tokens), rtol=0, atol=1e-12)


def look(module: CrossAttention, x: Tensor, memory: Tensor) -> Tensor:
    """Cross attention head by head, scaled by the whole width, then the norm."""
    q, k, v = module.query(x), module.key(memory), module.value(memory)
    dim, parts = x.shape[2], []
    for head in range(module.heads):
        part = slice(head * dim // module.heads, (head + 1) * dim // module.heads)
        parts.append((q[..., part] @ k[..., part].mT / dim**0.5).softmax(-1) @ v[..., part])
    mixed = module.proj(torch.cat(parts, -1))
    return F.layer_norm(mixed, (dim,), module.norm.weight, module.norm.bias)


def test_score_prediction_is_two_looks_and_an_mlp() -> None:
    module = seeded(ScorePrediction, 12, 3)
    assert isinstance(module, ScorePrediction)
    search, template = randn(2, 36, 12), randn(2, 9, 12, seed=1)
    corners = torch.tensor([[0.1, 0.2, 0.8, 0.6], [-0.3, 0.4, 0.5, 1.2]], dtype=FLOAT64)
    maps = search.unflatten(1, (6, 6)).permute(0, 3, 1, 2)
    pooled = precise_roi_pool(maps, corners * 6, 4).flatten(2).mT  # 16 tokens, row-major
    x = F.layer_norm(module.token, (12,), module.norm.weight, module.norm.bias).expand(2, -1, -1)
    x = look(module.cross_attentions[1], look(module.cross_attentions[0], x, pooled), template)
    for layer in module.layers[:-1]:
        x = layer(x).clamp(min=0)
    expected = module.layers[-1](x)[:, 0, 0]
    torch.testing.assert_close(module(search, template, corners), expected, rtol=0, atol=1e-12)
    assert len(module.layers) == 3


@pytest.mark.parametrize("corners", [[0.6, 0.2, 0.3, 0.9], [0.5, 0.5, 0.5, 0.5], [1.5, 1.2, 2.0, 1.9]])
def test_a_box_with_nothing_in_it_pools_zeros(corners: list[float]) -> None:
    module = seeded(ScorePrediction, 12, 3)
    template = randn(1, 9, 12)
    boxes = torch.tensor([corners], dtype=FLOAT64, requires_grad=True)
    scores = [module(randn(1, 36, 12, seed=seed), template, boxes) for seed in (1, 2)]
    assert torch.equal(*scores)  # whatever the search region shows
    torch.testing.assert_close(scores[0], module(torch.zeros(1, 36, 12, dtype=FLOAT64), template, boxes))
    assert scores[0].isfinite().all()
    scores[0].sum().backward()
    assert boxes.grad is not None
    assert boxes.grad.isfinite().all()


SPM = {
    f"{backbone}-{head}{tokens}": small(
        **backbone_of(backbone), head=head, prediction_tokens=tokens, score="spm", frozen_norms="all"
    )
    for backbone in BACKBONES
    for head, tokens in HEADS
}


@pytest.mark.parametrize("config", SPM.values(), ids=SPM.keys())
@torch.no_grad()
def test_given_regions_take_the_place_of_the_predicted_box(config: ModelConfig) -> None:
    model = make(config, seed=4, dtype=FLOAT64)
    templates, search = images(config, dtype=FLOAT64)
    memory = model.remember(templates)
    own = model.locate(search, memory)
    assert own.scores is not None
    given = model.locate(search, memory, regions=cxcywh_to_xyxy(own.boxes))
    torch.testing.assert_close(given.scores, own.scores, rtol=0, atol=1e-10)
    regions = torch.tensor([[0.1, 0.2, 0.9, 0.7], [0.4, 0.4, 0.6, 0.9]], dtype=FLOAT64)
    other = model.locate(search, memory, regions=regions)
    assert torch.equal(other.boxes, own.boxes)
    assert (other.scores - own.scores).abs().min() > 1e-9
    places = config.search_grid**2
    by_hand = model.score_head(
        own.tokens[:, :places], memory.templates[:, : config.template_grid**2], regions
    )  # fmt: skip
    torch.testing.assert_close(other.scores, by_hand, rtol=0, atol=1e-12)
    joint = model(templates, search, regions=regions)
    torch.testing.assert_close(joint.scores, other.scores, rtol=0, atol=1e-12)
