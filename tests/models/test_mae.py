"""Masked autoencoders: what is hidden stays hidden, what is visible is encoded as the tracker encodes it."""

import pytest
import torch
from safetensors.torch import save_file

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.models import build_model
from mixformer.models.layers import pick
from mixformer.models.mae import MaskConfig, MaskedAutoencoder, Split, draw_split, patchify, unpatchify
from mixformer.weights.pretrained import load_pretrained
from tests.helpers.family import backbone_of, small

DENSE = ModelConfig(
    "tiny", 3, 32, 2, search_size=64, template_size=32, prediction_tokens=0, head="corner", head_dim=8, score="none"
)
TOKENS = ModelConfig("tiny_v2", 2, 32, 2, search_size=64, template_size=32, bins=16)
MASKS = MaskConfig(decoder_depth=2, decoder_dim=16, decoder_heads=2)


def make(config=DENSE, seed=0, **changes):
    torch.manual_seed(seed)
    return MaskedAutoencoder(build_model(config), MASKS.replace(**changes)).eval()


def images(batch=3, templates=2, seed=0, config=DENSE):
    random = torch.Generator().manual_seed(seed)
    t, s = config.template_size, config.search_size
    return torch.randn(batch, templates, 3, t, t, generator=random), torch.randn(batch, 3, s, s, generator=random)


@pytest.mark.parametrize(("count", "ratio", "hidden"), [(324, 0.75, 243), (64, 0.75, 48), (100, 0.9, 90), (10, 0.1, 1)])
def test_every_sample_hides_exactly_its_share(count, ratio, hidden):
    split = draw_split(5, count, ratio, torch.Generator().manual_seed(3))
    assert split.hidden.shape == (5, hidden)
    both = torch.cat(split, 1).sort(1).values
    assert torch.equal(both, torch.arange(count).expand(5, -1))
    assert (split.visible.diff(dim=1) > 0).all()
    assert len({tuple(row.tolist()) for row in split.hidden}) > 1  # each sample its own


def test_masks_are_fair_and_come_from_the_generator_alone():
    random = torch.Generator().manual_seed(1)
    first, second = draw_split(4000, 16, 0.75, random), draw_split(4000, 16, 0.75, random)
    assert not torch.equal(first.hidden, second.hidden)
    torch.manual_seed(99)
    again = draw_split(4000, 16, 0.75, torch.Generator().manual_seed(1))
    assert torch.equal(first.hidden, again.hidden)
    odds = torch.bincount(first.hidden.flatten(), minlength=16) / 4000
    assert (odds - 0.75).abs().max() < 0.03


def test_patches_go_row_by_row_and_come_back():
    picture = torch.arange(2 * 3 * 12 * 12.0).view(2, 3, 12, 12)
    patches = patchify(picture, 4)
    assert patches.shape == (2, 9, 48)
    second_row_first_column = picture[1, :, 4:8, 0:4]
    assert torch.equal(patches[1, 3].view(4, 4, 3), second_row_first_column.permute(1, 2, 0))
    assert torch.equal(unpatchify(patches, 4), picture)


@pytest.mark.parametrize("kind", ["mae", "trackmae"])
@pytest.mark.parametrize("attention", ["asymmetric", "symmetric"])
def test_hidden_pixels_change_nothing_but_the_original(kind, attention):
    network = make(DENSE.replace(attention=attention), kind=kind)
    templates, search = images()
    first = network(templates, search, torch.Generator().manual_seed(5))
    patches = patchify(search, 16)
    places = first[0].split.hidden[..., None].expand(-1, -1, patches.shape[2])
    other = unpatchify(patches.scatter(1, places, 7.0), 16)
    second = network(templates, other, torch.Generator().manual_seed(5))
    assert torch.equal(first[0].patches, second[0].patches)
    assert torch.equal(second[0].images, other)
    shown = unpatchify(patches.scatter(1, first[0].split.visible[:, :1, None].expand(-1, -1, 768), 7.0), 16)
    third = network(templates, shown, torch.Generator().manual_seed(5))
    assert not torch.equal(first[0].patches, third[0].patches)


def test_templates_help_in_one_mode_and_are_pictures_of_their_own_in_the_other():
    templates, search = images()
    changed = templates.clone()
    changed[0, 1] = 0.5
    for kind in ("mae", "trackmae"):
        network = make(kind=kind)
        a, b = (network(t, search, torch.Generator().manual_seed(5)) for t in (templates, changed))
        assert [len(x.patches) for x in a] == ([3, 6] if kind == "mae" else [3])
        same = [torch.equal(x, y) for x, y in zip(a[0].patches, b[0].patches, strict=True)]
        assert same == [kind == "mae", True, True]
        if kind == "mae":
            assert [torch.equal(x, y) for x, y in zip(a[1].patches, b[1].patches, strict=True)] == [
                True, False, True, True, True, True,
            ]  # fmt: skip


@pytest.mark.parametrize("attention", ["asymmetric", "symmetric"])
def test_with_nothing_hidden_the_encoder_is_the_trackers_backbone(attention):
    network = make(DENSE.replace(attention=attention))
    templates, search = images()
    backbone = network.model.backbone
    everything = torch.arange(16).expand(3, -1)
    found_templates, found = network.encode(search, everything, templates)
    if attention == "symmetric":
        expected_templates, expected = backbone.mix(templates, search)
    else:
        memory, expected_templates = backbone.remember(templates)
        expected = backbone.locate(search, memory)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_templates, expected_templates)


def test_the_encoder_sees_the_visible_tokens_only():
    network = make()
    templates, search = images()
    split = draw_split(3, 16, 0.75)
    widths = []
    handle = network.encoder.blocks[0].mlp.register_forward_pre_hook(lambda _, x: widths.append(x[0].shape[1]))
    _, found = network.encode(search, split.visible, templates)
    handle.remove()
    assert widths == [8, 4]  # two templates of 2 x 2 tokens; a quarter of 4 x 4
    assert found.shape == (3, 4, 32)
    order = torch.tensor([2, 0, 3, 1]).expand(3, -1)
    _, reordered = network.encode(search, pick(split.visible[..., None], order)[..., 0], templates)
    torch.testing.assert_close(reordered, pick(found, order))


def test_predictions_depend_on_where_a_hidden_patch_lies():
    network = make()
    templates, search = images(batch=1)
    split = Split(torch.tensor([[0, 5]]), torch.tensor([[i for i in range(16) if i not in (0, 5)]]))
    found = network.reconstruct(search, split, templates).patches
    assert found.shape == (1, 16, 768)
    assert torch.pdist(found[0]).min() > 1e-4


@pytest.mark.parametrize("kind", ["mae", "trackmae"])
@pytest.mark.parametrize("position", ["sincos", "learned"])
def test_gradients_reach_encoder_and_decoder(kind, position):
    config = DENSE.replace(position=position, layer_scale=True)
    network = make(config, kind=kind).train()
    templates, search = images()
    found = network(templates, search)
    sum((x.patches**2).mean() for x in found).backward()
    trained = {
        name: value
        for name, value in network.named_parameters()
        if value.requires_grad and not name.startswith("model.box_head")
    }
    assert [name for name, value in trained.items() if value.grad is None or not value.grad.any()] == []
    assert ("model.backbone.pos_template" in trained) == (position == "learned")
    assert {"mask_token", "pixels.weight", "norm.weight", "decoder.patch_embed.norm.weight"} <= trained.keys()


def test_prediction_tokens_and_heads_take_no_part():
    network = make(TOKENS)
    templates, search = images(config=TOKENS)
    before = network(templates, search, torch.Generator().manual_seed(5))[0].patches
    with torch.no_grad():
        network.model.backbone.tokens.add_(1)
        network.model.backbone.pos_tokens.add_(1)
        network.model.box_head.hidden.weight.add_(1)
    assert torch.equal(network(templates, search, torch.Generator().manual_seed(5))[0].patches, before)


@pytest.mark.parametrize("config", [DENSE, TOKENS, DENSE.replace(position="learned")], ids=["dense", "v2", "learned"])
def test_a_tracker_starts_from_the_encoder(config, tmp_path):
    network = make(config)
    save_file(network.encoder_state(), tmp_path / "encoder.safetensors")
    torch.manual_seed(1)
    tracker = build_model(config)
    report = load_pretrained(tracker, tmp_path / "encoder.safetensors", kind="mixformer")
    assert report.left_out.keys() <= {"backbone.pos_search", "backbone.pos_template"}  # fixed ones need no file
    for name, value in network.encoder_state().items():
        assert torch.equal(tracker.state_dict()[name], value), name
    missing = tracker.backbone.state_dict().keys() - {k.removeprefix("backbone.") for k in network.encoder_state()}
    assert missing == ({"tokens", "pos_tokens"} if config.prediction_tokens else set())


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_tracker_with_decoder_blocks_starts_from_both(depth, tmp_path):
    network = make(DENSE.replace(position="learned"))
    file = tmp_path / "both.safetensors"
    save_file(network.encoder_state(decoder=True), file)
    config = network.model.config.replace(decoder_depth=depth, decoder_dim=16, decoder_heads=2)
    torch.manual_seed(1)
    tracker = build_model(config)
    load_pretrained(tracker, file, kind="mixformer")
    templates, search = images()
    memory = tracker.remember(templates, keep_features=True)
    found = tracker.locate(search, memory, keep_features=True).features
    stages = [network.encoder, *([network.decoder] if depth else [])]
    t, x = network.encode(search, torch.arange(16).expand(3, -1), templates)
    torch.testing.assert_close(found[2], x)
    if depth:
        t = stages[1].embed_templates(network.encoder.template_maps(t))
        x = stages[1].embed_search(network.encoder.search_map(x))
        for block in stages[1].typed_blocks[:depth]:
            t, kept = block.remember(t, stages[1].layouts[0])
            x = block.locate(x, stages[1].layouts[1], kept)
        torch.testing.assert_close(found[-1], x)


def test_a_tracker_of_another_crop_size_starts_from_learned_tables(tmp_path):
    network = make(DENSE.replace(position="learned"))
    save_file(network.encoder_state(), tmp_path / "encoder.safetensors")
    larger = build_model(DENSE.replace(position="learned", search_size=96, template_size=48))
    load_pretrained(larger, tmp_path / "encoder.safetensors", kind="mixformer")
    assert larger.backbone.pos_search.shape == (1, 36, 32)


@pytest.mark.parametrize("backbone", ["cvt", "convmae"])
def test_backbones_that_cannot_leave_tokens_out_are_refused(backbone):
    model = build_model(small(**backbone_of(backbone)))
    with pytest.raises(ConfigError, match="hidden pixels next to visible ones"):
        MaskedAutoencoder(model, MASKS)


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="decoder_depth=0"):
        make(DENSE.replace(decoder_depth=1, decoder_dim=16, decoder_heads=2))
    with pytest.raises(ConfigError, match="kind must be 'mae'"):
        MaskConfig("videomae")
    for ratio in (0.0, 1.0, -0.1):
        with pytest.raises(ConfigError, match="ratio"):
            MaskConfig(ratio=ratio)
    with pytest.raises(ConfigError, match="decoder_depth"):
        MaskConfig(decoder_depth=0)
    with pytest.raises(ConfigError, match="hides 16 of 16"):
        make(ratio=0.99)
    with pytest.raises(ConfigError, match="hides 0 of 4"):
        make(kind="mae", ratio=0.1)
    with pytest.raises(ConfigError, match="heads 3"):
        make(decoder_heads=3)
