"""Synthetic sequences: smooth motion, scale, occlusion and blur, and boxes that stay exact."""

import numpy as np
import pytest
from PIL import Image

from mixformer.data import synthetic
from mixformer.data.annotated_folders import MaskedObject
from mixformer.data.augmentation import Augmentation, CropSettings
from mixformer.data.motion import Motion, Pass, Pose, Swing, motion_blur
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import AnnotatedFrame, Mixture, Negatives
from mixformer.data.sequence import ImageCache
from mixformer.data.synthetic import CutOuts, SyntheticSamples
from mixformer.errors import DataError
from mixformer.types import Box

STILL = Motion(growth=0, turn=0, occlusion=0, exposure=0)


@pytest.fixture
def scene(tmp_path):
    """Red discs over a dark blue background, so that what is red is a cut-out."""
    stamp = np.zeros((80, 80, 4), np.uint8)
    stamp[((np.indices((80, 80)) - 39.5) ** 2).sum(0) < 39.5**2] = (255, 0, 0, 255)
    Image.fromarray(stamp).save(tmp_path / "stamp.png")
    Image.new("RGB", (500, 400), (0, 0, 60)).save(tmp_path / "scene.png")
    cache = ImageCache(10)
    cut_outs = CutOuts([MaskedObject(tmp_path / "stamp.png", None)], cache)
    return lambda motion, **more: SyntheticSamples(cut_outs, [tmp_path / "scene.png"], cache, motion, **more)


def red(image):
    return image[..., 0] > 127


def extent(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def alone(shots, views, start=0):
    """Shots without distractors: all red is near the target."""
    for seed in range(start, start + 200):
        shot = shots.draw(np.random.default_rng(seed), views)
        everything = (*shot.templates, shot.search)
        spread = [extent(red(view.image)) for view in everything if red(view.image).any()]
        if len(spread) == len(everything) and all(
            np.abs(found - view.box.xyxy).max() < 0.6 * view.box.w
            for found, view in zip(spread, everything, strict=True)
        ):
            yield everything


def test_boxes_follow_the_moving_target(scene):
    count = 0
    for views in alone(scene(STILL), 3):
        for view in views:
            height, width = view.image.shape[:2]
            box = np.clip(view.box.xyxy, 0, [width, height] * 2)
            np.testing.assert_allclose(extent(red(view.image)), box, atol=2)
        count += 1
    assert count > 20


def test_boxes_hold_the_middle_of_a_blurred_target(scene):
    count = 0
    for views in alone(scene(Motion(growth=0, turn=0, occlusion=0, speed=0.5)), 2):
        for view in views:
            x1, y1, x2, y2 = view.box.xyxy
            if x1 < 20 or y1 < 20 or x2 > 380 or y2 > 280:
                continue
            mass = view.image[..., 0].astype(float)
            rows, columns = np.indices(mass.shape)
            middle = (columns * mass).sum() / mass.sum() + 0.5, (rows * mass).sum() / mass.sum() + 0.5
            np.testing.assert_allclose(middle, view.box.center, atol=2.5)
            count += 1
    assert count > 20


def test_a_swing_is_smooth_bounded_and_not_too_fast():
    motion = Motion(speed=0.1, growth=0.4, turn=20)
    for seed in range(30):
        swing = Swing.draw(np.random.default_rng(seed), motion, 50.0, 300, 400)
        poses = [swing.at(t) for t in np.arange(0, 100, 0.5)]
        places = np.array([(p.x, p.y) for p in poses])
        assert places.min() >= 30 - 1e-9
        assert np.all(places <= [360 + 1e-9, 270 + 1e-9])
        steps = np.diff(places, axis=0) / 0.5
        assert np.linalg.norm(steps, axis=1).max() <= 0.1 * 50 + 1e-9
        velocity = np.array([p.velocity for p in poses])
        np.testing.assert_allclose(steps, (velocity[1:] + velocity[:-1]) / 2, atol=0.05)
        sides = np.array([p.side for p in poses])
        assert 50 * np.exp(-0.4) - 1e-9 <= sides.min() <= sides.max() <= 50 * np.exp(0.4) + 1e-9
        assert np.abs(np.diff(np.log(sides))).max() < 0.03
        assert np.abs([p.angle for p in poses]).max() <= 20


def test_size_changes_between_frames(scene):
    shots = scene(Motion(span=100, growth=0.4, occlusion=0))
    ratios = []
    for seed in range(40):
        shot = shots.draw(np.random.default_rng(seed), 1)
        ratios.append(shot.search.box.w / shot.templates[0].box.w)
    assert 0.1 < np.std(np.log(ratios)) < 0.6


def test_an_occluder_covers_a_part_of_the_target_in_the_search_frame():
    random = np.random.default_rng(0)
    pose = Pose(100.0, 80.0, 40.0, 0.0, (0.0, 0.0))
    for _ in range(100):
        passing = Pass.draw(random, Motion(speed=0.2), pose, time=30.0)
        there = passing.at(30.0)
        assert there.side < pose.side
        assert max(abs(there.x - 100), abs(there.y - 80)) <= 0.6 * 40
        before = passing.at(29.0)
        assert np.hypot(there.x - before.x, there.y - before.y) <= 0.2 * 40 + 1e-9


def test_occlusion_hides_pixels_but_moves_no_box(scene):
    free, hidden = scene(STILL), scene(Motion(growth=0, turn=0, exposure=0, occlusion=1))
    changed = 0
    for seed in range(20):
        first = free.draw(np.random.default_rng(seed), 1)
        second = hidden.draw(np.random.default_rng(seed), 1)
        assert first.search.box == second.search.box
        changed += not np.array_equal(first.search.image, second.search.image)
    assert changed > 15


def test_motion_blur_spreads_a_cut_out_around_its_middle():
    stamp = np.zeros((21, 21, 4), np.uint8)
    stamp[5:16, 5:16] = (200, 100, 50, 255)
    np.testing.assert_array_equal(motion_blur(stamp, 0.4, -0.6), stamp)
    blurred = motion_blur(stamp, 8.0, 0.0)
    assert blurred.shape == (21, 29, 4)
    solid = blurred[..., 3] > 0
    assert solid.sum() > 11 * 11
    np.testing.assert_allclose(blurred[solid][:, :3], [[200, 100, 50]] * solid.sum(), atol=8)
    assert abs(blurred[..., 3].sum() / stamp[..., 3].sum() - 1) < 0.01
    weight = blurred[..., 3].astype(float)
    assert abs((np.indices(weight.shape)[1] * weight).sum() / weight.sum() - 14) < 0.3
    assert np.count_nonzero((blurred[..., 3] > 127).any(0)) == pytest.approx(11, abs=2)


def test_moving_scenes_are_a_set_like_any_other(scene):
    mixture = Mixture([scene(Motion())], [1], Negatives(0.5))
    dataset = SampleDataset(
        mixture, CropSettings(64, 32, 4.5), Augmentation(4.5, 0.5).with_official_processing(), seed=3
    )
    samples = [dataset[i] for i in range(12)]
    assert {sample.present for sample in samples} == {0.0, 1.0}
    np.testing.assert_array_equal(samples[5].search, dataset[5].search)


@pytest.mark.parametrize("motion", [None, STILL])
def test_look_alikes_put_one_more_thing_into_a_scene(scene, monkeypatch, motion):
    counts = {}
    for odds in (0.0, 0.5, 1.0):
        pasted = []
        for name in ("_paste", "_paste_moving"):
            real = getattr(synthetic, name)

            def counting(frame, *rest, real=real, pasted=pasted):
                pasted.append(rest[0])
                return real(frame, *rest)

            monkeypatch.setattr(synthetic, name, counting)
        shots, counts[odds] = scene(motion, lookalikes=odds), []
        for seed in range(60):
            pasted.clear()
            shots.draw(np.random.default_rng(seed), 1)
            counts[odds].append(len(pasted) / 2)
        monkeypatch.undo()
    means = [np.mean(each) for each in counts.values()]
    np.testing.assert_allclose(np.diff(means), 0.5, atol=0.25)


def test_a_look_alike_is_the_target_itself(tmp_path):
    cache = ImageCache(10)
    things = []
    for number, color in enumerate(["red", "lime", "blue"] * 8):
        Image.new("RGBA", (20 + number, 30), color).save(tmp_path / f"{number}.png")
        things.append(MaskedObject(tmp_path / f"{number}.png", None))
    Image.new("RGB", (500, 400)).save(tmp_path / "scene.png")
    cut_outs = CutOuts(things, cache)
    shots = SyntheticSamples(cut_outs, [tmp_path / "scene.png"], cache, lookalikes=1.0)
    seen = []
    shots._compose = lambda random, target, side, others, scene: (
        seen.append(others[-1] is target) or AnnotatedFrame(scene, Box(0, 0, 9, 9))
    )
    for seed in range(20):
        shots.draw(np.random.default_rng(seed), 1)
    assert all(seen)


def test_cut_outs_do_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "_KEPT", 3 * 4 * 20 * 20)
    for number in range(6):
        Image.new("RGBA", (20, 20), (number, 0, 0, 255)).save(tmp_path / f"{number}.png")
    cut_outs = CutOuts([MaskedObject(tmp_path / f"{number}.png", None) for number in range(6)], ImageCache(10))
    assert [int(cut_outs.get(number)[0, 0, 0]) for number in (0, 1, 2, 3, 4, 5, 0)] == [0, 1, 2, 3, 4, 5, 0]
    assert len(cut_outs._kept.values) == 3


def test_pictures_that_give_no_cut_out_are_named(tmp_path):
    """They were errors of Pillow and NumPy."""
    Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    Image.new("L", (20, 10)).save(tmp_path / "small.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "colors.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    good, cases = tmp_path / "good.png", {"small": r"\(10, 20\)", "colors": r"\(20, 20, 3\)", "damaged": "cannot read"}
    for name, message in cases.items():
        with pytest.raises(DataError, match=message):
            CutOuts([MaskedObject(good, tmp_path / f"{name}.png", 1)], ImageCache(10)).get(0)
    with pytest.raises(DataError, match="cannot read"):
        CutOuts([MaskedObject(tmp_path / "damaged.png", None)], ImageCache(10)).get(0)
