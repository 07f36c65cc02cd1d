"""The designs that the papers compare: each is recomputed apart, cached exactly, folded, exported and counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mixformer.configs.ablations import DESIGNS, DesignRow
from mixformer.configs.flops import locate_flops, parameter_count, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.imaging.boxes import xyxy_to_cxcywh
from mixformer.inspection.network_maps import inspect_attention
from mixformer.models import MixFormer, Prediction, RawTemplates, build_model
from mixformer.models.fusion import FeatureFusion
from mixformer.models.optimize import fold_constants, to_half_precision
from tests.helpers.family import DESIGNED, backbone_of, images, make, small
from tests.helpers.joint import joint_forward

FLOAT64 = torch.float64
each = pytest.mark.parametrize("config", DESIGNED.values(), ids=DESIGNED.keys())
cached = pytest.mark.parametrize(
    "config", [c for c in DESIGNED.values() if c.attention == "asymmetric"], ids=[n for n in DESIGNED if "asym" in n]
)


def close(got: Tensor | None, expected: Tensor | None, tolerance: float = 1e-10) -> None:
    assert (got is None) == (expected is None)
    if got is not None:
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance)


def same(got: Prediction, expected: Prediction, tolerance: float = 1e-10) -> None:
    for name in ("boxes", "logits", "scores"):
        close(getattr(got, name), getattr(expected, name), tolerance)


def transt(fusion: FeatureFusion, templates: Tensor, search: Tensor) -> Tensor:
    """TransT's fusion with PyTorch's own attention, sequence first, as its code has it."""
    state = dict(fusion.named_parameters())
    dim, heads = fusion.layers[0].ego_search.query.in_features, fusion.layers[0].ego_search.heads  # type: ignore[union-attr]

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (dim,), state[f"{name}.weight"], state[f"{name}.bias"])

    def attention(name: str, x: Tensor, place: Tensor, other: Tensor, other_place: Tensor) -> Tensor:
        layer = nn.MultiheadAttention(dim, heads, dtype=FLOAT64)
        parts = ("query", "key", "value")
        layer.in_proj_weight.data = torch.cat([state[f"{name}.{part}.weight"] for part in parts])
        layer.in_proj_bias.data = torch.cat([state[f"{name}.{part}.bias"] for part in parts])
        layer.out_proj.weight.data, layer.out_proj.bias.data = state[f"{name}.proj.weight"], state[f"{name}.proj.bias"]
        return norm(x + layer(x + place, other + other_place, other)[0], f"{name}.norm")

    def cross(name: str, x: Tensor, place: Tensor, other: Tensor, other_place: Tensor) -> Tensor:
        x = attention(f"{name}.attn", x, place, other, other_place)
        return norm(x + linear(linear(x, f"{name}.fc1").relu(), f"{name}.fc2"), f"{name}.norm")

    t, s = (linear(x, "inputs").transpose(0, 1) for x in (templates, search))
    t_place, s_place = (x.transpose(0, 1) for x in (fusion.place_template, fusion.place_search))
    t_place = t_place.repeat(len(t) // len(t_place), 1, 1)
    for index in range(len(fusion.layers)):
        name = f"layers.{index}."
        t = attention(f"{name}ego_template", t, t_place, t, t_place)
        s = attention(f"{name}ego_search", s, s_place, s, s_place)
        t, s = (
            cross(f"{name}cross_template", t, t_place, s, s_place),
            cross(f"{name}cross_search", s, s_place, t, t_place),
        )
    return linear(cross("last", s, s_place, t, t_place).transpose(0, 1), "outputs")


def read_heads(model: MixFormer, search: Tensor, templates: Tensor) -> Prediction:
    """The heads on the final tokens of the joint forward."""
    config = model.config
    grid, count = config.search_grid, config.prediction_tokens
    if model.fusion is not None:
        search = transt(model.fusion, templates, search)
    places, tokens = search[:, : grid**2], search[:, grid**2 :]
    corners, logits = model.box_head(tokens if count else places.mT.unflatten(2, (grid, grid)))
    scores: Tensor | None = None
    if config.score == "spm":
        scores = model.score_head(places, templates[:, : config.template_grid**2], corners)  # type: ignore[misc,call-arg]
    elif model.score_head is not None:
        scores = model.score_head(tokens)  # type: ignore[call-arg]
    return Prediction(xyxy_to_cxcywh(corners), logits, scores, search)


@each
@torch.no_grad()
def test_the_cached_path_is_the_joint_path(config: ModelConfig) -> None:
    model = make(config, 3, FLOAT64)
    templates, search = images(config, 2, 3, 4, FLOAT64)
    joint = joint_forward(model, templates, search)
    expected = read_heads(model, joint.search, joint.templates)
    memory = model.remember(templates, keep_features=True)
    whole = model.locate(search, memory, keep_features=True)
    for got in (model(templates, search), model.locate(search, model.remember(templates)), whole):
        same(got, expected)
    for index, sequence in enumerate(joint.features):
        ours = whole.features[index]
        if config.attention == "asymmetric":
            ours = torch.cat([memory.features[index], ours], 1)
        close(ours, sequence)


def test_positions_of_the_fusion_are_those_of_the_maps() -> None:
    config = DESIGNED["fusion-asym"]
    fusion, width = FeatureFusion(config), config.fusion_size[0] // 4
    waves = [1e-4 ** (index / width) for index in range(width)]
    for table, grid in ((fusion.place_template, config.template_grid), (fusion.place_search, config.search_grid)):
        for place, row in enumerate(table[0]):
            y, x = divmod(place, grid)
            expected = [f(step * wave) for step in (x, y) for f in (math.sin, math.cos) for wave in waves]
            torch.testing.assert_close(row, torch.tensor(expected), rtol=0, atol=1e-5)


@cached
@torch.no_grad()
def test_only_what_search_steps_read_is_kept(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, _ = images(config, dtype=FLOAT64)
    memory = model.remember(templates)
    assert len(memory.blocks) == config.mixing_depth - config.separate_blocks
    assert (memory.templates is None) == (config.score != "spm" and not config.fusion_layers)


@each
@torch.no_grad()
def test_templates_reach_the_box_where_the_design_lets_them(config: ModelConfig) -> None:
    """Without the blocks that integrate, the box depends on the search region alone."""
    templates, search = images(config, dtype=FLOAT64)
    model = make(config, dtype=FLOAT64)
    assert (model(templates, search).boxes - model(templates + 1, search).boxes).abs().max() > 1e-9
    apart = config.replace(separate_blocks=config.mixing_depth, cross_blocks=0, fusion_layers=0, score="none")
    alone = make(apart, dtype=FLOAT64)
    close(alone(templates, search).boxes, alone(templates + 1, search).boxes, 0)


@each
def test_every_parameter_learns(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64).train()
    prediction = model(*images(config, dtype=FLOAT64))
    parts = (prediction.boxes, prediction.logits, prediction.scores)
    sum(part.square().sum() for part in parts if part is not None).backward()  # type: ignore[union-attr]
    for name, parameter in model.named_parameters():
        silent = name.endswith((".key.bias", "key_conv.norm.bias")) or "_head" in name
        # What templates become in a last block that nothing reads behind it.
        last = f"blocks.{config.stages[-1].depth - 1}." in name
        if parameter.requires_grad and not silent and not last:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 1e-9, name


@each
@torch.inference_mode()
def test_folding_and_half_precision_keep_the_boxes(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    shapes = ((2, 2, *[config.template_size] * 2, 3), (2, *[config.search_size] * 2, 3))
    pixels = [torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator()) for shape in shapes]

    def run(network: MixFormer) -> Prediction:
        return network(*(network.normalize(part) for part in pixels))

    same(run(fold_constants(model)), run(model), 1e-8)
    plain = make(config)
    half = to_half_precision(fold_constants(plain), torch.bfloat16)
    close(run(half).boxes, run(plain).boxes, 0.03)


@each
def test_counts_are_those_of_the_network(config: ModelConfig) -> None:
    model = make(config)
    assert parameter_count(config) == sum(parameter.numel() for parameter in model.parameters())
    model.requires_grad_(False)  # the counter looks for gradients of the score token
    templates, search = images(config, batch=1, count=3)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        for full in (False, True):
            with FlopCounterMode(display=False) as counter:
                memory = model.remember(templates, keep_features=full)
            assert counter.get_total_flops() == remember_flops(config, 2, full=full)
            with FlopCounterMode(display=False) as counter:
                model.locate(search, memory, full=full)
            assert counter.get_total_flops() == locate_flops(config, 2, full=full)


@each
@torch.no_grad()
def test_attention_is_inspected_as_it_is(config: ModelConfig) -> None:
    model = make(config)
    templates, search = images(config, 1)
    found = inspect_attention(model, templates, search, stages="all")
    assert len(found.blocks) == config.mixing_depth
    for reach, block in zip(config.reaches, found.blocks, strict=True):
        assert ("search_to_template" in block.maps) == (reach != "self")
        assert ("search_to_search" in block.maps) == (reach != "templates")
        assert ("template_to_search" in block.maps) == (config.attention == "symmetric" and reach != "self")
        rows = [part for name, part in block.maps.items() if name.startswith("search_to")]
        total = sum(part.reshape(len(part), -1).sum(1) for part in rows)
        np.testing.assert_allclose(total, 1, atol=1e-5)


ROWS = {f"{table.key} {row.key}": row for table in DESIGNS.values() for row in table.rows}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_every_row_of_the_tables_is_a_network(row: DesignRow) -> None:
    with torch.device("meta"):
        model = build_model(row.network())
    assert parameter_count(row.network()) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("row", DESIGNS["v1-3"].rows, ids=[row.key for row in DESIGNS["v1-3"].rows])
def test_sizes_are_the_published_ones(row: DesignRow) -> None:
    """Multiply-adds with one template; the paper's parameters grow by 0.02 M with each mixed block, ours do not."""
    config = row.network()
    gmacs = (locate_flops(config, 0, full=True) + remember_flops(config, 0, full=True)) / 2e9
    assert parameter_count(config) / 1e6 == pytest.approx(row.published["parameters"], abs=0.4)
    # The paper counts TransT's layers twice, so to speak: 7.85 G between its rows 3 and 4, here 3.94 G.
    expected = row.published["gmacs"] - (3.93 if row.key == "fusion4" else 0)
    assert gmacs == pytest.approx(expected, abs=0.06)


def test_keys_of_rows_are_unique() -> None:
    for table in DESIGNS.values():
        assert len({row.key for row in table.rows}) == len({row.label for row in table.rows}) == len(table.rows)


CORNER = {"head": "corner", "prediction_tokens": 0, "score": "none"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"separate_blocks": 3}, "separate_blocks must be in 0..2"),
    ({"cross_blocks": 1}, "need a dense head"),
    ({"fusion_layers": 1}, "need a dense head"),
    (
        {"separate_blocks": 2, "cross_blocks": 1, "head": "corner", "prediction_tokens": 0, "score": "none"},
        "at most 2 together, not 3",
    ),
    ({"separate_blocks": -1}, "separate_blocks must be"),
    ({"projection": "linear"}, "projection is only for"),
    ({"shared_mlp": False, "prediction_tokens": 1}, "shared_mlp"),
    ({"shared_mlp": False, **CORNER}, "shared_mlp"),
    ({**backbone_of("cvt"), "position": "sincos"}, 'position must be "none"'),
]


@pytest.mark.parametrize(("changes", "said"), WRONG)
def test_impossible_designs_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        small(**changes)


def test_symmetric_designs_keep_the_images() -> None:
    for name, config in DESIGNED.items():
        if name.endswith("symm"):
            assert isinstance(make(config).remember(images(config)[0]), RawTemplates)
