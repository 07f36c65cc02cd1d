"""Training forward: which parameters learn, which batch norms stand still; derivatives against finite differences."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.models import MixFormer
from mixformer.models.attention import ConvAttention, TokenLayout
from mixformer.models.layers import BatchNorm, soft_argmax
from mixformer.models.spm import precise_roi_pool
from tests.helpers.family import FAMILY, images, make

FLOAT64 = torch.float64
NORMS = ("none", "backbone", "all")
# Members without batch norms once, the others in every form.
FORMS = {
    f"{name}-{norms}": config.replace(frozen_norms=norms)
    for name, config in FAMILY.items()
    for norms in (NORMS if config.backbone == "cvt" or config.dense else ("none",))
}
every_form = pytest.mark.parametrize("config", FORMS.values(), ids=FORMS.keys())
every = pytest.mark.parametrize("config", FAMILY.values(), ids=FAMILY.keys())


def train_step(model: MixFormer) -> None:
    """One forward and backward pass of a batch of two, with boxes given to the score prediction module."""
    regions = torch.tensor([[0.2, 0.1, 0.7, 0.9], [0.1, 0.3, 0.6, 0.8]], dtype=FLOAT64)
    backward(model, *images(model.config, dtype=FLOAT64), regions)


def backward(model: MixFormer, templates: Tensor, search: Tensor, regions: Tensor) -> None:
    """Gradients of all outputs, averaged over the batch."""
    prediction = model(templates, search, regions=regions)
    loss = prediction.boxes.mean()
    for part in (prediction.logits, prediction.scores):
        if part is not None:
            loss = loss + part.square().mean()
    loss.backward()


def trainable(config: ModelConfig) -> MixFormer:
    """A network in training mode. Last units of the pyramid have one channel only: keep their ReLU open."""
    model = make(config, seed=1, dtype=FLOAT64).train()
    with torch.no_grad():
        for name, module in model.box_head.named_modules():
            if isinstance(module, BatchNorm) and "adjust" in name:
                module.bias += 1
    return model


def silent(config: ModelConfig) -> re.Pattern[str]:
    """Names of the parameters that no output depends on, by mathematics and not by mistake."""
    # A vector added to all keys adds the same to all logits of a softmax.
    names = [r".*\.key\.bias"]
    last = len(config.stages) - 1
    if config.frozen_norms == "none":
        # The same through a batch norm, but prediction tokens, which skip the convolution, are keys without it.
        shifted = range(last if config.prediction_tokens else last + 1)
        names += [rf"backbone\.stages\.{index}\..*\.key_conv\.norm\.bias" for index in shifted]
    if config.frozen_norms != "all":
        # A batch norm that learns subtracts the mean, and the bias of the convolution with it.
        names.append(r"box_head\.(tl|br)\.(conv[1-4]|adjust[12]|adjust[34]\.\d)\.0\.bias")
    if config.prediction_tokens and config.score != "spm":
        # In the last block of MixCvT only prediction tokens ask, and they skip the convolution.
        names.append(rf"backbone\.stages\.{last}\.blocks\.{config.stages[-1].depth - 1}\.attn\.query_conv\..*")
    return re.compile("|".join(names))


@every_form
def test_every_parameter_learns_but_those_without_effect(config: ModelConfig) -> None:
    model = trainable(config)
    train_step(model)
    pattern = silent(config)
    for name, parameter in model.named_parameters():
        table = name.endswith(("pos_search", "pos_template"))
        assert parameter.requires_grad == (not table or config.position == "learned"), name
        size = 0.0 if parameter.grad is None else parameter.grad.abs().max().item()
        if not parameter.requires_grad:
            assert parameter.grad is None, name
        elif pattern.fullmatch(name):
            assert size < 1e-13, name
        else:
            assert 1e-7 < size < torch.inf, name
        if name.endswith("qkv.bias"):
            assert parameter.grad is not None
            queries, keys, values = parameter.grad.abs().chunk(3)
            assert keys.max() < 1e-13 < min(queries.max(), values.max()), name


@every
def test_scores_train_without_given_regions(config: ModelConfig) -> None:
    """The score is a function of the predicted box, and its derivative reaches the box head."""
    model = make(config.replace(score="spm"), seed=2, dtype=FLOAT64).train()
    scores = model(*images(config, dtype=FLOAT64)).scores
    assert scores is not None
    scores.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    for name, parameter in model.box_head.named_parameters():
        assert parameter.grad is not None, name


@every_form
def test_one_item_learns_as_much_as_the_same_item_twice(config: ModelConfig) -> None:
    """Kernels for a single map are others than those for many, and one of PyTorch's is wrong (see `BatchNorm`)."""
    found = []
    for copies in (1, 2):
        model = trainable(config)
        templates, search = images(config, 1, dtype=FLOAT64)
        regions = torch.tensor([[0.2, 0.1, 0.7, 0.9]], dtype=FLOAT64)
        many = (x.repeat_interleave(copies, 0) for x in (templates, search, regions))
        backward(model, *many)
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, grad in found[0].items():
        if grad is None:
            assert found[1][name] is None
        else:
            torch.testing.assert_close(grad, found[1][name], rtol=1e-9, atol=1e-11, msg=name)


def norms_of(model: MixFormer) -> dict[str, BatchNorm]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BatchNorm)}


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("kind", ["cvt-corner0-asym", "cvt-corner0-symm", "convmae-pyramid0-asym"])
def test_frozen_batch_norms_stand_still(kind: str, norms: str) -> None:
    model = trainable(FAMILY[kind].replace(frozen_norms=norms))
    frozen = {"none": (), "backbone": ("backbone.",), "all": ("backbone.", "box_head.")}[norms]
    before = {name: {k: v.clone() for k, v in norm.state_dict().items()} for name, norm in norms_of(model).items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step(model)
    optimizer.step()
    parameters = dict(model.named_parameters())
    assert before
    for name, norm in norms_of(model).items():
        still = name.startswith(frozen)
        assert list(before[name]) == ["weight", "bias", "running_mean", "running_var"]
        for key in ("running_mean", "running_var", "weight"):
            assert torch.equal(norm.state_dict()[key], before[name][key]) == still, f"{name}.{key}"
        for key in ("weight", "bias"):
            assert (f"{name}.{key}" in parameters) == (not still)
    model.eval()
    after = {name: norm.running_mean.clone() for name, norm in norms_of(model).items()}
    train_step(model)
    assert all(torch.equal(norm.running_mean, after[name]) for name, norm in norms_of(model).items())


def test_the_form_of_the_batch_norms_does_not_change_the_state_dict() -> None:
    config = FAMILY["cvt-corner0-asym"]
    keys = [list(make(config.replace(frozen_norms=norms)).state_dict()) for norms in NORMS]
    assert sorted(keys[0]) == sorted(keys[1]) == sorted(keys[2])


def randn(*shape: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=FLOAT64).requires_grad_()


BOXES = [
    [0.3, 0.7, 4.1, 3.6],  # inside
    [-1.7, 1.2, 2.3, 7.9],  # partly outside
    [1.13, 2.21, 1.48, 2.37],  # within one cell
    [7.2, 8.4, 9.1, 11.3],  # wholly outside
    [3.3, 3.1, 1.2, 4.7],  # inverted
]


@pytest.mark.parametrize("box", BOXES)
def test_derivatives_of_precise_roi_pooling(box: list[float]) -> None:
    features = randn(1, 2, 5, 6)
    boxes = torch.tensor([box], dtype=FLOAT64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, b: precise_roi_pool(f, b, 3), (features, boxes))


@pytest.mark.parametrize("frozen", [False, True])
def test_derivatives_of_windowed_attention(frozen: bool) -> None:
    torch.manual_seed(0)
    attention = ConvAttention(4, 2, frozen).double().train()
    templates, search = randn(1, 2 * 3 * 3, 4), randn(1, 4 * 4 + 1, 4, seed=1)

    def mixed(t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        known, memory = attention.remember(t, TokenLayout(3))
        return known, attention.locate(s, TokenLayout(4, extra=1), memory)[0]

    assert torch.autograd.gradcheck(mixed, (templates, search))


def test_derivatives_of_soft_argmax() -> None:
    assert torch.autograd.gradcheck(soft_argmax, (randn(2, 3, 7),))
