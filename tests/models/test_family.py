"""Properties of every member of the family: the cached path is the joint path, and a memory is a value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.imaging.boxes import xyxy_to_cxcywh
from mixformer.models import Memory, MixFormer, Prediction, RawTemplates, build_model
from mixformer.models.spm import ScorePrediction
from tests.helpers.family import BACKBONES, FAMILY, HEADS, compose, images, make
from tests.helpers.joint import joint_forward

FLOAT64 = torch.float64
each = pytest.mark.parametrize("config", FAMILY.values(), ids=FAMILY.keys())


def every(attention: str) -> Any:
    """All members with one form of attention."""
    names = [name for name, config in FAMILY.items() if config.attention == attention]
    return pytest.mark.parametrize("config", [FAMILY[name] for name in names], ids=names)


def close(got: Tensor | None, expected: Tensor | None, tolerance: float = 1e-10) -> None:
    assert (got is None) == (expected is None)
    if got is not None:
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance)


def same_prediction(got: Prediction, expected: Prediction, tolerance: float = 1e-10) -> None:
    close(got.boxes, expected.boxes, tolerance)
    close(got.logits, expected.logits, tolerance)
    close(got.scores, expected.scores, tolerance)


def read_heads(model: MixFormer, search: Tensor, templates: Tensor) -> Prediction:
    """The heads on the final tokens, put where each head wants them."""
    grid, count = model.config.search_grid, model.config.prediction_tokens
    places, tokens = search[:, : grid**2], search[:, grid**2 :]
    assert tokens.shape[1] == count
    corners, logits = model.box_head(tokens if count else places.mT.unflatten(2, (grid, grid)))
    scores = None
    if isinstance(model.score_head, ScorePrediction):
        scores = model.score_head(places, templates[:, : model.config.template_grid**2], corners)
    elif model.score_head is not None:
        scores = model.score_head(tokens)
    return Prediction(xyxy_to_cxcywh(corners), logits, scores, search)


@torch.no_grad()
def check_joint(config: ModelConfig, online: int, seed: int) -> None:
    """`forward`, `locate` after `remember`, and the joint forward agree."""
    model = make(config, seed, FLOAT64)
    templates, search = images(config, 2, 1 + online, seed + 1, FLOAT64)
    joint = joint_forward(model, templates, search)
    expected = read_heads(model, joint.search, joint.templates)
    memory = model.remember(templates, keep_features=True)
    whole = model.locate(search, memory, keep_features=True)
    for got in (model(templates, search), model.locate(search, model.remember(templates)), whole):
        same_prediction(got, expected)
    close(whole.tokens, joint.search)
    for index, sequence in enumerate(joint.features):
        known = joint.known[index]
        if config.attention == "symmetric":
            close(whole.features[index], sequence)
        else:
            close(memory.features[index], sequence[:, :known])
            close(whole.features[index], sequence[:, known:])
    assert len(whole.features) == config.mixing_depth == len(joint.features)


@each
def test_the_cached_path_is_the_joint_path(config: ModelConfig) -> None:
    check_joint(config, online=1 + (config.depth + config.prediction_tokens) % 5, seed=config.depth)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.data(), st.integers(1, 5), st.integers(0, 99))
def test_the_cached_path_is_the_joint_path_for_any_choice(data: st.DataObject, online: int, seed: int) -> None:
    kind = [data.draw(st.sampled_from(options)) for options in (BACKBONES, HEADS, ("asymmetric", "symmetric"))]
    check_joint(compose(lambda options: data.draw(st.sampled_from(options)), *kind), online, seed)


@each
def test_training_through_the_memory_is_training_jointly(config: ModelConfig) -> None:
    gradients = []
    for cached in (True, False):
        model = make(config, dtype=FLOAT64)
        templates, search = images(config, 1, dtype=FLOAT64)
        if cached:
            prediction = model(templates, search)
        else:
            joint = joint_forward(model, templates, search)
            prediction = read_heads(model, joint.search, joint.templates)
        parts = (prediction.boxes, prediction.logits, prediction.scores)
        sum(part.square().sum() for part in parts if part is not None).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, expected in gradients[1].items():
        got = gradients[0][name]
        if got is None or expected is None:  # never computed in one of the two ways: no effect
            assert all(grad is None or not grad.any() for grad in (got, expected)), name
        else:
            torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-10, msg=name)


@each
@torch.no_grad()
def test_a_memory_is_a_value(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, 3, dtype=FLOAT64)
    memory = model.remember(templates)
    before = [part.clone() for block in memory.blocks for part in block]
    first = model.locate(search, memory)
    model.locate(search.flip(0) + 1, memory)
    same_prediction(model.locate(search, memory), first, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, (p for block in memory.blocks for p in block), strict=True))
    for item in range(3):
        one = slice(item, item + 1)
        alone = model.remember(templates[one])
        for together, single in zip(memory.blocks, alone.blocks, strict=True):
            close(single.keys, together.keys[one])
            close(single.values, together.values[one])
        close(alone.templates, None if memory.templates is None else memory.templates[one])
        close(model.locate(search[one], alone).boxes, first.boxes[one])


@each
@torch.no_grad()
def test_online_templates_have_no_order(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, 2, 4, dtype=FLOAT64)
    expected = model(templates, search)
    same_prediction(model(templates[:, [0, 3, 1, 2]], search), expected, 1e-9)
    assert (model(templates[:, :3], search).boxes - expected.boxes).abs().max() > 1e-9
    if config.score == "spm":  # this head looks at the static template alone
        assert (model(templates[:, [1, 0, 2, 3]], search).scores - expected.scores).abs().max() > 1e-9


@every("asymmetric")
@torch.no_grad()
def test_templates_see_each_other_but_never_the_search_region(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, 1, 3, dtype=FLOAT64)
    static = slice(0, config.template_grid**2)
    memory = model.remember(templates, keep_features=True)
    changed = torch.cat([templates[:, :2], templates[:, 2:] + 1], 1)
    other = model.remember(changed, keep_features=True)
    assert memory.templates is not None
    assert other.templates is not None
    assert ((memory.templates - other.templates)[:, static].abs() > 1e-9).any(-1).all()
    for region in (search, search.flip(3)):
        close(joint_forward(model, templates, region).templates, memory.templates)


@every("symmetric")
@torch.no_grad()
def test_symmetric_templates_see_the_search_region(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, 1, 2, dtype=FLOAT64)
    first, _ = model.backbone.mix(templates, search)
    second, _ = model.backbone.mix(templates, search.flip(3))
    assert ((first - second).abs() > 1e-9).any(-1).all()


@every("symmetric")
@torch.no_grad()
def test_nothing_is_cached_for_symmetric_attention(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, dtype=FLOAT64)
    memory = model.remember(templates)
    assert isinstance(memory, RawTemplates)
    assert memory.blocks == []
    assert memory.templates is None
    assert memory.images is templates
    asymmetric = build_model(config.replace(attention="asymmetric")).to(FLOAT64).eval()
    asymmetric.load_state_dict(model.state_dict())
    theirs = asymmetric.remember(templates)
    assert type(theirs) is Memory
    with pytest.raises(TypeError, match="its own `remember`"):
        model.locate(search, theirs)
    # With a single block nothing that the search region reads has seen it.
    apart = (asymmetric.locate(search, theirs).boxes - model(templates, search).boxes).abs().max()
    assert (apart > 1e-9) == (config.mixing_depth > 1)


@every("asymmetric")
@torch.no_grad()
def test_only_what_the_heads_read_is_computed(config: ModelConfig) -> None:
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, dtype=FLOAT64)
    memory = model.remember(templates)
    assert len(memory.blocks) == config.mixing_depth
    assert (memory.templates is None) == (config.score != "spm")
    tokens = model.locate(search, memory).tokens
    everything = config.dense or config.score == "spm"
    assert tokens.shape[1] == config.prediction_tokens + (config.search_grid**2 if everything else 0)
    assert model.locate(search, memory, full=True).tokens.shape[1] == config.prediction_tokens + config.search_grid**2


@every("asymmetric")
@torch.no_grad()
def test_score_prediction_reads_the_static_template_alone(config: ModelConfig) -> None:
    if config.score != "spm":
        config = config.replace(score="spm")
    model = make(config, dtype=FLOAT64)
    templates, search = images(config, dtype=FLOAT64)
    memory = model.remember(templates)
    assert memory.templates is not None
    regions = torch.tensor([[0.2, 0.1, 0.7, 0.9]], dtype=FLOAT64).expand(2, 4)
    expected = model.locate(search, memory, regions=regions).scores
    places = torch.arange(memory.templates.shape[1])[None, :, None]
    online = places >= config.template_grid**2
    garbled = replace(memory, templates=torch.where(online, torch.nan, memory.templates))
    close(model.locate(search, garbled, regions=regions).scores, expected, 0)
    shifted = replace(memory, templates=torch.where(online, memory.templates, memory.templates * 2))
    assert (model.locate(search, shifted, regions=regions).scores - expected).abs().min() > 1e-9


@each
@torch.no_grad()
def test_half_precision_runs_and_gives_float32_boxes(config: ModelConfig) -> None:
    templates, search = images(config)
    exact = make(config)(templates, search)
    rough = make(config).bfloat16()(templates.bfloat16(), search.bfloat16())
    assert rough.boxes.dtype == torch.float32
    close(rough.boxes, exact.boxes, 0.1)
