"""Masks by GrabCut: right where colors differ, calm where there is nothing to cut."""

import sys

import numpy as np
import pytest

from mixformer.errors import ConfigError, MissingDependencyError, MixFormerError
from mixformer.masks import MaskRefiner
from mixformer.masks.grabcut import GrabCutRefiner
from mixformer.types import Box


def scene(height=120, width=160, center=(80, 60), radii=(30, 20), seed=0):
    """A red blob on a blue-green texture, and where it is."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 70, (height, width, 3), dtype=np.uint8)
    frame[..., 1:] += 60
    rows, columns = np.mgrid[:height, :width]
    truth = ((columns - center[0]) / radii[0]) ** 2 + ((rows - center[1]) / radii[1]) ** 2 <= 1
    frame[truth] = (210, 40, 30)
    frame[truth] += rng.integers(0, 30, (int(truth.sum()), 3), dtype=np.uint8)
    return frame, truth


def box_of(truth):
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    return Box(columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def plus_shape():
    """A target that fills neither its box nor an ellipse."""
    frame, _ = scene(radii=(0.1, 0.1))
    truth = np.zeros(frame.shape[:2], bool)
    truth[55:65, 40:120] = truth[30:90, 74:86] = True
    frame[truth] = (220, 50, 40)
    return frame, truth


@pytest.mark.parametrize(("make", "core"), [(scene, 0.45), (plus_shape, 0.2)])
def test_the_mask_follows_the_target(make, core):
    refiner: MaskRefiner = GrabCutRefiner(core=core)
    frame, truth = make()
    before = frame.copy()
    mask = refiner(frame, box_of(truth))
    assert mask.dtype == np.bool_
    assert mask.shape == frame.shape[:2]
    assert overlap(mask, truth) > 0.9
    assert (frame == before).all()


def test_an_inexact_box_will_do():
    frame, truth = scene()
    box = box_of(truth)
    assert overlap(GrabCutRefiner()(frame, Box(box.x + 4, box.y - 2, box.w - 5, box.h + 3)), truth) > 0.85


def test_large_targets_are_cut_on_a_smaller_picture():
    frame, truth = scene(600, 800, (400, 300), (150, 110))
    assert overlap(GrabCutRefiner(size=64)(frame, box_of(truth)), truth) > 0.9
    assert overlap(GrabCutRefiner()(frame, box_of(truth)), truth) > 0.97


def test_the_same_question_has_the_same_answer():
    rng = np.random.default_rng(3)
    frame = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    box, refiner = Box(30, 20, 50, 40), GrabCutRefiner()
    first = refiner(frame, box)
    refiner(frame[::-1].copy(), Box(5, 5, 40, 40))
    assert (refiner(frame, box) == first).all()
    assert (GrabCutRefiner()(frame, box) == first).all()


def test_the_border_cuts_a_target():
    frame, truth = scene(center=(10, 8))
    mask = GrabCutRefiner()(frame, Box(-20, -12, 61, 41))
    assert overlap(mask, truth) > 0.85


@pytest.mark.parametrize(
    "box", [(500, 10, 20, 20), (-30, 10, 30, 20), (10, -50, 20, 50), (10, 10, 0, 5), (10, 10, -8, 5), (np.nan,) * 4]
)
def test_nothing_where_there_is_no_box(box):
    assert not GrabCutRefiner()(scene()[0], Box(*box)).any()


@pytest.mark.parametrize("box", [(10, 20, 3, 3), (10, 20, 3, 40), (157, 20, 30, 30), (10.2, 20.5, 1.5, 9)])
def test_tiny_boxes_are_filled(box):
    mask = GrabCutRefiner()(scene()[0], Box(*box))
    x, y, w, h = box
    expected = np.zeros((120, 160), bool)
    expected[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))] = True
    assert (mask == expected).all()


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("box", [(40, 30, 60, 40), (0, 0, 160, 120), (-900, -900, 4000, 4000), (0, 0, 4, 120)])
def test_one_color_gives_some_part_of_the_box(value, box):
    mask = GrabCutRefiner()(np.full((120, 160, 3), value, np.uint8), Box(*box))
    assert mask.any()
    rows, columns = np.nonzero(mask)
    grown = 0.1 * min(box[2], 160) + 2
    assert columns.min() >= box[0] - grown
    assert columns.max() <= box[0] + box[2] + grown
    assert rows.min() >= box[1] - grown


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (5, 5, 3), (8, 4, 3), (40, 2000, 3)])
def test_strange_frames(shape):
    frame = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    for box in (Box(0, 0, shape[1], shape[0]), Box(-1, 1, 6.5, 4.2), Box(0, 0, shape[1], 4)):
        assert GrabCutRefiner()(frame, box).shape == shape[:2]


def test_a_cut_that_finds_nothing_gives_the_ellipse(monkeypatch):
    import cv2

    def find_nothing(image, labels, *_):
        labels[:] = cv2.GC_BGD

    monkeypatch.setattr(cv2, "grabCut", find_nothing)
    mask = GrabCutRefiner()(scene()[0], Box(40, 30, 60, 40))
    assert mask.sum() == pytest.approx(np.pi * 30 * 20, rel=0.02)
    assert mask[50, 70]
    assert not mask[32, 42]


def test_opencv_sees_its_own_channel_order(monkeypatch):
    import cv2

    seen = []
    monkeypatch.setattr(cv2, "grabCut", lambda image, *_: seen.append(image[0, 0].tolist()))
    frame = np.full((60, 60, 3), (10, 20, 30), np.uint8)
    frame[30, 30] = 99
    GrabCutRefiner()(frame, Box(20, 20, 20, 20))
    assert seen == [[30, 20, 10]]


def test_without_opencv_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mixformer\[masks\]'") as caught:
        GrabCutRefiner()
    assert isinstance(caught.value, MixFormerError)


@pytest.mark.parametrize(
    "settings", [{"size": 8}, {"search_factor": 1}, {"margin": -0.1}, {"core": 1.1}, {"core": -1}, {"iterations": 0}]
)
def test_values_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        GrabCutRefiner(**settings)
