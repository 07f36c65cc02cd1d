"""A DINOv2 file as the start of a tracker."""

import pytest
import torch
from safetensors.torch import save_file

from mixformer.config import ModelConfig
from mixformer.errors import CheckpointError
from mixformer.models import build_model
from mixformer.models.layers import resize_table
from mixformer.weights.pretrained import load_dinov2

CONFIG = ModelConfig(
    "small", depth=2, dim=32, heads=2, patch_size=14, search_size=56, template_size=28, bins=8, layer_scale=True
)


def dinov2(blocks=3, dim=32, split=False):
    """Random weights in the names of a Hugging Face DINOv2 file."""
    torch.manual_seed(0)
    shapes = {"embeddings.cls_token": (1, 1, dim)}
    shapes["embeddings.patch_embeddings.projection.weight"] = (dim, 3, 14, 14)
    shapes["embeddings.patch_embeddings.projection.bias"] = (dim,)
    for i in range(blocks):
        start = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            shapes[f"{start}attention.attention.{part}.weight"] = (dim, dim)
            shapes[f"{start}attention.attention.{part}.bias"] = (dim,)
        shapes[f"{start}attention.output.dense.weight"] = (dim, dim)
        shapes[f"{start}attention.output.dense.bias"] = (dim,)
        for name, shape in {"fc1.weight": (4 * dim, dim), "fc1.bias": (4 * dim,)}.items():
            shapes[f"{start}mlp.{name}"] = shape
        for name, shape in {"fc2.weight": (dim, 4 * dim), "fc2.bias": (dim,)}.items():
            shapes[f"{start}mlp.{name}"] = shape
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            shapes[start + name] = (dim,)
        for name in ("layer_scale1.lambda1", "layer_scale2.lambda1"):
            shapes[start + name] = (dim,)
    state = {name: torch.randn(shape) for name, shape in shapes.items()}
    table = torch.randn(1, 1 + 25, dim)
    if split:
        state["embeddings.patch_position_embeddings"] = table[:, 1:].contiguous()
        state["embeddings.class_position_embedding"] = table[:, :1].contiguous()
    else:
        state["embeddings.position_embeddings"] = table
    return state


@pytest.mark.parametrize("split", [False, True])
def test_a_block_computes_what_dinov2_computes(tmp_path, split):
    state = dinov2(split=split)
    save_file(state, tmp_path / "dino.safetensors")
    model = build_model(CONFIG)
    load_dinov2(model, tmp_path / "dino.safetensors")
    assert torch.equal(model.backbone.patch_embed.weight, state["embeddings.patch_embeddings.projection.weight"])

    def part(name, x):
        start = "encoder.layer.1."
        return torch.nn.functional.linear(x, state[f"{start}{name}.weight"], state[f"{start}{name}.bias"])

    def norm(name, x):
        start = f"encoder.layer.1.{name}."
        return torch.nn.functional.layer_norm(x, (32,), state[start + "weight"], state[start + "bias"], 1e-6)

    x = torch.randn(1, 7, 32)
    y = norm("norm1", x)
    q, k, v = (part(f"attention.attention.{n}", y).view(1, 7, 2, 16).transpose(1, 2) for n in ("query", "key", "value"))
    mixed = ((q @ k.transpose(-1, -2)) / 4).softmax(-1) @ v
    out = part("attention.output.dense", mixed.transpose(1, 2).reshape(1, 7, 32))
    expected = x + state["encoder.layer.1.layer_scale1.lambda1"] * out
    hidden = torch.nn.functional.gelu(part("mlp.fc1", norm("norm2", expected)))
    expected = expected + state["encoder.layer.1.layer_scale2.lambda1"] * part("mlp.fc2", hidden)
    torch.testing.assert_close(model.backbone.blocks[1].remember(x)[0], expected, rtol=1e-4, atol=1e-4)


def test_position_tables_are_interpolated(tmp_path):
    state = dinov2(split=True)
    save_file(state, tmp_path / "dino.safetensors")
    model = build_model(CONFIG)
    load_dinov2(model, tmp_path / "dino.safetensors")
    assert model.backbone.pos_search.shape == (1, 16, 32)
    assert model.backbone.pos_template.shape == (1, 4, 32)
    flat = resize_table(torch.ones(1, 25, 3) * torch.tensor([1.0, 2, 3]), 4)
    torch.testing.assert_close(flat, torch.ones(1, 16, 3) * torch.tensor([1.0, 2, 3]))
    ramp = torch.arange(64.0).view(1, 64, 1)
    assert torch.equal(resize_table(ramp, 8), ramp)
    assert (resize_table(ramp, 4).diff(dim=1) > 0).all()


@pytest.mark.parametrize(("state", "message"), [(dinov2(1), "at least 2 blocks"), (dinov2(dim=64), "does not fit")])
def test_a_start_that_does_not_fit(tmp_path, state, message):
    save_file(state, tmp_path / "dino.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_dinov2(build_model(CONFIG), tmp_path / "dino.safetensors")


def test_a_start_that_is_no_file_of_weights(tmp_path):
    (tmp_path / "text.safetensors").write_text("no weights")
    for path in (tmp_path / "text.safetensors", tmp_path / "missing.safetensors"):
        with pytest.raises(CheckpointError, match="cannot read"):
            load_dinov2(build_model(CONFIG), path)
