"""Box arithmetic: references, properties, numpy and torch alike, and what is refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from mixformer.errors import BoxError
from mixformer.imaging import boxes as b
from mixformer.types import Box

REFERENCES = Path(__file__).parent / "references"
ARRAYS = np.load(REFERENCES / "boxes.npz")
sides = st.floats(0.5, 100)
places = st.floats(-100, 200)
some_boxes = st.builds(Box, places, places, sides, sides)


@pytest.mark.parametrize("name", ["cxcywh_to_xyxy", "xyxy_to_cxcywh", "xywh_to_xyxy", "xyxy_to_xywh"])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_conversions_equal_the_references(name, kind):
    source = ARRAYS["xywh_to_xyxy" if name == "xyxy_to_cxcywh" else "box_in"]
    found = getattr(b, name)(kind(source))
    assert isinstance(found, np.ndarray) == (kind is np.asarray)
    np.testing.assert_allclose(np.asarray(found), ARRAYS[name], rtol=1e-6, atol=1e-4)


def test_iou_equals_the_reference():
    arrays = np.load(Path(__file__).parents[1] / "training" / "references" / "losses.npz")
    np.testing.assert_allclose(b.iou(arrays["pred_xyxy"], arrays["target_xyxy"])[0], arrays["giou/iou"], atol=1e-6)


@given(first=some_boxes, second=some_boxes)
def test_iou_properties(first, second):
    a, c = np.array(first.xyxy), np.array(second.xyxy)
    value, union = b.iou(a, c)
    assert 0 <= value <= 1 + 1e-9
    assert value == pytest.approx(b.iou(c, a)[0])
    assert b.iou(a, a)[0] == pytest.approx(1)
    assert union >= max(b.area(a), b.area(c)) - 1e-6
    ours, _ = b.iou(torch.tensor(a), torch.tensor(c))
    assert float(ours) == pytest.approx(float(value))


@given(box=some_boxes)
def test_conversions_undo_each_other(box):
    array = np.array(box)
    np.testing.assert_allclose(b.xyxy_to_xywh(b.xywh_to_xyxy(array)), array, atol=1e-9)
    np.testing.assert_allclose(b.cxcywh_to_xyxy(b.xyxy_to_cxcywh(np.array(box.xyxy))), box.xyxy, atol=1e-9)


def test_clipping_equals_the_reference():
    for case in json.loads((REFERENCES / "map_and_clip.json").read_text())["cases"]:
        mapped = Box(*case["mapped_xywh"])
        assert b.clip_to_frame(mapped, case["H"], case["W"], 10) == pytest.approx(case["clipped_margin10"])
        assert b.clip_to_frame(mapped, case["H"], case["W"], 0) == pytest.approx(case["clipped_margin0"])


@given(
    box=st.builds(Box, places, places, st.floats(-50, 100), st.floats(-50, 100)),
    h=st.integers(20, 200),
    w=st.integers(20, 200),
)
def test_a_clipped_box_can_always_be_tracked_on(box, h, w):
    clipped = b.clip_to_frame(box, h, w, 10)
    assert clipped.w >= 10
    assert clipped.h >= 10
    assert -1e-9 <= clipped.x <= w - 10
    assert -1e-9 <= clipped.y <= h - 10
    b.require_overlap(clipped, h, w)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, 2, 3), "got 3"),
        ((1, 2, 3, 4, 5), "got 5"),
        ((1, 2, math.nan, 4), "not a finite"),
        ((math.inf, 2, 3, 4), "not a finite"),
        ((1, 2, 0, 4), "no area"),
        ((10, 10, 5, -5), "x1 y1 x2 y2"),
        (("a", 2, 3, 4), "four numbers"),
        (None, "four numbers"),
    ],
)
def test_what_is_no_box(values, message):
    with pytest.raises(BoxError, match=message):
        b.parse_box(values)


@pytest.mark.parametrize("box", [(100, 10, 5, 5), (10, 80, 5, 5), (-5, 10, 5, 5), (10, -9, 5, 9)])
def test_boxes_outside_the_frame(box):
    with pytest.raises(BoxError, match="100 x 80"):
        b.require_overlap(Box(*box), 80, 100)


def test_boxes_of_every_number_type():
    assert b.parse_box(np.array([1, 2, 3, 4], np.float32)) == Box(1, 2, 3, 4)
    assert b.parse_box(torch.tensor([1, 2, 3, 4])) == Box(1, 2, 3, 4)


@pytest.mark.parametrize("box", [(0.4, 0.08, 0.06, 0.39), (0, 0, 0.5, 0.5), (0, 0, 1, 0.99)])
def test_fractions_are_no_box(box):
    """B10: a box in fractions of the frame would be a pixel or two."""
    with pytest.raises(BoxError, match="looks like fractions"):
        b.parse_box(box)


@pytest.mark.parametrize(
    "text",
    [
        "260 29 41 142",
        "260,29,41,142",
        "260, 29, 41, 142",
        "[260, 29, 41, 142]",
        '{"frame": 0, "time": 0.0, "box": [260, 29, 41, 142], "score": 1.0}',
        '{"x": 260, "y": 29, "w": 41, "h": 142}',
    ],
)
def test_a_box_as_people_write_it(text):
    """B10: commas, and the form of our own results."""
    assert b.read_box(text) == Box(260, 29, 41, 142)


@pytest.mark.parametrize(
    "text", ["", "a b c d", "1 2 3", "[1, 2", "[" * 90000, '{"box": 3}', '{"id": 3}', "[null, 1, 2, 3]", "1" * 5000]
)
def test_no_box_at_all(text):
    """B10, C10: a typed and short error."""
    with pytest.raises(BoxError) as error:
        b.read_box(text)
    assert len(str(error.value)) < 300
