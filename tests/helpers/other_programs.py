"""Frames, expected boxes and a model folder for the programs of `examples/`, which do not use the package."""

import json
import shutil
from pathlib import Path

import numpy as np

import mixformer
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.catalog import shipped_folder
from mixformer.weights.tracker_settings import load_tracker_config

EXAMPLES = Path(__file__).parents[2] / "examples"
COLUMNS = ["x", "y", "width", "height"]


def exported_model(folder: Path, **settings: object) -> Path:
    """The default model as `mixformer export` leaves it: with its tracker settings, of which some may be changed.

    The programs search for a lost target in windows alone, so `search_glances` is 0.
    """
    shutil.copytree(shipped_folder(DEFAULT_MODEL), folder)
    place = folder / "config.json"
    tracker = load_tracker_config(DEFAULT_MODEL).replace(search_glances=0, **settings)
    place.write_text(json.dumps(json.loads(place.read_text()) | {"tracker": tracker.to_dict()}, indent=2))
    return folder


def demo_frames():
    with mixformer.open_video(DEMO_CLIP) as video:
        return [frame.image for frame in video]


def frames_with_an_absence():
    """The demo clip with a cut to gray pictures, and then mirrored: the target is lost, and found elsewhere."""
    frames = demo_frames()
    gray = [np.full_like(frames[0], 90)] * 8
    return frames[:14] + gray + [np.ascontiguousarray(frame[:, ::-1]) for frame in frames[14:44]]


def library_rows(model: Path, frames):
    """Box, score and status of each frame by the package."""
    tracker = mixformer.Tracker(model, runtime=mixformer.Runtime(engine="onnx"))
    results = [tracker.init(frames[0], DEMO_BOX), *map(tracker.update, frames[1:])]
    return [(result.box, result.score, result.status) for result in results]


def assert_same(rows, expected):
    """Rows of a program, dictionaries with the columns of its CSV file, are those of the package."""
    assert [int(row["frame"]) for row in rows] == list(range(len(expected)))
    assert [row["status"] for row in rows] == [status for _, _, status in expected]
    boxes = np.array([[float(row[name]) for name in COLUMNS] for row in rows])
    np.testing.assert_allclose(boxes, np.array([box for box, _, _ in expected]), atol=0.1)
    scores = [float(row["score"]) for row in rows]
    np.testing.assert_allclose(scores, [score for _, score, _ in expected], atol=0.01)
