"""The official processing against independent formulas and the official code's outputs."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mixformer.data.augmentation import Augmentation, CropSettings, Jitter, draw_sample_params
from mixformer.data.crop_params import frame_part, shows_frame
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import AnnotatedFrame, Mixture, TrainingSample
from mixformer.errors import DataError
from mixformer.imaging.crop import CropWindow
from mixformer.imaging.resize import resize_image
from mixformer.types import Box

OFFICIAL = json.loads((Path(__file__).parents[1] / "imaging/references/sample_target.json").read_text())["cases"]
ARRAYS = np.load(Path(__file__).parents[1] / "imaging/references/sample_target.npz")
IMAGES = np.load(Path(__file__).parents[1] / "imaging/references/images.npz")
JITTERED = np.load(Path(__file__).parent / "references/jittered_crops.npz")
SIZES = CropSettings(search_size=288, template_size=128, search_factor=4.5)
PLAIN = {"gray_prob": 0, "flip_prob": 0, "brightness": 0, "contrast": 0, "blur_prob": 0}
STILL = Augmentation(0, 0, **PLAIN, pixel_index=True, nearest=True)
OFFICIAL_TRAINING = Augmentation(4.5, 0.5).with_official_processing()
FRAME = np.random.default_rng(7).integers(0, 256, (120, 170, 3)).astype(np.uint8)
TARGET = Box(60.3, 40.7, 31.0, 22.0)


class One:
    """The same shot again and again."""

    def __init__(self, shot):
        self.shot = shot

    def draw(self, random, templates):
        return self.shot


def shot_of(box, frame=FRAME, templates=2):
    view = AnnotatedFrame(frame, box)
    return TrainingSample((view,) * templates, view)


def plan(augmentation, box=TARGET, seed=0, frame=FRAME):
    return draw_sample_params(np.random.default_rng(seed), shot_of(box, frame), augmentation, SIZES)


def windows_reaching_out():
    for case in OFFICIAL:
        # with negative slices the official code wraps crops that lie outside altogether
        outside = case.get("name", "").startswith(("completely_outside", "all_but_one_row"))
        if "raises" not in case and not outside:
            yield case


@pytest.mark.parametrize("case", list(windows_reaching_out()), ids=lambda case: case["name"])
def test_padding_is_where_the_official_mask_has_it(case):
    height, width = IMAGES[case["image"]].shape[:2]
    size = case["output_size"]
    rows = frame_part(case["y1"], case["crop_size"], height, size)
    columns = frame_part(case["x1"], case["crop_size"], width, size)
    padding = ~(rows[:, None] & columns[None])
    assert padding.sum() == case["mask_true"]
    if f"mask/{case['name']}" in ARRAYS:
        expected = np.unpackbits(ARRAYS[f"mask/{case['name']}"], count=size * size).reshape(size, size)
        np.testing.assert_array_equal(padding, expected)
    else:
        np.testing.assert_array_equal(padding[::7, ::7], ARRAYS[f"mask_stride7/{case['name']}"])
    window = CropWindow(case["x1"], case["y1"], case["crop_size"])
    assert shows_frame(window, height, width, size) == (not padding[::16, ::16].all())


class Given:
    """A jitter that always gives the same box."""

    def __init__(self, box):
        self.box = box

    def apply(self, random, box):
        return self.box


@dataclass(frozen=True)
class Placed(Augmentation):
    """Processing without change, around a given box."""

    place: Box = TARGET

    @property
    def search(self):
        return Given(self.place)


@pytest.mark.parametrize("row", [0, 1])
def test_jittered_crops_and_their_boxes_are_the_official_ones(row):
    """Outputs of the official training code: where it cut, what it got, and where it put the box."""
    target, around = Box(*JITTERED["gt"][row].tolist()), Box(*JITTERED["extract"][row].tolist())
    exact = Placed(**STILL.to_dict() | {"reject": True}, place=around)
    sample = plan(exact, target, frame=IMAGES["chelsea"]).render()
    np.testing.assert_array_equal(sample.search[::9, ::9], JITTERED["crop_stride9"][row])
    x, y, w, h = JITTERED["boxes_norm"][row]
    np.testing.assert_allclose(sample.box, [x, y, x + w, y + h], atol=1e-6)


@pytest.mark.parametrize("pixel_index", [True, False])
def test_the_box_in_the_crop_has_the_chosen_middle(pixel_index):
    jittery = Augmentation(1.0, 0.3, **PLAIN, pixel_index=pixel_index, reject=True)
    box = TARGET
    for seed in range(20):
        random = np.random.default_rng(seed)
        made = draw_sample_params(random, shot_of(box, templates=0), jittery, SIZES)
        again = np.random.default_rng(seed)
        again.random(2)  # gray, flip
        w, h = np.array([31.0, 22.0]) * np.exp(0.3 * again.normal(size=2))
        ax, ay = np.array(box.center) + np.sqrt(w * h) * 1.0 * (again.random(2) - 0.5)
        side = np.ceil(np.sqrt(w * h) * 4.5)
        scale = 288 / side
        middle = 287 / 2 if pixel_index else 288 / 2
        cx, cy = middle + (box.center[0] - ax) * scale, middle + (box.center[1] - ay) * scale
        expected = np.array([cx - 15.5 * scale, cy - 11 * scale, cx + 15.5 * scale, cy + 11 * scale]) / 288
        np.testing.assert_allclose(made.box, expected, atol=1e-12)


def official_gray(image):
    """OpenCV's gray of 8-bit pictures, as far as rounding goes."""
    return np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def test_grey_and_joint_mirroring_come_before_the_crop():
    """The official order: change the frame, then cut; a mirrored frame's box moves to W - 1 - x - w."""
    changed = replace(STILL, gray_prob=1, flip_prob=1, reject=True)
    box, sample = TARGET, plan(changed).render()
    frame = np.repeat(official_gray(FRAME)[:, ::-1, None], 3, -1)
    mirrored = Box(170 - 1 - box.x - box.w, box.y, box.w, box.h)
    window = CropWindow.around(mirrored, 4.5)
    expected = resize_image(window.cut(frame), 288, 288)
    assert np.abs(sample.search.astype(int) - expected).max() <= 1  # gray of the resized picture, not of the frame
    np.testing.assert_array_equal(sample.search[..., 0], sample.search[..., 2])
    scale = 288 / window.side
    np.testing.assert_allclose(sample.box.reshape(2, 2).mean(0), [287 / 576] * 2, atol=1e-9)
    np.testing.assert_allclose(sample.box[2] - sample.box[0], 31 * scale / 288, atol=1e-9)
    small = resize_image(CropWindow.around(mirrored, 2.0).cut(frame), 128, 128)
    assert np.abs(sample.templates[1].astype(int) - small).max() <= 1


def test_in_edge_coordinates_mirroring_moves_nothing():
    """The corrected convention: the mirrored sample is the mirror image of the sample."""
    kept = plan(replace(STILL, pixel_index=False)).render()
    mirrored = plan(replace(STILL, pixel_index=False, flip_prob=1)).render()
    np.testing.assert_array_equal(mirrored.search, kept.search[:, ::-1])
    x1, y1, x2, y2 = kept.box
    np.testing.assert_allclose(mirrored.box, [1 - x2, y1, 1 - x1, y2])


def test_a_mirrored_crop_mirrors_its_box():
    off_middle = Placed(**STILL.to_dict(), place=Box(50.0, 30.0, 31.0, 22.0))
    kept, mirrored = plan(off_middle).render(), plan(replace(off_middle, crop_flip_prob=1)).render()
    np.testing.assert_array_equal(mirrored.search, kept.search[:, ::-1])
    np.testing.assert_allclose(mirrored.box[[2, 0]], 1 - kept.box[[0, 2]])


def test_crops_are_mirrored_and_lit_each_by_itself():
    official = replace(OFFICIAL_TRAINING, gray_prob=0, flip_prob=0)
    plans = [plan(official, seed=seed) for seed in range(400)]
    flips = np.array([[crop.flip for crop in p.crops] for p in plans])
    gains = np.array([[crop.gain for crop in p.crops] for p in plans])
    assert np.all(np.abs(flips.mean(0) - 0.5) < 0.1)
    assert np.all(np.abs(np.corrcoef(flips.T) - np.eye(3)) < 0.2)
    assert np.all(np.abs(np.corrcoef(gains.T) - np.eye(3)) < 0.2)
    assert 0.8 <= gains.min() < 0.81
    assert 1.19 < gains.max() <= 1.2
    np.testing.assert_allclose(gains.std(0), 0.4 / np.sqrt(12), rtol=0.1)


def test_joint_changes_have_the_official_odds_and_no_others_in_validation():
    plans = [plan(Augmentation(4.5, 0.5).with_official_processing(training=False), seed=seed) for seed in range(600)]
    gray = np.array([[crop.gray for crop in p.crops] for p in plans])
    assert np.all(gray.all(1) == gray.any(1))
    assert 0.02 < gray.mean() < 0.09
    joint = [p.crops[0].frame[0, 0, 0] != FRAME[0, 0, 0] for p in plans]
    assert abs(np.mean(joint) - 0.5) < 0.08
    assert not any(crop.flip or crop.gain != 1 for p in plans for crop in p.crops)


def test_jitter_follows_the_official_formula():
    official = OFFICIAL_TRAINING
    assert official.search == Jitter(4.5, 0.5)
    assert official.template == Jitter(0.0, 0.0)
    random = np.random.default_rng(0)
    box = Box(100, 50, 40, 10)
    found = np.array([official.search.apply(random, box) for _ in range(4000)])
    logs = np.log(found[:, 2:] / [40, 10])
    np.testing.assert_allclose(logs.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(logs.std(0), 0.5, rtol=0.05)
    assert abs(np.corrcoef(logs.T)[0, 1]) < 0.06
    offsets = (found[:, :2] + found[:, 2:] / 2 - box.center) / np.sqrt(found[:, 2:].prod(1))[:, None]
    assert np.abs(offsets).max() <= 2.25
    np.testing.assert_allclose(offsets.std(0), 4.5 / np.sqrt(12), rtol=0.04)
    np.testing.assert_allclose(offsets.mean(0), 0, atol=0.07)
    assert official.template.apply(random, box) == box


def test_brightness_is_rounded_and_clamped():
    bright = [plan(replace(STILL, brightness=0.2), seed=seed) for seed in range(5)]
    plain = plan(STILL).crops[-1].render().astype(float)
    for made in bright:
        crop = made.crops[-1]
        expected = np.clip(plain / 255 * crop.gain, 0, 1) * 255
        assert np.abs(crop.render() - expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("box", [Box(400, 40, 30, 20), Box(30, -200, 30, 20), Box(30, 30, 0, 20), Box(*[np.nan] * 4)])
def test_crops_that_show_nothing_are_rejected(box):
    once = replace(STILL, reject=True)
    assert plan(once, box) is None
    endless = SampleDataset(Mixture([One(shot_of(box))], [1]), SIZES, once, seed=0)
    with pytest.raises(DataError, match=r"sample 3: 100 samples .* rejected"):
        endless[3]


def test_rejected_jitter_is_replaced_by_another_shot():
    wild = replace(STILL, center_jitter=30.0, reject=True)
    dataset = SampleDataset(Mixture([One(shot_of(Box(60, 40, 30, 20)))], [1]), SIZES, wild, seed=0)
    for index in range(30):
        crop = dataset.plan(index).crops[-1]
        assert shows_frame(crop.window, 120, 170, 288)
        assert crop.render().any()


def test_the_border_can_be_kept():
    flush = Box(130, 80, 40, 40)  # its crop of twice the size reaches beyond both borders
    white = np.full((120, 170, 3), 255, np.uint8)
    lost = plan(STILL, flush, frame=white).crops[0]
    kept = plan(replace(STILL, keep_border=True), flush, frame=white).crops[0]
    assert kept.window == lost.window
    assert np.count_nonzero(kept.window.cut(kept.frame)[0, :, 0]) == 60
    assert np.count_nonzero(lost.window.cut(lost.frame)[0, :, 0]) == 59
    assert kept.box == lost.box


EARLIER_BOXES = [
    [0.4397547916, 0.4802026861, 0.7140910748, 0.6748929516],
    [0.0941342633, 0.2803840007, 0.2915864926, 0.4205113892],
    [0.2586803623, 0.132083044, 0.4989904398, 0.3026256796],
    [0.6289252879, 0.3512145836, 0.8894294895, 0.5360885332],
]
EARLIER_SEARCH = [97.2898, 88.3791, 95.5007, 131.4051]
EARLIER_TEMPLATES = [104.5626, 120.2118, 115.2031, 135.2724]


def test_the_default_processing_still_gives_the_samples_it_gave():
    """Recipes that ask for nothing new train on the same pixels as before; the numbers are from an earlier version."""
    ours = Augmentation(3.0, 0.25, template_jitter=0.1, crop_flip_prob=0.3, contrast=0.2, blur_prob=0.5)
    samples = [plan(ours, seed=seed).render() for seed in range(4)]
    np.testing.assert_allclose([s.box for s in samples], EARLIER_BOXES, atol=1e-9)
    np.testing.assert_allclose([s.search.mean() for s in samples], EARLIER_SEARCH, atol=0.02)
    np.testing.assert_allclose([s.templates.mean() for s in samples], EARLIER_TEMPLATES, atol=0.02)


def offsets(jitter, count=4000):
    """Centers of jittered boxes in units of their size, around the target."""
    random, found = np.random.default_rng(3), []
    for _ in range(count):
        box = jitter.apply(random, TARGET)
        found.append(np.subtract(box.center, TARGET.center) / np.sqrt(box.w * box.h))
    return np.array(found)


def test_crops_that_follow_motion_are_mostly_near_and_sometimes_far():
    far, near = offsets(Jitter(2.0, 0.2)), offsets(Jitter(2.0, 0.2, small_motion_prob=1.0, small_motion_scale=0.1))
    assert np.abs(far).max() <= 1
    np.testing.assert_allclose(np.abs(far).mean(0), 0.5, atol=0.03)
    np.testing.assert_allclose(np.abs(near).mean(0), 0.1, atol=0.01)
    np.testing.assert_allclose(np.median(np.abs(near), 0), 0.1 * np.log(2), atol=0.01)  # of a Laplace distribution
    assert np.abs(near).max() > 0.5
    both = offsets(Jitter(2.0, 0.2, small_motion_prob=0.5, small_motion_scale=0.1))
    np.testing.assert_allclose((np.abs(both) > 0.4).mean(0), 0.5 * 0.6 + 0.5 * np.exp(-4), atol=0.03)


def test_without_motion_nothing_more_is_drawn():
    random, other = np.random.default_rng(5), np.random.default_rng(5)
    first = [Jitter(2.0, 0.2).apply(random, TARGET) for _ in range(3)]
    assert first == [Jitter(2.0, 0.2, small_motion_scale=9.0).apply(other, TARGET) for _ in range(3)]
    drawn = np.random.default_rng(5)
    for _ in range(3):
        drawn.normal(size=2), drawn.random(2)
    assert random.random() == drawn.random()
