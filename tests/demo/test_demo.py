"""The main job: the bundled clip, the shipped weights, the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

import mixformer
from mixformer.cli import main
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.evaluation.metrics.frame_errors import exact_iou
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.catalog import shipped_folder

# Drawn by hand on enlarged frames, before any tracker had seen the clip.
TRUTH = {int(k): v for k, v in json.loads((Path(__file__).parent / "orange_shirt_boxes.json").read_text()).items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`mixformer demo` with every output."""
    folder = tmp_path_factory.mktemp("demo")
    names = {"out": "annotated.mp4", "json": "boxes.jsonl", "csv": "boxes.csv", "mot": "boxes.txt"}
    words = [word for option, name in names.items() for word in (f"--{option}", str(folder / name))]
    assert main(["demo", *words]) == 0
    return folder


def lines_of(run):
    return [json.loads(line) for line in (run / "boxes.jsonl").read_text().splitlines()]


def test_the_target_is_followed_to_the_last_frame(run):
    lines = lines_of(run)
    assert [line["frame"] for line in lines] == list(range(53))
    found = np.array([lines[frame]["box"] for frame in TRUTH])
    values = exact_iou(found, np.array(list(TRUTH.values()), np.float64))
    assert values[1:].mean() > 0.6
    assert values[-1] > 0.5


def test_scores_and_times(run):
    lines = lines_of(run)
    assert lines[0]["box"] == list(DEMO_BOX)
    assert lines[0]["score"] == 1.0
    assert all(0 <= line["score"] <= 1 for line in lines)
    assert np.mean([line["score"] for line in lines[1:]]) > 0.5  # the target is there all the time
    assert lines[25]["time"] == pytest.approx(1.0)


def test_the_annotated_video_has_every_frame(run):
    with mixformer.open_video(run / "annotated.mp4") as video:
        assert video.fps == pytest.approx(25)
        frames = list(video)
    assert len(frames) == 53
    with mixformer.open_video(DEMO_CLIP) as video:
        original = list(video)
    x, y, _, h = (round(v) for v in lines_of(run)[40]["box"])
    edge = np.abs(frames[40].image.astype(int) - original[40].image)[y + 5 : y + h - 5, x - 1 : x + 2].mean()
    away = np.abs(frames[40].image.astype(int) - original[40].image)[300:, :200].mean()
    assert edge > 25 > 10 > away


def test_text_results_agree(run):
    rows = (run / "boxes.csv").read_text().splitlines()
    assert rows[0] == "frame,time,x,y,w,h,score,status"
    assert len(rows) == 54
    mot = [line.split(",") for line in (run / "boxes.txt").read_text().splitlines()]
    for row, entry, line in zip(rows[1:], mot, lines_of(run), strict=True):
        np.testing.assert_allclose([float(v) for v in row.split(",")[2:6]], line["box"], atol=1e-3)
        assert int(entry[0]) == line["frame"] + 1
        np.testing.assert_allclose([float(v) for v in entry[2:6]], np.add(line["box"], [1, 1, 0, 0]), atol=2e-3)


def test_the_shipped_weights_are_small_and_described():
    folder = shipped_folder(DEFAULT_MODEL)
    assert folder is not None
    assert (folder / "model.safetensors").stat().st_size <= 20_000_000
    card = (folder / "MODEL_CARD.md").read_text().lower()
    for word in ("license", "data", "recipe", "auc"):
        assert word in card


def test_the_library_gives_the_same_boxes(run):
    results = mixformer.track(DEMO_CLIP, DEMO_BOX, stop=10)
    for result, line in zip(results, lines_of(run), strict=False):
        np.testing.assert_allclose(result.box, line["box"], atol=2e-3)
