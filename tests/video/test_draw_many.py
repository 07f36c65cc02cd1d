"""Several targets on one picture."""

import numpy as np
import pytest

from mixformer.types import Box, TrackResult
from mixformer.video.draw import Annotator


def result(box, score=0.9):
    return TrackResult(Box(*box), score, 3)


def test_every_target_has_its_color():
    image = np.full((120, 160, 3), 100, np.uint8)
    results = {number: result((10 + 40 * number, 50, 30, 40)) for number in range(3)}
    picture = Annotator().draw_all(image, results)
    assert (image == 100).all()
    edges = [tuple(int(v) for v in picture[70, 10 + 40 * number]) for number in range(3)]
    assert len(set(edges)) == 3
    assert (100, 100, 100) not in edges
    again = Annotator().draw_all(image, {2: results[2]})
    assert tuple(again[70, 90]) == edges[2]  # whoever else is there


def test_a_number_beyond_the_palette_and_no_score():
    picture = Annotator().draw_all(np.zeros((60, 60, 3), np.uint8), {1234: result((10, 20, 30, 30), None)})
    assert picture[35, 10].any()


def test_no_targets_leave_the_frame_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Annotator().draw_all(image, {}), image)


def test_the_trail_of_a_target_that_left_ends():
    annotator, image = Annotator(), np.zeros((100, 200, 3), np.uint8)
    for x in (20, 60):
        annotator.draw_all(image, {4: result((x - 5, 45, 10, 10))})
    annotator.draw_all(image, {})
    picture = annotator.draw_all(image, {4: result((155, 45, 10, 10))})
    assert not picture[55, 100].any()


def test_masks_are_tinted_in_the_color_of_their_target():
    image, mask = np.full((80, 100, 3), 100, np.uint8), np.zeros((80, 100), bool)
    mask[40:50, 40:60] = True
    picture = Annotator().draw_all(image, {1: result((30, 30, 40, 30))}, {1: mask})
    assert tuple(picture[45, 45]) == pytest.approx((165, 129, 50), abs=2)  # half frame, half orange
