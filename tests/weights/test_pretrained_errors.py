"""A start that does not fit is refused with its reason, and the network stays as it was."""

import pytest
import torch

from mixformer.errors import CheckpointError, ConfigError
from mixformer.models import build_model
from mixformer.training import run_training as run
from mixformer.training.recipe import Recipe
from mixformer.weights.pretrained import load_pretrained
from tests.helpers import pretrained_files as files
from tests.helpers.pretrained import CONVMAE, CVT, DECODER, FILES, SCALED, VIT, write
from tests.helpers.pretrained_files import random


def refused(tmp_path, state, config, message, kind="auto"):
    path = write(state, tmp_path / "start.pth")
    model = build_model(config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(model, path, kind)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", FILES)
def test_every_missing_or_mis_shaped_entry_is_named(tmp_path, name):
    make, config = FILES[name]
    state, model = make(), build_model(config)
    path = write(state, tmp_path / "start.safetensors")
    report = load_pretrained(model, path)
    sources = {
        part.removesuffix(" plus noise"): ours for ours, note in report.loaded.items() for part in note.split(", ")
    }
    needed = {key: ours for key, ours in sources.items() if key in state and not key.endswith("cls_token")}
    for key in list(needed)[::7] + [key for key in needed if "pos" in key]:
        write({k: v for k, v in state.items() if k != key}, path)
        with pytest.raises(CheckpointError, match=r"missing: .*backbone\.|has \d blocks?|LayerScale|cannot tell"):
            load_pretrained(model, path)
        write(state | {key: torch.zeros(2, 5, 7)}, path)
        with pytest.raises(CheckpointError, match=r"of another shape: |no square grid|do not fit together"):
            load_pretrained(model, path)


@pytest.mark.parametrize(
    ("make", "key", "config", "ours"),
    [
        (files.mae, "blocks.1.mlp.fc1.bias", VIT, "backbone.blocks.1.mlp.fc1.bias"),
        (files.mae, "pos_embed", VIT, "backbone.pos_search, backbone.pos_template"),
        (files.deit3, "blocks.1.gamma_2", SCALED, "backbone.blocks.1.scale2"),
        (files.convmae, "blocks2.1.attn.weight", CONVMAE, "backbone.patch_embed.blocks.1.1.mix.weight"),
        (files.cvt, "stage1.blocks.0.attn.conv_proj_k.bn.running_var", CVT,
         "backbone.stages.1.blocks.0.attn.key_conv.norm.running_var"),
        (lambda: files.mae(decoder=2), "decoder_pos_embed", DECODER, "backbone.stages.1.pos_search"),
        (lambda: files.mae(decoder=2), "decoder_embed.weight", DECODER, "backbone.stages.1.patch_embed.proj.weight"),
    ],
)  # fmt: skip
def test_a_missing_entry_is_named_as_the_network_calls_it(tmp_path, make, key, config, ours):
    state = make()
    del state[key]
    refused(tmp_path, state, config, f"missing: {ours}".replace(".", r"\."))


@pytest.mark.parametrize(
    ("make", "config", "message"),
    [
        (files.mae, VIT.replace(depth=4), "has 3 blocks, but small has 4 in stage 1"),
        (lambda: files.cvt((1, 1, 3)), CVT, "has 1 block, but small has 2 in stage 2"),
        (files.mae, DECODER, r"has 0 blocks, but small has 2 in decoder .*_full\.pth"),
        (lambda: files.mae(decoder=1), DECODER, "has 1 block, but small has 2"),
        (files.deit3, SCALED.replace(decoder_depth=1), "use an MAE file"),
        (files.mae, SCALED, "has no LayerScale, but small differs; set layer_scale=False"),
        (files.deit3, VIT, "has LayerScale, but small differs; set layer_scale=True"),
        (files.hugging_face, VIT, "set layer_scale=True"),
        (files.cvt, VIT, "for backbone 'cvt', but small has 'vit'"),
        (files.mae, CONVMAE, "for backbone 'vit', but small has 'convmae'"),
        (files.convmae, CVT, "for backbone 'convmae', but small has 'cvt'"),
        (
            files.mae,
            VIT.replace(dim=48),
            r"another shape: .*backbone\.patch_embed\.weight \(32, 3, 16, 16\) instead of",
        ),
        (lambda: files.vit(places=14), VIT, r"pos_embed .* \(1, 14, 32\), which is no square grid"),
        (lambda: files.mae() | {"blocks.0.attn.q_norm.weight": random(16)}, VIT, "lacks blocks.0.attn.q_norm"),
        (lambda: files.mae() | {"pos_embed": random(1, 10, 4)}, VIT, "cls_token and pos_embed .* differ in width"),
        (lambda: {"conv1.weight": random(4, 3, 7, 7)}, VIT, r"cannot tell the kind .*entries: conv1.weight"),
    ],
)
def test_what_does_not_fit(tmp_path, make, config, message):
    refused(tmp_path, make(), config, message)


def test_a_kind_that_the_file_is_not(tmp_path):
    refused(tmp_path, files.mae(), VIT, "not a checkpoint of the MixFormer family", "mixformer")
    refused(tmp_path, files.convmae(), VIT, "has 0 blocks", "mae")
    with pytest.raises(ConfigError, match="unknown kind of file 'vit'; known: auto, cvt"):
        load_pretrained(build_model(VIT), tmp_path / "start.pth", "vit")


@pytest.mark.parametrize("name", ["text.safetensors", "missing.safetensors", "text.pth", "missing.pth", "folder"])
def test_a_start_that_is_no_file_of_weights(tmp_path, name):
    (tmp_path / "folder").mkdir()
    if name.startswith("text"):
        (tmp_path / name).write_text("no weights")
    with pytest.raises(CheckpointError, match=r"cannot read|no file"):
        load_pretrained(build_model(VIT), tmp_path / name)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_recipe_starts_from_a_file(tmp_path, suffix):
    path = write(files.mae(), tmp_path / f"mae{suffix}")
    changes = {name: value for name, value in VIT.to_dict().items() if name != "name"}
    model = run.start_model(Recipe(model="mixformerv2_b", model_overrides=changes, init_from=str(path)))
    assert torch.equal(model.backbone.blocks[0].mlp.fc1.weight, files.mae()["blocks.0.mlp.fc1.weight"])
