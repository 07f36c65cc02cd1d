"""What a start takes, leaves out and keeps, and what it refuses."""

import pytest
import torch
from safetensors.torch import save_file

from mixformer.models import build_model
from mixformer.weights.conversion import write_official
from mixformer.weights.load_save import ModelWeights, save_model
from mixformer.weights.pretrained import load_pretrained
from tests.helpers import pretrained_files as files
from tests.helpers.pretrained import CONVMAE, CVT, DECODER, FILES, SCALED, VIT, template_tokens, write
from tests.helpers.pretrained_files import DIM


def start(tmp_path, state, config, kind="auto"):
    model = build_model(config)
    return model, load_pretrained(model, write(state, tmp_path / "start.pth"), kind)


def same_backbone(one, other):
    return all(torch.equal(value, other.backbone.state_dict()[key]) for key, value in one.backbone.state_dict().items())


@pytest.mark.parametrize("name", FILES)
def test_every_entry_is_accounted_for(tmp_path, name):
    make, config = FILES[name]
    state = make()
    model, report = start(tmp_path, state, config)
    backbone = {f"backbone.{key}" for key in model.backbone.state_dict()}
    assert report.loaded.keys() | report.kept.keys() == backbone
    assert not report.loaded.keys() & report.kept.keys()
    named = {part.removesuffix(" plus noise") for note in report.loaded.values() for part in note.split(", ")}
    assert report.left_out.keys() == state.keys() - named


@pytest.mark.parametrize(
    ("make", "config", "key", "reason"),
    [
        (files.mae, VIT, "blocks.2.attn.qkv.weight", "no such part"),
        (files.mae, VIT, "norm.weight", "follows the last block"),
        (lambda: files.mae(decoder=1), VIT, "mask_token", "pre-training only"),
        (lambda: files.mae(decoder=1), VIT, "decoder_blocks.0.mlp.fc1.weight", "no such part"),
        (files.mae, VIT.replace(head="corner", score="spm", prediction_tokens=0), "cls_token", "prediction tokens"),
        (files.mae, VIT.replace(position="sincos", head="corner", score="none", prediction_tokens=0),
         "pos_embed", "fixed one"),
        (files.deit3, SCALED, "head.weight", "classifier"),
        (files.dinov2, SCALED, "register_tokens", "register"),
        (files.hugging_face, SCALED, "encoder.layer.2.attention.attention.key.bias", "no such part"),
        (files.convmae, CONVMAE, "stage1_output_decode.weight", "pre-training only"),
        (files.convmae, CONVMAE, "blocks3.2.norm1.bias", "no such part"),
        (files.cvt, CVT, "stage0.blocks.0.attn.conv_proj_q.bn.num_batches_tracked", "counters"),
        (files.cvt, CVT, "stage2.blocks.2.attn.conv_proj_q.bn.running_var", "no such part"),
    ],
)  # fmt: skip
def test_what_is_left_out_and_why(tmp_path, make, config, key, reason):
    assert reason in start(tmp_path, make(), config)[1].left_out[key]


def test_fewer_blocks_are_the_first_ones(tmp_path):
    deep, _ = start(tmp_path, files.mae(3), VIT.replace(depth=3))
    short, _ = start(tmp_path, files.mae(3), VIT.replace(depth=1))
    assert len(short.backbone.blocks) == 1
    assert torch.equal(short.backbone.blocks[0].mlp.fc1.weight, deep.backbone.blocks[0].mlp.fc1.weight)


@pytest.mark.parametrize("position", ["frozen", "learned"])
def test_learned_tables_start_alike_and_train(tmp_path, position):
    model, report = start(tmp_path, files.mae(), VIT.replace(position=position))
    reference, _ = start(tmp_path, files.mae(), VIT)
    assert torch.equal(model.backbone.pos_search, reference.backbone.pos_search)
    assert model.backbone.pos_template.requires_grad == (position == "learned")
    assert not report.kept


def test_fixed_tables_stay(tmp_path):
    state = files.mae()
    del state["pos_embed"]
    config = VIT.replace(position="sincos")
    model, report = start(tmp_path, state, config)
    assert torch.equal(model.backbone.pos_search, build_model(config).backbone.pos_search)
    assert report.kept.keys() == {"backbone.pos_search", "backbone.pos_template"}


@pytest.mark.parametrize(
    ("make", "config", "expected"),
    [
        (files.mae, VIT, lambda s: s["cls_token"] + s["pos_embed"][:, :1]),
        (files.dinov2, SCALED, lambda s: s["cls_token"] + s["pos_embed"][:, :1]),
        (files.deit3, SCALED, lambda s: s["cls_token"]),
        (files.cvt, CVT, lambda s: s["stage2.cls_token"]),
        (lambda: files.convmae() | {"cls_token": files.random(1, 1, DIM)}, CONVMAE, lambda s: s["cls_token"]),
    ],
)
def test_prediction_tokens_start_as_the_class_token_plus_noise(tmp_path, make, config, expected):
    state = make()
    model, report = start(tmp_path, state, config)
    last, draws = model.backbone.parts[-1], []
    for _ in range(50):
        draws.append(last.tokens.detach().clone())
        load_pretrained(model, tmp_path / "start.pth")
    wanted, noise = expected(state), torch.cat(draws) - expected(state)
    torch.testing.assert_close(noise.std(), wanted.std(), rtol=0.1, atol=0)
    assert noise.mean().abs() < 0.02
    assert not last.pos_tokens.any()
    assert report.loaded[next(k for k in report.loaded if k.endswith(".tokens"))].endswith("plus noise")


@pytest.mark.parametrize(("make", "config"), [(files.convmae, CONVMAE), (lambda: files.mae(decoder=2), DECODER)])
def test_prediction_tokens_without_a_class_token_keep_their_values(tmp_path, make, config):
    model = build_model(config)
    before = model.backbone.parts[-1].tokens.detach().clone()
    report = load_pretrained(model, write(make(), tmp_path / "start.pth"))
    assert torch.equal(model.backbone.parts[-1].tokens, before)
    assert sorted(key.rsplit(".", 1)[1] for key in report.kept) == ["pos_tokens", "tokens"]


@pytest.mark.parametrize("config", [VIT, SCALED, CONVMAE, CVT, DECODER])
def test_our_own_backbones(tmp_path, config):
    source = build_model(config)
    save_model(source, tmp_path / "model")
    for path in (tmp_path / "model", tmp_path / "model" / "model.safetensors"):
        model = build_model(config)
        report = load_pretrained(model, path)
        assert report.kind == "mixformer"
        assert same_backbone(model, source)
        assert report.left_out["box_head.hidden.weight"] == "no part of a backbone"
        assert not torch.equal(model.box_head.hidden.weight, source.box_head.hidden.weight)


def test_an_official_checkpoint(tmp_path):
    config = VIT.replace(dim=64, heads=1, position="sincos")
    source, model = build_model(config), build_model(config.replace(position="frozen", search_size=96))
    path = write_official(ModelWeights(config, source.state_dict()), tmp_path / "official.pth.tar")
    report = load_pretrained(model, path)
    assert report.kind == "mixformer"
    assert torch.equal(model.backbone.blocks[1].attn.qkv.weight, source.backbone.blocks[1].attn.qkv.weight)
    assert torch.equal(model.backbone.tokens, source.backbone.tokens)
    assert report.loaded["backbone.pos_search"] == "backbone.pos_search, bilinear to 6 x 6"


def test_an_encoder_alone_starts_networks_of_other_sizes(tmp_path):
    """As our own pre-training stores it: a file without heads, tokens and configuration; here with a decoder."""
    whole = build_model(DECODER.replace(depth=3, position="learned"))
    with torch.no_grad():
        whole.backbone.parts[0].pos_search.copy_(torch.arange(16.0).view(1, 16, 1).expand(1, 16, DIM))
    state = {f"backbone.{key}": value for key, value in whole.backbone.state_dict().items() if "tokens" not in key}
    save_file(state, tmp_path / "encoder.safetensors")
    model = build_model(VIT.replace(search_size=32))
    report = load_pretrained(model, tmp_path / "encoder.safetensors")
    encoder = whole.backbone.parts[0]
    assert torch.equal(model.backbone.blocks[1].attn.qkv.weight, encoder.blocks[1].attn.qkv.weight)
    assert model.backbone.pos_search[0, :, 0].tolist() == [2.5, 4.5, 10.5, 12.5]
    assert torch.equal(model.backbone.pos_template, encoder.pos_template)
    assert report.kept.keys() == {"backbone.tokens", "backbone.pos_tokens"}
    assert report.left_out["backbone.stages.1.blocks.0.norm1.weight"] == "the network has no such part"


def test_small_storage_and_half_floats(tmp_path):
    source, model = build_model(VIT), build_model(VIT)
    save_model(source, tmp_path / "int8", precision="int8")
    load_pretrained(model, tmp_path / "int8")
    torch.testing.assert_close(model.backbone.blocks[0].mlp.fc1.weight, source.backbone.blocks[0].mlp.fc1.weight,
                               rtol=0, atol=2e-3)  # fmt: skip
    half, _ = start(tmp_path, {key: value.half() for key, value in files.mae().items()}, VIT)
    image = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(
        template_tokens(half, image), template_tokens(start(tmp_path, files.mae(), VIT)[0], image), rtol=0, atol=0.05
    )


def test_other_entries_of_a_checkpoint(tmp_path):
    for entry in ("net", "model", "state_dict"):
        torch.save({"epoch": 3, entry: files.mae(), "args": [1, 2]}, tmp_path / "start.pth")
        assert load_pretrained(build_model(VIT), tmp_path / "start.pth").kind == "mae"
