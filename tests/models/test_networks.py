"""Networks of any size: shapes, gradients, independence of the batch, and errors."""

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mixformer.configs.flops import locate_flops, parameter_count, remember_flops
from mixformer.configs.model import ModelConfig
from tests.helpers.family import backbone_of, images, make, small

SIZES: dict[str, dict[str, Any]] = {
    "plain": {},
    "deep": {"depth": 5, "dim": 32, "heads": 4},
    "narrow mlp": {"mlp_ratio": 0.5, "bins": 7},
    "odd ratio": {"mlp_ratio": 2.7, "patch_size": 14, "search_size": 70, "template_size": 28},
    "patch 8": {"patch_size": 8, "search_size": 40, "template_size": 24, "bins": 41},
    "learned": {"position": "learned", "layer_scale": True},
    "frozen": {"position": "frozen", "layer_scale": True, "score": "none"},
    "corner": {"head": "corner", "prediction_tokens": 0, "score": "none", "head_dim": 16},
    "pyramid": {"head": "pyramid", "prediction_tokens": 0, "score": "none", "head_dim": 32},
}


@pytest.fixture(params=SIZES.values(), ids=SIZES.keys())  # type: ignore[call-overload]
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return small(**request.param)


def test_shapes(config: ModelConfig) -> None:
    model = make(config)
    templates, search = images(config, batch=3)
    memory = model.remember(templates, keep_features=True)
    prediction = model.locate(search, memory, keep_features=True)
    known = 2 * config.template_grid**2
    tokens = config.search_grid**2 + config.prediction_tokens
    assert len(memory.blocks) == config.depth
    assert memory.blocks[0].keys.shape == (3, config.heads, known, config.dim // config.heads)
    assert [x.shape for x in memory.features] == [(3, known, config.dim)] * config.depth
    assert [x.shape for x in prediction.features] == [(3, tokens, config.dim)] * config.depth
    assert prediction.boxes.shape == (3, 4)
    positions = (config.search_grid * (4 if config.head == "pyramid" else 1)) ** 2
    assert prediction.logits.shape == ((3, 4, config.bins) if config.head == "token" else (3, 2, positions))
    assert (prediction.scores is None) == (config.score == "none")
    assert prediction.scores is None or prediction.scores.shape == (3,)
    assert prediction.boxes.isfinite().all()


def test_the_short_last_block_changes_nothing(config: ModelConfig) -> None:
    model = make(config)
    templates, search = images(config)
    full = model.locate(search, model.remember(templates, keep_features=True), full=True)
    short = model.locate(search, model.remember(templates))
    torch.testing.assert_close(short.boxes, full.boxes, rtol=0, atol=1e-6)
    torch.testing.assert_close(short.logits, full.logits, rtol=0, atol=1e-4)
    assert short.tokens.shape[1] == (config.prediction_tokens or config.search_grid**2)


def test_forward_is_locate_after_remember(config: ModelConfig) -> None:
    model = make(config)
    templates, search = images(config)
    joint, parts = model(templates, search), model.locate(search, model.remember(templates))
    assert torch.equal(joint.boxes, parts.boxes)
    assert torch.equal(joint.logits, parts.logits)


def test_batch_items_do_not_mix(config: ModelConfig) -> None:
    model = make(config)
    templates, search = images(config, batch=3)
    together = model(templates, search)
    for item in range(3):
        alone = model(templates[item : item + 1], search[item : item + 1])
        torch.testing.assert_close(alone.boxes[0], together.boxes[item], rtol=0, atol=1e-6)
        torch.testing.assert_close(alone.logits[0], together.logits[item], rtol=0, atol=1e-4)


@pytest.mark.parametrize("online", [1, 2, 3, 4, 5])
def test_any_number_of_online_templates(online: int) -> None:
    config = small()
    model = make(config)
    templates, search = images(config, count=1 + online)
    prediction = model(templates, search)
    assert prediction.boxes.isfinite().all()
    # The set of online templates has no order: they share one position table.
    swapped = torch.cat([templates[:, :1], templates[:, 1:].flip(1)], 1)
    torch.testing.assert_close(model(swapped, search).boxes, prediction.boxes, rtol=0, atol=1e-6)
    if online > 1:
        assert (model(templates[:, :-1], search).boxes - prediction.boxes).abs().max() > 1e-6


def test_search_never_changes_the_memory() -> None:
    config = small()
    model = make(config)
    templates, search = images(config)
    memory = model.remember(templates)
    before = [(block.keys.clone(), block.values.clone()) for block in memory.blocks]
    first = model.locate(search, memory)
    model.locate(search + 1, memory)
    assert torch.equal(model.locate(search, memory).boxes, first.boxes)
    for (keys, values), block in zip(before, memory.blocks, strict=True):
        assert torch.equal(keys, block.keys)
        assert torch.equal(values, block.values)


def test_drop_path_draws_once_for_templates_and_search() -> None:
    config = small(depth=4, drop_path=0.5)
    model = make(config).train()
    templates, search = images(config, batch=4)
    torch.manual_seed(3)
    drawn = model(templates, search).boxes
    torch.manual_seed(3)
    scales = model.draw_drop_path(4, torch.device("cpu"))
    explicit = model.locate(search, model.remember(templates, scales), scales).boxes
    torch.testing.assert_close(drawn, explicit, rtol=0, atol=1e-6)
    assert torch.equal(model.eval()(templates, search).boxes, model(templates, search).boxes)


def test_drop_path_rates_rise_with_depth() -> None:
    model = make(small(depth=3, drop_path=0.4))
    torch.manual_seed(0)
    scales = model.draw_drop_path(20000, torch.device("cpu"))
    assert scales.shape == (3, 2, 20000)
    assert (scales[0] == 1).all()
    dropped = (scales == 0).float().mean((1, 2))
    torch.testing.assert_close(dropped, torch.tensor([0.0, 0.2, 0.4]), rtol=0, atol=0.01)
    torch.testing.assert_close(scales.mean((1, 2)), torch.ones(3), rtol=0, atol=0.02)


def test_early_stages_never_drop() -> None:
    config = small(**backbone_of("cvt") | {"early_depths": (1, 2)}, depth=3, drop_path=0.6)
    torch.manual_seed(0)
    scales = make(config).draw_drop_path(20000, torch.device("cpu"))
    assert scales.shape == (config.mixing_depth, 2, 20000)
    rates = torch.tensor([0, 0, 0, 0, 0.3, 0.6])  # linear from the first block of the last stage
    torch.testing.assert_close((scales == 0).float().mean((1, 2)), rates, rtol=0, atol=0.01)
    torch.testing.assert_close(scales.mean((1, 2)), torch.ones(6), rtol=0, atol=0.02)
    kept = scales[5][scales[5] > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.4))
    assert (scales[5, 0] != scales[5, 1]).any()  # the two branches are drawn apart


def test_every_stage_takes_its_share_of_the_scales() -> None:
    config = small(**backbone_of("cvt") | {"early_depths": (1, 2)}, depth=2, frozen_norms="all")
    model = make(config)
    templates, search = images(config)
    memory = model.remember(templates, keep_features=True)
    before = model.locate(search, memory, keep_features=True).features
    for block in range(5):
        scales = torch.ones(5, 2, 2)
        scales[block, :, 1] = 0  # for the second item only
        changed = model.remember(templates, scales, keep_features=True)
        after = model.locate(search, changed, scales, keep_features=True).features
        for features, others in ((memory.features, changed.features), (before, after)):
            assert all(torch.equal(x[0], y[0]) for x, y in zip(features, others, strict=True))
            assert [torch.equal(x, y) for x, y in zip(features, others, strict=True)] == [i < block for i in range(5)]
        within_stage = block in (2, 4)  # whose input is the output of the block before
        assert within_stage == (
            after[block].shape == after[block - 1].shape and torch.equal(after[block][1], after[block - 1][1])
        )


def test_a_scale_of_zero_removes_a_block() -> None:
    config = small(depth=3)
    model = make(config)
    templates, search = images(config)
    scales = torch.ones(3, 2, 2)
    scales[1] = 0
    without = make(config.replace(depth=2))
    state = {key: value for key, value in model.state_dict().items() if ".blocks.1." not in key}
    without.load_state_dict({key.replace(".blocks.2.", ".blocks.1."): value for key, value in state.items()})
    expected = without(templates, search)
    torch.testing.assert_close(model(templates, search, scales).boxes, expected.boxes, rtol=0, atol=1e-6)


def test_normalize() -> None:
    config = small()
    pixels = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8)
    got = make(config).normalize(pixels)
    assert got.shape == (2, 3, 5, 7)
    expected = (pixels[1, 2, 3, 0].item() / 255 - config.mean[0]) / config.std[0]
    assert got[1, 0, 2, 3].item() == pytest.approx(expected, abs=1e-6)


def test_counts_are_those_of_the_network(config: ModelConfig) -> None:
    model = make(config)
    assert parameter_count(config) == sum(parameter.numel() for parameter in model.parameters())
    templates, search = images(config, batch=1, count=3)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # the counter does not see the fused kernel
        for full in (False, True):
            with FlopCounterMode(display=False) as counter:
                memory = model.remember(templates, keep_features=full)
            assert counter.get_total_flops() == remember_flops(config, 2, full=full)
            with FlopCounterMode(display=False) as counter:
                model.locate(search, memory, full=full)
            assert counter.get_total_flops() == locate_flops(config, 2, full=full)
