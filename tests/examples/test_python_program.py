"""The program with ONNX Runtime alone."""

import csv
import importlib.util
import re
import subprocess
import sys

import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.catalog import shipped_folder
from tests.helpers.other_programs import (
    EXAMPLES,
    assert_same,
    demo_frames,
    exported_model,
    frames_with_an_absence,
    library_rows,
)

pytest.importorskip("onnxruntime")
PROGRAM = EXAMPLES / "python" / "track_onnx.py"


def load():
    spec = importlib.util.spec_from_file_location("track_onnx", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(model, frames):
    tracker = load().OnnxTracker(model)
    tracker.start(frames[0], DEMO_BOX)
    found = [(DEMO_BOX, 1.0, "tracking"), *map(tracker.update, frames[1:])]
    names = ["x", "y", "width", "height"]
    return [
        {"frame": number, "score": score, "status": status, **dict(zip(names, box, strict=True))}
        for number, (box, score, status) in enumerate(found)
    ]


def test_the_program_gives_the_boxes_of_the_package_over_the_demo_clip(tmp_path):
    model = shipped_folder(DEFAULT_MODEL)  # as it lies there: it needs no export
    words = [sys.executable, PROGRAM, model, DEMO_CLIP, *map(str, DEMO_BOX)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert_same(list(csv.DictReader(done.stdout.splitlines())), library_rows(model, demo_frames()))


def test_a_target_is_lost_and_found_as_by_the_package(tmp_path):
    model, frames = exported_model(tmp_path / "model"), frames_with_an_absence()
    expected = library_rows(model, frames)
    statuses = [status for _, _, status in expected]
    assert {"tracking", "lost"} <= set(statuses)
    assert statuses[-1] == "tracking"
    assert_same(rows_of(model, frames), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"rules": "official", "update": "interval", "update_interval": 4, "online_templates": 3},
        {"rules": "official", "update_interval": 4, "online_templates": 2, "score_decay": 0.9},
        {"update": "never", "redetect": "off"},
    ],
)
def test_other_settings_mean_the_same(tmp_path, settings):
    model, frames = exported_model(tmp_path / "model", **settings), demo_frames()[:20]
    assert_same(rows_of(model, frames), library_rows(model, frames))


def test_the_program_needs_neither_the_package_nor_pytorch():
    imported = re.findall(r"^(?:import|from) (\w+)", PROGRAM.read_text(), re.MULTILINE)
    assert set(imported) - set(sys.stdlib_module_names) == {"av", "numpy", "onnxruntime"}
