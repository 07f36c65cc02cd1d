"""Success AUC by hand, and a run over a small data set."""

import numpy as np
import pytest
from PIL import Image

from mixformer.configs.tracker import TrackerConfig
from mixformer.data.sequence import VideoSequence
from mixformer.engines import Runtime, create_engine
from mixformer.errors import DataError
from mixformer.evaluation.sequence_runner import measure
from mixformer.evaluation.success import success
from tests.helpers.clips import moving_square

TRUTH = np.array([[10.0, 10, 20, 20]] * 5)


def test_a_perfect_tracker_gets_20_of_21():
    found = success(TRUTH, TRUTH)
    assert found.auc == pytest.approx(20 / 21)
    assert found.mean_iou == 1
    assert found.frames == 4  # the first frame is given


def test_by_hand():
    predicted = TRUTH.copy()
    predicted[1, 0] += 10  # IoU 200 / 600 = 1/3: above 0 .. 0.3, which are 7 thresholds
    predicted[2, 0] += 30  # no overlap: above none
    assert success(predicted, TRUTH).auc == pytest.approx((7 / 21 + 0 + 2 * 20 / 21) / 4)
    assert success(predicted, TRUTH).mean_iou == pytest.approx((1 / 3 + 0 + 2) / 4)


def test_the_first_frame_and_absent_frames_do_not_count():
    truth, predicted = TRUTH.copy(), TRUTH.copy()
    predicted[0] = 0
    truth[3] = np.nan
    truth[4, 2] = 0
    assert success(predicted, truth).auc == pytest.approx(20 / 21)
    assert success(predicted, truth).frames == 2


def test_nothing_to_measure():
    with pytest.raises(DataError, match="4 predicted boxes for 5"):
        success(TRUTH[:4], TRUTH)
    with pytest.raises(DataError, match="nothing to measure"):
        success(TRUTH[:1], TRUTH[:1])


def test_measure(tiny_model, tmp_path):
    frames, boxes = moving_square(6)
    paths = []
    for index, frame in enumerate(frames):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(frame).save(paths[-1])
    sequence = VideoSequence("square", tuple(paths), np.array(boxes, np.float64))
    (run,) = measure(create_engine(tiny_model, runtime=Runtime(device="cpu")), TrackerConfig(), [sequence])
    assert run.boxes.shape == (6, 4)
    assert run.boxes[0].tolist() == list(boxes[0])
    assert 0 <= run.success.auc <= 20 / 21
    assert np.isfinite(run.scores).all()
    assert run.fps > 0
    late = VideoSequence("late", tuple(paths), np.array([[np.nan] * 4, *boxes[1:]]))
    with pytest.raises(DataError, match="first frame"):
        list(measure(create_engine(tiny_model, runtime=Runtime(device="cpu")), TrackerConfig(), [late]))
