"""The training benchmark runs and its numbers belong together; how large they are is no test."""

import json

from tests.bench.scripts import script

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


def test_training_is_measured_in_two_precisions(tmp_path, capsys):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = [str(tmp_path / "recipe.toml"), "--dry-run", "--steps", "2", "--device", "cpu"]
    with script("training") as training:
        assert training.main([*words, "--json", str(tmp_path / "speed.json")]) == 0
        assert "TFLOP/s" in capsys.readouterr().out
        first, second = json.loads((tmp_path / "speed.json").read_text())
        assert (first["precision"], second["precision"]) == ("float32", "bfloat16")
        for speed in (first, second):
            assert all(speed[name] > 0 for name in ("loader", "step", "together", "achieved", "peak"))
        assert training.main([*words, "--precision", "float16"]) == 2
        assert training.main([str(tmp_path / "none.toml")]) == 2
        assert "none.toml" in capsys.readouterr().err
