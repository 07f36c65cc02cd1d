"""The picture with a box on it."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mixformer.types import Box, TrackResult
from mixformer.video import draw as draw_module
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


def seen(color, matrix):
    """CIELAB of a color as a color-blind person sees it (matrices of Machado, Oliveira and Fernandes, 2009)."""
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ np.clip(np.array(matrix) @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


BLINDNESS = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colors_of_targets_can_be_told_apart(kind):
    looks = [seen(color, BLINDNESS[kind]) for color in draw_module._PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in combinations(looks, 2)) > 14
    assert min(look[0] for look in looks) > 50  # bright enough for black text


def test_the_page_gives_targets_the_same_colors():
    from mixformer.annotation import edits

    assert [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in draw_module._PALETTE] == list(edits._COLORS)
    script = Path(edits.__file__).parent / "web" / "static" / "panel.js"
    assert re.findall(r"#[0-9a-f]{6}", re.findall(r"const COLORS = .*", script.read_text())[0]) == list(edits._COLORS)


def test_a_label_covers_no_other_target_if_there_is_room():
    above, below = TrackResult(Box(100, 60, 80, 40), 0.9, 0), TrackResult(Box(100, 104, 80, 60), 0.9, 0)
    picture = Annotator(trail=0).draw_all(np.zeros((240, 320, 3), np.uint8), {0: above, 1: below})
    yellowish = (picture == draw_module._PALETTE[1]).all(-1)
    assert not yellowish[62:98, 102:178].any()  # the label of the lower target is not in the upper one,
    assert yellowish[166:185, 100:140].any()  # but below its own


@pytest.mark.parametrize("status", ["uncertain", "lost"])
@pytest.mark.parametrize("ground", [0, 176, 255])
def test_dashes_are_seen_on_any_ground(status, ground):
    picture = np.full((240, 320, 3), ground, np.uint8)
    drawn = Annotator(trail=0).draw(picture, TrackResult(Box(100, 60, 80, 90), 0.3, 0, status=status))
    edge = drawn[150, 101:179].astype(int)
    assert (np.abs(edge - ground).max(-1) > 60).sum() > 20


@pytest.mark.parametrize("height", [240, 2160])
def test_text_keeps_off_the_edge_of_its_label(height):
    scale = height / 240
    picture = np.zeros((height, height * 16 // 9, 3), np.uint8)
    result = TrackResult(Box(100 * scale, 60 * scale, 80 * scale, 90 * scale), 0.87, 124)
    drawn = Annotator(trail=0).draw(picture, result)
    rows, columns = np.nonzero((drawn[: int(60 * scale)] == (64, 255, 96)).all(-1))
    label = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    dark = np.nonzero(label.max(-1) < 100)
    gaps = [dark[0].min(), label.shape[0] - 1 - dark[0].max(), dark[1].min(), label.shape[1] - 1 - dark[1].max()]
    assert min(gaps) >= max(2, round(height / 28 / 4) - 2)


def test_a_mask_of_numbers_tints_its_pixels():
    image, result = np.full((60, 80, 3), 100, np.uint8), TrackResult(Box(10, 10, 30, 30), 0.9, 3)
    mask = np.zeros((60, 80), bool)
    mask[20:30, 15:40] = True
    assert np.array_equal(Annotator().draw(image, result, mask * np.uint8(255)), Annotator().draw(image, result, mask))
