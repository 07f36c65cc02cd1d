"""Shrunk shots: the target is small in every frame, its box stays exact, and nothing else changes."""

import numpy as np
import pytest

from mixformer.data.augmentation import Augmentation, CropSettings, downscale, draw_sample_params
from mixformer.data.sampling import AnnotatedFrame, TrainingSample
from mixformer.types import Box

TARGET = Box(120, 60, 80, 120)


def view(box=TARGET, size=(300, 400)):
    """A gray frame with a white target."""
    image = np.full((*size, 3), 60, np.uint8)
    x, y, w, h = (round(v) for v in box)
    image[y : y + h, x : x + w] = 255
    return AnnotatedFrame(image, box)


def shot(box=TARGET, present=True):
    return TrainingSample((view(box), view(box)), view(Box(box.x + 20, box.y, box.w, box.h)), present)


def sides(shots):
    return np.array([np.sqrt(s.templates[0].box.w * s.templates[0].box.h) for s in shots])


def test_targets_are_as_small_as_said():
    random = np.random.default_rng(0)
    found = sides(downscale(random, shot()) for _ in range(200))
    least, most = 12, 40
    assert least * 0.95 < found.min() < least * 1.1  # frames have whole numbers of pixels
    assert most * 0.9 < found.max() < most * 1.05


@pytest.mark.parametrize("seed", range(5))
def test_boxes_go_along_with_the_pixels(seed):
    small = downscale(np.random.default_rng(seed), shot())
    for each in (*small.templates, small.search):
        brightness = each.image[..., 0].astype(float)
        weight = (brightness - 60) / 195  # the part of each pixel that the target covers
        rows, columns = weight.sum(1), weight.sum(0)
        assert columns @ (np.arange(len(columns)) + 0.5) / weight.sum() == pytest.approx(each.box.center[0], abs=0.25)
        assert rows @ (np.arange(len(rows)) + 0.5) / weight.sum() == pytest.approx(each.box.center[1], abs=0.25)
        assert weight.sum() == pytest.approx(each.box.w * each.box.h, rel=0.02)


def test_all_frames_shrink_alike_and_the_rest_is_kept():
    before = shot(present=False)
    after = downscale(np.random.default_rng(1), before)
    assert not after.present
    assert len({each.image.shape for each in (*after.templates, after.search)}) == 1
    ratio = after.search.image.shape[1] / 400
    assert after.search.box.x - after.templates[0].box.x == pytest.approx(20 * ratio)


def test_what_is_small_is_left_and_draws_nothing():
    random, small = np.random.default_rng(2), shot(Box(10, 10, 9, 16))
    assert downscale(random, small) is small
    assert random.random() == np.random.default_rng(2).random()


def test_crops_of_shrunk_frames_show_the_target_where_it_was_but_blurred():
    def render(odds):
        settings = Augmentation(
            0, 0, low_res_prob=odds, gray_prob=0, flip_prob=0, brightness=0, contrast=0, blur_prob=0
        )
        return draw_sample_params(np.random.default_rng(3), shot(), settings, CropSettings(196, 98, 4.0)).render()

    plain, small = render(0.0), render(1.0)
    np.testing.assert_allclose(plain.box, small.box, atol=0.02)  # windows have whole numbers of pixels
    for name in ("search", "templates"):
        one, other = (getattr(sample, name).astype(float) for sample in (plain, small))
        assert np.abs(np.diff(other, axis=-2)).max() < 0.6 * np.abs(np.diff(one, axis=-2)).max()
        assert np.abs(one - other).mean() < 0.1 * 195
