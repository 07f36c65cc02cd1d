"""What the designs of the papers start from: CvT without the cross-attention, MAE after its fine-tuning, nothing."""

import pytest
import torch

from mixformer.errors import CheckpointError
from mixformer.models import build_model
from mixformer.training.recipe import Recipe
from mixformer.training.run_training import start_model
from mixformer.weights.load_save import load_weights, save_model
from mixformer.weights.pretrained import load_pretrained
from mixformer.weights.pruning import remove_blocks
from tests.helpers import pretrained_files as files
from tests.helpers.pretrained import CVT, VIT, write

CORNER = {"head": "corner", "prediction_tokens": 0, "score": "none", "head_dim": 16}
CROSS = CVT.replace(**CORNER, depth=4, separate_blocks=6, cross_blocks=1, frozen_norms="backbone")


def test_cross_attention_starts_at_random_and_its_norms_learn(tmp_path):
    path = write(files.cvt(), tmp_path / "cvt.pth")  # with 3 blocks in its last stage, as the 3 of self-attention
    model = build_model(CROSS)
    report = load_pretrained(model, path)
    anew = {f"backbone.{key}" for key in model.backbone.state_dict() if key.startswith("stages.2.blocks.3.")}
    assert report.kept == dict.fromkeys(anew, "cross-attention, which no image model has")
    mixed = build_model(CVT.replace(**CORNER, depth=3))
    load_pretrained(mixed, path)
    state = model.backbone.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in mixed.backbone.state_dict().items())
    learning = {name for name, _ in model.backbone.named_parameters() if ".norm." in name and "_conv" in name}
    assert len(learning) == 6
    assert all(name.startswith("stages.2.blocks.3.attn.") for name in learning)
    again = build_model(CROSS)
    assert not load_pretrained(again, save_model(model, tmp_path / "run")).kept
    with pytest.raises(CheckpointError, match="has 3 blocks, but small has 5"):
        load_pretrained(build_model(CROSS.replace(depth=5)), path)


def test_mae_after_fine_tuning_is_a_start(tmp_path):
    """Its file has a classifier, and a norm of the average token in place of MAE's last norm."""
    state = {key: value for key, value in files.mae().items() if not key.startswith("norm.")}
    files.add_norm(state, "fc_norm", files.DIM)
    files.add_layer(state, "head", 10, files.DIM)
    model = build_model(VIT.replace(**CORNER))
    report = load_pretrained(model, write(state, tmp_path / "mae_finetuned_vit_base.pth"))
    assert report.kind == "mae"
    for part in ("fc_norm", "head"):
        assert "follows the last block" in report.left_out[f"{part}.weight"]
    assert torch.equal(model.backbone.blocks[1].mlp.fc1.weight, state["blocks.1.mlp.fc1.weight"])


SMALL = {
    "early_dims": (8, 8), "early_heads": (1, 1), "dim": 16, "heads": 2, "depth": 2, "search_size": 64,
    "template_size": 32, "head_dim": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, True), ({"frozen_norms": "none"}, False), ({"projection": "conv_ln"}, False)],
)
def test_frozen_norms_without_a_start_are_named(changes, said, caplog):
    start_model(Recipe("mixcvt_stage1", {**SMALL, **changes}))
    assert ("normalize nothing" in caplog.text) == said


def test_removed_blocks_keep_their_kind(tmp_path):
    weights = load_weights(save_model(build_model(CROSS), tmp_path / "whole"))
    _, fewer = remove_blocks(weights.state, weights.config, (4,))
    assert fewer.reaches == ("self",) * 5 + ("templates",)
    _, none = remove_blocks(weights.state, weights.config, (6,))
    assert none.reaches == ("self",) * 6
