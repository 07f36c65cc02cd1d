"""A backbone started from a file computes what the file's own network computes, written out here."""

import pytest
import torch
from torch.nn import functional as F

from mixformer.models import build_model
from mixformer.models.layers import resize_table
from mixformer.weights.pretrained import load_pretrained
from tests.helpers import pretrained_files as files
from tests.helpers.pretrained import CONVMAE, CVT, DECODER, FILES, SCALED, VIT, template_tokens, write
from tests.helpers.pretrained_files import HEADS, SIDE


def layer(state, name, x):
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def norm(state, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def tokens(maps):
    return maps.flatten(2).transpose(1, 2)


def attend(q, k, v, heads, scale):
    q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return ((q @ k.transpose(2, 3)) * scale).softmax(-1).matmul(v).transpose(1, 2).flatten(2)


def block(state, name, x, heads=HEADS, scales=None):
    """Of every plain transformer; `scales` names the two factors of LayerScale."""
    one, two = (state[f"{name}.{s}"] for s in scales) if scales else (1, 1)
    q, k, v = layer(state, f"{name}.attn.qkv", norm(state, f"{name}.norm1", x, 1e-6)).chunk(3, -1)
    x = x + one * layer(state, f"{name}.attn.proj", attend(q, k, v, heads, (x.shape[2] / heads) ** -0.5))
    hidden = F.gelu(layer(state, f"{name}.mlp.fc1", norm(state, f"{name}.norm2", x, 1e-6)))
    return x + two * layer(state, f"{name}.mlp.fc2", hidden)


def bilinear(table, grid):
    """Interpolation of an (n, n, C) table as a product with the weights of a hat function along each side."""
    side = len(table)
    places = ((torch.arange(grid) + 0.5) * side / grid - 0.5).clamp(0, side - 1)
    hat = (1 - (places[:, None] - torch.arange(side)).abs()).clamp(min=0)
    return torch.einsum("ai,bj,ijc->abc", hat, hat, table).flatten(0, 1)[None]


def run_vit(state, image, scales=None, skip=1, table=None):
    if table is None:
        table = bilinear(state["pos_embed"][0, skip:].view(SIDE, SIDE, -1), image.shape[2] // 16)
    x = tokens(conv(state, "patch_embed.proj", image, 16)) + table
    for index in range(VIT.depth):
        x = block(state, f"blocks.{index}", x, scales=scales)
    return x


def map_norm(state, name, maps):
    return norm(state, name, maps.permute(0, 2, 3, 1), 1e-5).permute(0, 3, 1, 2)


def conv(state, name, x, stride=1, padding=0, groups=1):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding, groups=groups)


def run_convmae(state, image):
    x = image
    for stage, stride in ((1, 4), (2, 2), (3, 2)):
        x = F.gelu(map_norm(state, f"patch_embed{stage}.norm", conv(state, f"patch_embed{stage}.proj", x, stride)))
        for name in (f"blocks{stage}.0", f"blocks{stage}.1") if stage < 3 else ():
            y = conv(state, f"{name}.conv1", map_norm(state, f"{name}.norm1", x))
            x = x + conv(state, f"{name}.conv2", conv(state, f"{name}.attn", y, padding=2, groups=y.shape[1]))
            y = conv(state, f"{name}.mlp.fc1", map_norm(state, f"{name}.norm2", x))
            x = x + conv(state, f"{name}.mlp.fc2", F.gelu(y))
    x = layer(state, "patch_embed4", tokens(x))
    x = x + bilinear(state["pos_embed"][0].view(SIDE, SIDE, -1), image.shape[2] // 16)
    for index in range(CONVMAE.depth):
        x = block(state, f"blocks3.{index}", x)
    return x


def run_cvt(state, image):
    maps = image
    for stage, heads in enumerate((1, 2, HEADS)):
        start = f"stage{stage}"
        maps = conv(state, f"{start}.patch_embed.proj", maps, *((4, 2) if stage == 0 else (2, 1)))
        maps = map_norm(state, f"{start}.patch_embed.norm", maps)
        for index in range((1, 2, CVT.depth)[stage]):
            maps = cvt_block(state, f"{start}.blocks.{index}", maps, heads)
    return tokens(maps)


def cvt_block(state, name, maps, heads):
    def project(part, maps):
        start = f"{name}.attn.conv_proj_{part}"
        bn = [state[f"{start}.bn.{key}"].view(-1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")]
        y = conv(state, f"{start}.conv", maps, 1 if part == "q" else 2, 1, maps.shape[1])
        y = (y - bn[0]) / (bn[1] + 1e-5).sqrt() * bn[2] + bn[3]
        return layer(state, f"{name}.attn.proj_{part}", tokens(y))

    x, normed = tokens(maps), map_norm(state, f"{name}.norm1", maps)
    q, k, v = (project(part, normed) for part in "qkv")
    x = x + layer(state, f"{name}.attn.proj", attend(q, k, v, heads, maps.shape[1] ** -0.5))
    hidden = layer(state, f"{name}.mlp.fc1", norm(state, f"{name}.norm2", x, 1e-5))
    x = x + layer(state, f"{name}.mlp.fc2", hidden * torch.sigmoid(1.702 * hidden))
    return x.transpose(1, 2).view_as(maps)


SOURCES = {
    "mae": lambda state, image: run_vit(state, image),
    "deit3": lambda state, image: run_vit(state, image, ("gamma_1", "gamma_2"), 0),
    "dinov2": lambda state, image: run_vit(state, image, ("ls1.gamma", "ls2.gamma")),
    "convmae": run_convmae,
    "cvt": run_cvt,
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", FILES)
def test_the_backbone_computes_what_the_source_computes(tmp_path, name, suffix):
    make, config = FILES[name]
    kind = name.split(",")[0]
    path = write(make(), tmp_path / f"start{suffix}")
    model, image = build_model(config), torch.randn(2, 3, 32, 32)
    report = load_pretrained(model, path, interpolation="bilinear")
    assert report.kind == kind
    plain = files.dinov2() if kind == "dinov2" else make()
    torch.testing.assert_close(template_tokens(model, image), SOURCES[kind](plain, image), rtol=1e-4, atol=1e-5)
    again = build_model(config)
    assert load_pretrained(again, path, kind, interpolation="bilinear").loaded == report.loaded


def test_the_search_region_has_its_own_table(tmp_path):
    state, model, image = files.mae(), build_model(VIT), torch.randn(1, 3, 64, 64)
    load_pretrained(model, write(state, tmp_path / "mae.pth"))
    expected = tokens(conv(state, "patch_embed.proj", image, 16))
    expected = expected + bilinear(state["pos_embed"][0, 1:].view(SIDE, SIDE, -1), 4)
    torch.testing.assert_close(model.backbone.embed_search(image)[:, :16], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("position", ["frozen", "sincos"])
def test_decoder_blocks_continue_the_encoder(tmp_path, position):
    state, image = files.mae(decoder=3), torch.randn(1, 3, 32, 32)
    model = build_model(DECODER.replace(position=position))
    report = load_pretrained(model, write(state, tmp_path / "mae_full.pth"))
    encoder, decoder = model.backbone.parts
    tables = [stage.pos_template for stage in (encoder, decoder)]
    if position == "frozen":
        tables = [bilinear(state[key][0, 1:].view(SIDE, SIDE, -1), 2) for key in ("pos_embed", "decoder_pos_embed")]
    x = run_vit(state, image, table=tables[0])
    x = layer(state, "decoder_embed", norm(state, "norm", x, 1e-6)) + tables[1]
    for index in range(2):
        x = block(state, f"decoder_blocks.{index}", x, heads=4)
    torch.testing.assert_close(template_tokens(model, image), x.detach(), rtol=1e-4, atol=1e-5)
    assert "decoder_blocks.2.norm1.weight" in report.left_out
    assert report.left_out["decoder_pred.weight"] == "it is for pre-training only"


def test_tables_keep_their_values_on_an_equal_grid(tmp_path):
    state, model = files.mae(), build_model(VIT.replace(search_size=48))
    report = load_pretrained(model, write(state, tmp_path / "mae.pth"))
    assert torch.equal(model.backbone.pos_search, state["pos_embed"][:, 1:])
    assert report.loaded["backbone.pos_search"] == "pos_embed"
    assert report.loaded["backbone.pos_template"] == "pos_embed, bilinear to 2 x 2"


@pytest.mark.parametrize(("grid", "places"), [(8, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]), (2, [0.5, 2.5])])
def test_bilinear_interpolation_of_a_ramp(grid, places):
    """A table whose value is 10 * row + column, read between its places; beyond the outer ones it is constant."""
    ramp = (10 * torch.arange(4.0)[:, None] + torch.arange(4.0)).view(1, 16, 1)
    expected = 10 * torch.tensor(places)[:, None] + torch.tensor(places)
    torch.testing.assert_close(resize_table(ramp, grid, "bilinear"), expected.view(1, -1, 1))
    assert torch.equal(resize_table(ramp, 4, "bilinear"), ramp)
    assert not torch.allclose(resize_table(ramp, grid), expected.view(1, -1, 1))


def test_dinov2_is_interpolated_with_cubics_unless_asked_otherwise(tmp_path):
    path, state = write(files.hugging_face(), tmp_path / "dino.safetensors"), files.dinov2()
    found = {}
    for mode in (None, "bicubic", "bilinear"):
        model = build_model(SCALED)
        load_pretrained(model, path, interpolation=mode)
        found[mode] = model.backbone.pos_search.detach()
    assert torch.equal(found[None], found["bicubic"])
    assert torch.equal(found[None], resize_table(state["pos_embed"][:, 1:], 4))
    torch.testing.assert_close(found["bilinear"], bilinear(state["pos_embed"][0, 1:].view(SIDE, SIDE, -1), 4))
