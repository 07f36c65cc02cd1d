"""Crops and the way back, against the official code's outputs and as properties."""

import hashlib
import json
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mixformer.errors import BoxError
from mixformer.imaging.crop import CropWindow, crop_target, cut_candidate, to_crop, to_frame
from mixformer.imaging.resize import resize_image
from mixformer.types import Box

try:
    import cv2
except ImportError:
    cv2 = None

REFERENCES = Path(__file__).parent / "references"
CASES = json.loads((REFERENCES / "sample_target.json").read_text())["cases"]
IMAGES = np.load(REFERENCES / "images.npz")


@pytest.fixture(autouse=True)
def without_opencv(monkeypatch):
    """Another test may have loaded it, and then it would do the work."""
    monkeypatch.setitem(sys.modules, "cv2", None)


# Above the frame the official code slices with negative numbers and gets a wrapped picture; ours is black.
WRAPPED = {"all_but_one_row_outside", "completely_outside_top"}

boxes = st.builds(Box, st.floats(-50, 300), st.floats(-50, 300), st.floats(1, 200), st.floats(1, 200))


@pytest.mark.parametrize(
    "case", [c for c in CASES if "raises" not in c and c["name"] not in WRAPPED], ids=lambda c: c["name"]
)
def test_crops_equal_the_official_ones_bit_for_bit(case):
    image, box = IMAGES[case["image"]], Box(*case["box_xywh"])
    window = CropWindow.around(box, case["factor"])
    assert (window.left, window.top, window.side) == (case["x1"], case["y1"], case["crop_size"])
    cut, scale = crop_target(image, box, case["factor"], case["output_size"])
    assert scale == case["resize_factor"]
    assert hashlib.sha256(cut.tobytes()).hexdigest() == case["sha256"]


@pytest.mark.parametrize("case", [c for c in CASES if c["name"] in WRAPPED], ids=lambda c: c["name"])
def test_crops_above_the_frame_are_black_where_the_official_ones_wrap(case):
    assert case["unresized_shape"][0] != case["unresized_shape"][1]
    cut, _ = crop_target(IMAGES[case["image"]], Box(*case["box_xywh"]), case["factor"], case["output_size"])
    assert cut.shape == (case["output_size"], case["output_size"], 3)
    outside = max(0, -case["y1"]) / case["crop_size"]
    assert not cut[: int(cut.shape[0] * min(outside, 1)) - 1].any()


@pytest.mark.parametrize("case", [c for c in CASES if "raises" in c], ids=lambda c: c["name"])
def test_boxes_without_area_are_refused(case):
    with pytest.raises(BoxError, match="no area"):
        crop_target(IMAGES[case["image"]], Box(*case["box_xywh"]), case["factor"], case["output_size"])


def test_every_reference_is_used():
    assert len(CASES) == 30
    assert sum("raises" in c for c in CASES) == 2


def test_boxes_map_to_the_frame_as_in_the_official_code():
    cases = json.loads((REFERENCES / "map_and_clip.json").read_text())["cases"]
    mapped_cases = [case for case in cases if "pred_cxcywh_01" in case]  # the rest are about clipping alone
    assert len(mapped_cases) == 40
    for case in mapped_cases:
        mapped = to_frame(
            tuple(case["pred_cxcywh_01"]), Box(*case["state"]), case["resize_factor"], case["search_size"]
        )
        np.testing.assert_allclose(mapped, case["mapped_xywh"], atol=2e-3, rtol=1e-6)


def test_boxes_map_to_the_crop_as_in_the_official_training_code():
    arrays = np.load(REFERENCES / "boxes.npz")
    size = int(arrays["crop_sz"][0])
    rows = zip(arrays["box_in"], arrays["box_extract"], arrays["resize_factor"], arrays["crop_norm"], strict=True)
    for box, around, scale, expected in rows:
        found = to_crop(Box(*box.tolist()), Box(*around.tolist()).center, float(scale), size, half_pixel=True)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@given(box=boxes, around=boxes, scale=st.floats(0.1, 8), size=st.sampled_from([98, 196, 224, 288]))
def test_to_frame_undoes_to_crop(box, around, scale, size):
    x, y, w, h = to_crop(box, around.center, scale, size)
    back = to_frame((x + w / 2, y + h / 2, w, h), around, scale, size)
    np.testing.assert_allclose(back, box, atol=1e-6)


@given(box=boxes, factor=st.floats(1, 6))
def test_the_window_is_centered_within_half_a_pixel(box, factor):
    window = CropWindow.around(box, factor)
    assert abs(window.left + window.side / 2 - box.center[0]) <= 0.5 + 1e-9
    assert abs(window.top + window.side / 2 - box.center[1]) <= 0.5 + 1e-9
    assert window.side - 1 < np.sqrt(box.w * box.h) * factor <= window.side + 1e-9


@given(left=st.integers(-90, 90), top=st.integers(-90, 90), side=st.integers(1, 90))
@settings(max_examples=60)
def test_the_cut_shows_the_frame_where_it_is(left, top, side):
    frame = np.random.default_rng(0).integers(1, 256, (60, 50, 3), dtype=np.uint8)
    cut = CropWindow(left, top, side).cut(frame)
    assert cut.shape == (side, side, 3)
    padded = np.pad(frame, [(100, 200), (100, 200), (0, 0)])
    expected = padded[top + 100 : top + 100 + side, left + 100 : left + 100 + side].copy()
    if left + side >= 50:  # the official code loses the last column of a crop that reaches the border
        expected[:, max(0, 49 - left) :] = 0
    if top + side >= 60:
        expected[max(0, 59 - top) :] = 0
    np.testing.assert_array_equal(cut, expected)


@given(value=st.integers(0, 255), source=st.integers(1, 80), target=st.integers(1, 80))
def test_resizing_a_flat_picture_changes_at_most_one_level(value, source, target):
    small = resize_image(np.full((source, source, 3), value, np.uint8), target, target)
    assert small.shape == (target, target, 3)
    assert np.abs(small.astype(int) - value).max() <= 1


def test_resizing_does_not_share_memory():
    image = np.zeros((8, 8, 3), np.uint8)
    resize_image(image, 8, 8)[:] = 1
    assert not image.any()


@pytest.mark.parametrize("seed", range(40))
def test_the_numpy_resize_is_that_of_opencv(seed, monkeypatch):
    if cv2 is None:
        pytest.skip("compares with OpenCV, which is not installed")
    random = np.random.default_rng(seed)
    height, width, rows, columns = random.integers(1, 200, 4) if seed < 30 else random.integers(1, 8, 4)
    image = random.integers(0, 256, (height, 2 * width, 3), dtype=np.uint8)[::-1, ::2, ::-1]  # any memory layout
    monkeypatch.setitem(sys.modules, "cv2", None)
    expected = cv2.resize(np.ascontiguousarray(image), (int(columns), int(rows)))
    np.testing.assert_array_equal(resize_image(image, int(rows), int(columns)), expected)
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    np.testing.assert_array_equal(resize_image(image, int(rows), int(columns)), expected)


def test_another_opencv_is_not_used(monkeypatch):
    image = IMAGES["chelsea"]
    monkeypatch.setitem(sys.modules, "cv2", None)
    expected = resize_image(image, 40, 50)
    broken, loading = ModuleType("cv2"), ModuleType("cv2")
    broken.resize = lambda image, size: np.zeros((*size[::-1], 3), np.uint8)  # type: ignore[attr-defined]
    for other in (broken, loading):
        monkeypatch.setitem(sys.modules, "cv2", other)
        np.testing.assert_array_equal(resize_image(image, 40, 50), expected)


def test_c3_a_vast_window_is_resized_as_if_it_were_cut():
    """C3: what is read of the frame gives the crop bit for bit, wherever the window lies."""
    random = np.random.default_rng(3)
    frame = random.integers(0, 256, (45, 60, 3), dtype=np.uint8)
    windows = [CropWindow(-1100, -1000, 2100), CropWindow(-2099, -20, 2100), CropWindow(40, 30, 2101)]
    windows += [CropWindow(int(x), int(y), 2099) for x, y in random.integers(-2100, 60, (5, 2))]
    for window in windows:
        assert window.is_vast(frame)
        for size in (17, 98, 200):
            np.testing.assert_array_equal(window.resize(frame, size), resize_image(window.cut(frame), size, size))


def test_c3_memory_does_not_grow_with_the_box():
    """C3: a box of 1e4 x 1e4 pixels took 4.8 GB."""
    frame = np.full((90, 120, 3), 200, np.uint8)
    crop_target(frame, Box(10, 10, 40, 40), 4.5, 196)
    tracemalloc.start()
    try:
        for side in (1e4, 1e7):
            for factor in (0.1, 4.5, 100.0):
                crop_target(frame, Box(10, 10, side, side), factor, 196)
                cut_candidate(frame, Box(10, 10, side, side), factor, 98)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
    with pytest.raises(BoxError, match="too small or too large"):
        crop_target(frame, Box(0, 0, 1e200, 1e200), 4.5, 196)
    with pytest.raises(BoxError, match="too small or too large"):
        crop_target(frame, Box(0, 0, 1e-320, 1e-320), 4.5, 196)
