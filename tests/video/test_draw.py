"""The picture with a box on it."""

import numpy as np
import pytest

from mixformer.types import Box, TrackResult
from mixformer.video.draw import Annotator

GREEN, ORANGE = (64, 255, 96), (255, 176, 32)


def draw(box, score=0.9, shape=(120, 160, 3), status="tracking"):
    image = np.full(shape, 100, np.uint8)
    picture = Annotator().draw(image, TrackResult(Box(*box), score, 3, status=status))
    assert (image == 100).all()  # the frame itself stays as it is
    return picture


def colors(picture):
    return {tuple(int(v) for v in pixel) for pixel in picture.reshape(-1, 3)}


def test_the_box_is_where_the_target_is():
    picture = draw((40, 50, 60, 40))
    for y, x in ((50, 70), (90, 70), (70, 40), (70, 100)):
        assert tuple(picture[y, x]) == GREEN
    assert tuple(picture[70, 75]) == (100, 100, 100)


def test_an_uncertain_target_has_another_color():
    assert ORANGE in colors(draw((40, 50, 60, 40), status="uncertain"))
    assert GREEN not in colors(draw((40, 50, 60, 40), status="uncertain"))
    assert GREEN in colors(draw((40, 50, 60, 40), score=None))


@pytest.mark.parametrize(
    "box", [(-50, -50, 30, 30), (150, 110, 100, 100), (0, 0, 160, 120), (10, 10, 0, 0), (20, 20, 1, 1)]
)
def test_boxes_at_the_border_and_without_area(box):
    assert draw(box).shape == (120, 160, 3)


def test_tiny_frames():
    assert draw((1, 1, 3, 3), shape=(8, 8, 3)).shape == (8, 8, 3)


def test_the_trail_shows_where_the_target_was():
    annotator, image = Annotator(trail=5), np.zeros((100, 200, 3), np.uint8)
    for x in range(20, 160, 20):
        picture = annotator.draw(image, TrackResult(Box(x - 5, 45, 10, 10), 0.9, x))
    assert picture[55, 130].max() > picture[55, 90].max() > 0
    assert not picture[50, 100].any()  # not across the target
    assert not picture[55, 30].any()  # older than the trail
    without = Annotator(trail=0)
    for x in (20, 100):
        picture = without.draw(image, TrackResult(Box(x - 5, 45, 10, 10), 0.9, x))
    assert not picture[55, 60].any()


@pytest.mark.parametrize(
    "box",
    [(40, 50, 60, 40), (40, 0, 60, 40), (10, 0, 40, 120), (110, 0, 50, 120), (0, 2, 60, 118), (-20, -30, 60, 60)],
)
@pytest.mark.parametrize("scale", [2, 4, 18], ids=["240p", "480p", "4K"])
def test_a_label_covers_no_part_of_its_target(box, scale):
    x, y, w, h = (scale * value for value in box)
    picture = draw((x, y, w, h), shape=(120 * scale, 160 * scale, 3))
    edge = max(2, round(120 * scale / 180)) + 1
    inside = picture[max(y + edge, 0) : y + h - edge, max(x + edge, 0) : x + w - edge]
    assert (inside == 100).all()
    assert (picture < 70).all(axis=2).any()  # the text is there
