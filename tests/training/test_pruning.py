"""Fading blocks: the official schedule, both forms of the rule, and that a faded block is no block."""

import json
import math
from pathlib import Path

import pytest
import torch

from mixformer.errors import ConfigError
from mixformer.models.block import Block
from mixformer.training.distillation import depth_scales, freeze_removed, pruning_rate
from tests.helpers.family import FAMILY, images, make, small

ROWS = json.loads((Path(__file__).parent / "references" / "pmdp_schedule.json").read_text())["rows"]


def test_official_schedule():
    assert len(ROWS) == 60
    for epoch, rate in ROWS:
        assert pruning_rate(epoch) == pytest.approx(rate, abs=1e-15)
        assert pruning_rate(epoch + 0.9) == pruning_rate(epoch)  # constant within an epoch


def test_schedule_of_the_paper():
    assert pruning_rate(0, 40, "paper") == 1
    assert pruning_rate(20, 40, "paper") == pytest.approx(0.5)
    assert pruning_rate(7.25, 30, "paper") == pytest.approx(0.5 * (1 + math.cos(7.25 / 30 * math.pi)))
    assert pruning_rate(40, 40, "paper") == pruning_rate(41, 40, "paper") == 0
    assert pruning_rate(3, 40, "official") == pruning_rate(4, 40, "paper")  # one epoch ahead


@pytest.mark.parametrize(("epoch", "length", "form"), [(0, 40, "official"), (-0.1, 40, "paper"), (1, 0, "official")])
def test_a_schedule_needs_a_running_epoch(epoch, length, form):
    with pytest.raises(ConfigError, match="pruning rate needs epoch"):
        pruning_rate(epoch, length, form)


def test_factors_of_both_forms():
    drawn = torch.rand(4, 2, 3)
    official = depth_scales(drawn, (0, 2), 0.25)
    torch.testing.assert_close(official[[0, 2]], 0.25 * drawn[[0, 2]])
    torch.testing.assert_close(official[[1, 3]], drawn[[1, 3]])
    paper = depth_scales(drawn, (0, 2), 0.25, "paper")
    torch.testing.assert_close(paper[:, :2], drawn)
    assert paper[:, 2].tolist() == [[0.25] * 3, [1] * 3, [0.25] * 3, [1] * 3]
    torch.testing.assert_close(depth_scales(drawn, (), 0.25), drawn)


def fading(x, block, layout, scale):
    """Official rule: both branches, one after the other."""
    x = x + scale * block.attn.remember(block.norm1(x), layout)[0]
    return x + scale * block.mlp(block.norm2(x))


def fading_whole(x, block, layout, scale):
    """Equation 8: gamma (FFN(ATTN(x) + x) + ATTN(x)) + x."""
    mixed = block.attn.remember(block.norm1(x), layout)[0]
    return scale * (block.mlp(block.norm2(mixed + x)) + mixed) + x


@pytest.mark.parametrize(("form", "rule"), [("official", fading), ("paper", fading_whole)])
def test_block_follows_the_formula(form, rule):
    model = make(small(score="none"), dtype=torch.float64)
    block: Block = model.backbone.typed_blocks[0]
    layout, _ = model.backbone.layouts
    x = torch.randn(2, 8, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scales = depth_scales(torch.ones(2, 2, 2, dtype=torch.float64), (0,), 0.3, form)
    torch.testing.assert_close(block.remember(x, layout, scales[0])[0], rule(x, block, layout, 0.3))
    torch.testing.assert_close(block.remember(x, layout, scales[1])[0], block.remember(x, layout)[0])


@pytest.mark.parametrize("form", ["official", "paper"])
@pytest.mark.parametrize("kind", sorted(FAMILY))
def test_rate_one_is_the_network_itself(kind, form):
    model = make(FAMILY[kind])
    inputs = images(model.config)
    scales = depth_scales(torch.ones(model.config.mixing_depth, 2, 1), (0,), 1.0, form)
    with torch.no_grad():
        expected, found = model(*inputs), model(*inputs, scales)
    assert torch.equal(found.boxes, expected.boxes)


def test_faded_blocks_leave_training():
    model = make(small(depth=4, score="none"))
    freeze_removed(model, (0, 2))
    trained = [any(p.requires_grad for p in block.parameters()) for block in model.backbone.typed_blocks]
    assert trained == [False, True, False, True]


def test_missing_blocks_are_refused():
    model = make(small(score="none"))
    with pytest.raises(ConfigError, match=r"cannot prune blocks \[2\]: the network has blocks 0 to 1"):
        freeze_removed(model, (0, 2))
    with pytest.raises(ConfigError, match=r"cannot prune blocks \[-1\]"):
        depth_scales(torch.ones(2, 2, 1), (-1,), 0.5)
