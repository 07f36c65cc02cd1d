"""Small layers and stems against independent expressions of the same arithmetic."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.models.layers import BatchNorm, MapNorm, Mlp, activate, maps_of, tokens_of
from mixformer.models.stem import ConvBlock, ConvEmbed, ConvStem, DecoderEmbed

FLOAT64 = torch.float64


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=FLOAT64)


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in float64 with noise on every parameter, so that norms and biases matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = module.double()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(0.5 * torch.randn_like(parameter))
    return module


def close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def norms(seed: int = 0, frozen: bool = False) -> tuple[BatchNorm, nn.BatchNorm2d]:
    """Ours and PyTorch's with the same random state."""
    ours, theirs = BatchNorm(5, frozen).double(), nn.BatchNorm2d(5).double()
    state = {
        "weight": 1 + randn(5, seed=seed), "bias": randn(5, seed=seed + 1),
        "running_mean": randn(5, seed=seed + 2), "running_var": 0.5 + randn(5, seed=seed + 3).square(),
    }  # fmt: skip
    ours.load_state_dict(state)
    theirs.load_state_dict(state | {"num_batches_tracked": torch.tensor(0)})
    return ours, theirs


@pytest.mark.parametrize("batch", [1, 3])
def test_batch_norm_is_that_of_pytorch(batch: int) -> None:
    ours, theirs = norms()
    for step in range(3):
        x = 2 + 3 * randn(batch, 5, 4, 6, seed=step)
        close(ours(x), theirs(x))
        close(ours.running_mean, theirs.running_mean)
        close(ours.running_var, theirs.running_var)
    x = randn(batch, 5, 4, 6, seed=9)
    before = ours.running_mean.clone()
    close(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(ours.running_mean, before)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_frozen_batch_norm_uses_its_statistics_even_in_training(batch: int) -> None:
    ours, theirs = norms(frozen=True)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    x = 2 + 3 * randn(batch, 5, 4, 6)
    factor = ours.weight / (ours.running_var + 1e-5).sqrt()
    expected = x * factor[:, None, None] + (ours.bias - ours.running_mean * factor)[:, None, None]
    close(ours.train()(x), expected)
    close(ours.eval()(x), expected)
    close(theirs.eval()(x), expected)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
    assert list(ours.parameters()) == []
    assert len(list(norms()[0].parameters())) == 2


@pytest.mark.parametrize("form", ["maps", "channels last", "from tokens"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_gradient_of_a_batch_norm_does_not_depend_on_the_layout(frozen: bool, batch: int, form: str) -> None:
    """PyTorch's kernel for the CPU is wrong for one map whose gradient is laid out as tokens."""
    norm, _ = norms(frozen=frozen)
    gradient = randn(batch, 16, 5, seed=1).transpose(1, 2).reshape(batch, 5, 4, 4)
    values = randn(batch, 5, 4, 4)
    x = {
        "maps": values,
        "channels last": values.contiguous(memory_format=torch.channels_last),
        "from tokens": tokens_of(values).contiguous().transpose(1, 2).reshape(batch, 5, 4, 4),
    }[form].requires_grad_()  # fmt: skip
    (got,) = torch.autograd.grad(norm(x), x, gradient)
    rows = tokens_of(values).flatten(0, 1).requires_grad_()
    mean, var = norm.running_mean, norm.running_var
    if not frozen:
        mean, var = rows.mean(0), rows.var(0, unbiased=False)
    out = (rows - mean) / (var + 1e-5).sqrt() * norm.weight + norm.bias
    (expected,) = torch.autograd.grad(out, rows, tokens_of(gradient).flatten(0, 1))
    close(tokens_of(got).flatten(0, 1), expected)


def test_activations() -> None:
    x = torch.linspace(-6, 6, 101, dtype=FLOAT64)
    close(activate(x, "quick_gelu"), x / (1 + (-1.702 * x).exp()))
    close(activate(x, "gelu"), x * (1 + torch.erf(x / math.sqrt(2))) / 2)
    difference = (activate(x, "gelu") - activate(x, "quick_gelu")).abs().max().item()
    assert 0.01 < difference < 0.03  # mmtracking's reading of MixCvT, and why the two do not agree


def test_mlp_uses_its_activation() -> None:
    x = randn(2, 3, 4)
    for activation in ("gelu", "quick_gelu"):
        mlp = shaken(Mlp(4, 6, activation))
        hidden = x @ mlp.fc1.weight.T + mlp.fc1.bias
        close(mlp(x), activate(hidden, activation) @ mlp.fc2.weight.T + mlp.fc2.bias)


def test_tokens_and_maps_are_inverse_and_row_major() -> None:
    maps = randn(2 * 3, 4, 5, 5)
    tokens = tokens_of(maps).reshape(2, 3 * 25, 4)
    assert torch.equal(maps_of(tokens, 5), maps.unflatten(0, (2, 3)))
    assert torch.equal(tokens[1, 25 + 5 * 2 + 3], maps[4, :, 2, 3])


def norm_over_channels(x: Tensor, norm: nn.Module, eps: float = 1e-5) -> Tensor:
    """Layer norm of a map written out."""
    centered = x - x.mean(1, keepdim=True)
    scaled = centered / (centered.square().mean(1, keepdim=True) + eps).sqrt()
    return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]


def pointwise(x: Tensor, layer: nn.Module) -> Tensor:
    """A 1x1 convolution or linear layer on the channels of a map."""
    weight = layer.weight.flatten(1)
    return torch.einsum("bchw,dc->bdhw", x, weight) + layer.bias[:, None, None]


def test_map_norm_is_over_channels() -> None:
    norm = shaken(MapNorm(6))
    x = randn(2, 6, 3, 4)
    close(norm(x), norm_over_channels(x, norm))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(7, 4, 2), (3, 2, 1), (4, 4, 0), (2, 2, 0)])
@pytest.mark.parametrize("gelu", [False, True])
def test_conv_embed(kernel: int, stride: int, padding: int, gelu: bool) -> None:
    embed = shaken(ConvEmbed(3, 6, kernel, stride, padding, gelu=gelu))
    x = randn(2, 3, 16, 16)
    side = 16 // stride
    columns = F.unfold(x, kernel, stride=stride, padding=padding)
    maps = (embed.proj.weight.flatten(1) @ columns).unflatten(2, (side, side)) + embed.proj.bias[:, None, None]
    expected = norm_over_channels(maps, embed.norm)
    close(embed(x), activate(expected, "gelu") if gelu else expected)


def conv_block(x: Tensor, block: ConvBlock) -> Tensor:
    """ConvMAE's block written out, the depth-wise convolution as 25 shifted copies."""
    inner = F.pad(pointwise(norm_over_channels(x, block.norm1), block.conv1), (2, 2, 2, 2))
    kernel, (height, width) = block.mix.weight, x.shape[2:]
    mixed = block.mix.bias[:, None, None]
    for i in range(5):
        for j in range(5):
            mixed = mixed + inner[:, :, i : i + height, j : j + width] * kernel[:, 0, i, j, None, None]
    x = x + pointwise(mixed, block.conv2)
    hidden = activate(pointwise(norm_over_channels(x, block.norm2), block.mlp.fc1), "gelu")
    return x + pointwise(hidden, block.mlp.fc2)


def test_conv_block() -> None:
    block = shaken(ConvBlock(6, 10))
    x = randn(2, 6, 5, 4)
    close(block(x), conv_block(x, block))


def test_conv_stem_has_three_embeddings_and_two_groups_of_blocks() -> None:
    stem = shaken(ConvStem((4, 6, 8), (1, 2), 1.5))
    assert isinstance(stem, ConvStem)
    assert [len(blocks) for blocks in stem.blocks] == [1, 2]
    assert [block.mlp.fc1.out_channels for blocks in stem.blocks for block in blocks] == [6, 9, 9]  # type: ignore[attr-defined]
    image = randn(2, 3, 48, 48)
    x = image
    for index, embed in enumerate(stem.embeds):
        side = 4 if index == 0 else 2
        assert embed.proj.kernel_size == embed.proj.stride == (side, side)
        x = embed(x)
        for block in stem.blocks[index] if index < 2 else ():
            x = conv_block(x, block)
    close(stem(image), pointwise(x, stem.proj))
    assert x.shape == (2, 8, 3, 3)


def test_decoder_embed_is_a_norm_and_a_linear_layer() -> None:
    embed = shaken(DecoderEmbed(6, 10))
    x = randn(2, 6, 3, 4)
    close(embed(x), pointwise(norm_over_channels(x, embed.norm, 1e-6), embed.proj))
