"""`mixformer prune`: the four ways to a smaller network, and what is refused."""

import json

import pytest
import torch

from mixformer.cli import main
from mixformer.configs.model import ModelConfig
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.models import build_model
from mixformer.weights.load_save import load_model, load_weights, save_model
from mixformer.weights.tracker_settings import load_tracker_config

CONFIG = ModelConfig("small", depth=6, dim=16, heads=2, search_size=64, template_size=32, bins=16)
TRACKER = TrackerConfig(search_factor=3.5)


@pytest.fixture
def source(tmp_path):
    torch.manual_seed(0)
    return save_model(build_model(CONFIG), tmp_path / "source", tracker_config=TRACKER)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--keep-first", "2"], [0, 1]),
        (["--skip", "2"], [2, 5]),
        (["--remove", "0", "3"], [1, 2, 4, 5]),
        (["--remove", "4"], [0, 1, 2, 3, 5]),
    ],
)
def test_blocks_that_stay(source, tmp_path, capsys, words, kept):
    out = tmp_path / "out"
    assert main(["prune", str(source), "--out", str(out), *words]) == 0
    before, after = load_weights(source).state, load_weights(out)
    assert after.config == CONFIG.replace(depth=len(kept), name=f"small_{len(kept)}blocks")
    for new, old in enumerate(kept):
        for part in ("norm1.weight", "attn.qkv.weight", "mlp.fc2.bias"):
            assert torch.equal(after.state[f"backbone.blocks.{new}.{part}"], before[f"backbone.blocks.{old}.{part}"])
    assert torch.equal(after.state["backbone.tokens"], before["backbone.tokens"])
    assert load_tracker_config(out) == TRACKER
    load_model(out)
    printed = capsys.readouterr().out
    assert f"small_{len(kept)}blocks: {len(kept)} blocks, MLP ratio 4" in printed
    assert str(out) in printed


def test_narrow_mlps(source, tmp_path):
    """The paper's slice, the first units."""
    out = tmp_path / "out"
    assert main(["prune", str(source), "--out", str(out), "--mlp-ratio", "1.0"]) == 0
    before, after = load_weights(source).state, load_weights(out)
    assert after.config == CONFIG.replace(mlp_ratio=1.0, name="small_mlp1")
    assert torch.equal(after.state["backbone.blocks.3.mlp.fc1.weight"], before["backbone.blocks.3.mlp.fc1.weight"][:16])
    assert torch.equal(
        after.state["backbone.blocks.3.mlp.fc2.weight"], before["backbone.blocks.3.mlp.fc2.weight"][:, :16]
    )
    load_model(out)


def test_tokens_left_out(source, tmp_path, capsys):
    out, back = tmp_path / "out", tmp_path / "back"
    assert main(["prune", str(source), "--out", str(out), "--eliminate", "1:8", "3:4"]) == 0
    before, after = load_weights(source), load_weights(out)
    assert after.config == CONFIG.replace(elimination=((1, 8), (3, 4)), name="small_keep8_4")
    assert all(torch.equal(after.state[key], value) for key, value in before.state.items())
    assert load_tracker_config(out) == TRACKER
    assert load_model(out).backbone.kept_after == {1: 8, 3: 4}
    assert "0.00 GFLOP a frame of 0.00" in capsys.readouterr().out
    assert main(["prune", str(out), "--out", str(back), "--eliminate"]) == 0
    assert load_weights(back).config.elimination == ()


def test_a_folder_with_impossible_numbers_of_tokens(source, tmp_path, capsys):
    described = json.loads((source / "config.json").read_text())
    described["model"]["elimination"] = [[1, 4], [3, 8]]
    (source / "config.json").write_text(json.dumps(described))
    assert main(["prune", str(source), "--out", str(tmp_path / "out"), "--skip", "2"]) == 2
    assert "elimination: counts must fall" in capsys.readouterr().err.replace("\n", " ")


def test_no_official_file_leaves_tokens_out(source, tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "official.pth.tar"
    assert main(["prune", str(source), "--out", str(out), "--eliminate", "1:8"]) == 0
    assert main(["convert", str(out), "--out", str(file), "--to", "official"]) == 2
    assert "leaves search tokens out" in " ".join(capsys.readouterr().err.split())
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--eliminate", "3"], "pairs of a block and a number of tokens, such as 3:59, not '3'"),
        (["--eliminate", "5:8"], "block 5 must be before the last one, 5"),
        (["--eliminate", "1:8", "3:8"], "counts must fall"),
        (["--keep-first", "7"], "cannot keep 7 of the 6 blocks"),
        (["--keep-first", "0"], "cannot keep 0 of the 6 blocks"),
        (["--remove", "6"], "cannot remove blocks [6]"),
        (["--remove", "0", "1", "2", "3", "4", "5"], "cannot remove all 6 blocks"),
        (["--mlp-ratio", "5"], "cannot reduce mlp_ratio 4"),
    ],
)
def test_what_cannot_be_done_is_said(source, tmp_path, capsys, words, message):
    assert main(["prune", str(source), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["--skip", "2", "--mlp-ratio", "1"]])
def test_exactly_one_way_must_be_given(source, tmp_path, capsys, words):
    with pytest.raises(SystemExit) as stop:
        main(["prune", str(source), "--out", str(tmp_path / "out"), *words])
    assert stop.value.code == 2
    assert "--mlp-ratio" in capsys.readouterr().err


def test_a_missing_source(tmp_path, capsys):
    assert main(["prune", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--skip", "2"]) == 5
    assert "no model, folder or file" in capsys.readouterr().err
