"""The shipped model is tracked without PyTorch, and what needs PyTorch says so."""

import json
import subprocess
import sys

import pytest

BLOCK = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("refused", name=name)
sys.meta_path.insert(0, Refuse())
"""


def child(code, cwd):
    words = [sys.executable, "-c", BLOCK + code]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=False)


def test_demo_through_both_engines(tmp_path):
    code = """
from mixformer.cli import main
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
assert main(["demo", "--quiet", "--json", "auto.jsonl"]) == 0
words = ["track", str(DEMO_CLIP), "--box", *map(str, DEMO_BOX), "--stop", "5"]
assert main([*words, "--quiet", "--json", "onnx.jsonl", "--engine", "onnx"]) == 0
assert "torch" not in sys.modules
"""
    done = child(code, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [(tmp_path / f"{engine}.jsonl").read_text().splitlines() for engine in ("auto", "onnx")]
    assert [len(its) for its in lines] == [53, 5]
    first = [json.loads(its[1])["box"] for its in lines]
    assert max(abs(a - b) for a, b in zip(*first, strict=True)) < 0.5


def test_the_rest_needs_no_torch_or_says_so(tmp_path):
    code = """
import numpy as np, mixformer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.cli import main
tracker = mixformer.Tracker()
tracker.init(np.zeros((90, 120, 3), np.uint8), (10, 20, 30, 40))
print(tracker.update(np.zeros((90, 120, 3), np.uint8)).frame)
print(len(list(mixformer.track(DEMO_CLIP, DEMO_BOX, stop=3))))
print(main(["models"]), main(["info"]))
for words in (["track", "x.mp4", "--box", "1", "2", "3", "4", "--engine", "torch"], ["train", "x", "--out", "y"]):
    open("x.mp4", "w").close()
    print(main(words))
for verb in "track track-all demo inspect models info convert prune train data evaluate pack report bench vot".split():
    try:
        main([verb, "--help"])
    except SystemExit as end:
        assert end.code == 0
try:
    mixformer.load_model
except mixformer.MixFormerError as error:
    print(error)
"""
    done = child(code, tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[:2] == ["1", "3"]
    assert "0 0" in said
    assert "mixformer.load_model needs torch: pip install 'mixformer[torch]'" in said
    assert "mixformer train needs torch: pip install 'mixformer[torch]'" in done.stderr


@pytest.mark.parametrize("words", [["models"], ["track", "--help"]])
def test_a_verb_imports_no_more_than_its_own(tmp_path, words):
    code = f"""
from mixformer.cli import main
try:
    main({words!r})
except SystemExit:
    pass
heavy = {{"openvino", "onnxruntime", "av", "mixformer.cli.train", "mixformer.cli.report"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = child(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_workers_of_an_evaluation_need_no_torch(tmp_path):
    code = """
import mixformer
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.tracking.factory import TrackerFactory
tracker = TrackerFactory("mixformerv2_dino_s8", TrackerConfig())(1)
assert tracker.engine.config.name == "mixformerv2_dino_s8"
assert "torch" not in sys.modules
"""
    done = child(code, tmp_path)
    assert done.returncode == 0, done.stderr
