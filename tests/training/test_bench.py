"""The training benchmark runs and its numbers belong together; how large they are is no test."""

import json

import pytest

from mixformer.cli.main import main

RECIPE = """
model = "mixformerv2_s"
batch_size = 2
[model_overrides]
depth = 1
dim = 32
heads = 2
search_size = 64
template_size = 32
[data]
workers = 0
"""


def test_bench_train(tmp_path, capsys):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = ["bench", "train", str(tmp_path / "recipe.toml"), "--dry-run", "--steps", "2", "--device", "cpu"]
    assert main([*words, "--json", str(tmp_path / "speed.json")]) == 0
    assert "TFLOP/s" in capsys.readouterr().out
    first, second = json.loads((tmp_path / "speed.json").read_text())
    assert (first["precision"], second["precision"]) == ("float32", "bfloat16")
    for speed in (first, second):
        assert all(speed[name] > 0 for name in ("loader", "step", "together", "achieved", "peak"))
    assert main([*words, "--precision", "float16"]) == 2
    assert main(["bench", "train", str(tmp_path / "none.toml")]) == 2


def test_bench_says_what_it_can_measure(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "nothing"])
    said = capsys.readouterr().err
    assert "track" in said
    assert "train" in said
