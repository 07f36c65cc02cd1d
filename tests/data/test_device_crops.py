"""Crops made in one batch on a device equal those made one by one in numpy."""

import numpy as np
import pytest
import torch

from mixformer.data.augmentation import Augmentation, CropSettings
from mixformer.data.crop_params import LONGEST_BLUR, CropParams
from mixformer.data.gpu import pack_crops, pack_frames
from mixformer.data.sample_dataset import SampleDataset, batches
from mixformer.data.sampling import AnnotatedFrame, Mixture, TrainingSample
from mixformer.imaging.crop import CropWindow, crop_target
from mixformer.imaging.resize import resize_image
from mixformer.types import Box

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def pictures(count, random):
    return [random.integers(0, 256, (*random.integers(40, 150, 2), 3)).astype(np.uint8) for _ in range(count)]


def random_windows(frames, random):
    for frame in frames:
        height, width = frame.shape[:2]
        side = int(random.integers(1, 200))
        yield CropWindow(
            int(random.integers(-side - 20, width + 20)), int(random.integers(-side - 20, height + 20)), side
        )


def crop_batch(frames, windows, size, *, flips=None, brightness=None):
    """One window of each frame, uint8 (B, size, size, 3), mirrored and lit if asked."""
    light = torch.zeros(len(windows), 9)
    light[:, [2, 3, 5, 6, 7, 8]] = 1
    if flips is not None:
        light[:, 0] = flips
    if brightness is not None:
        light[:, 3] = brightness
    return pack_frames(frames, windows, light, []).to(frames[0].device).render(size)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [1, 48, 97, 112])
def test_a_batch_of_crops_equals_the_crops(size, device):
    random = np.random.default_rng(size)
    frames = pictures(60, random)
    windows = list(random_windows(frames, random))
    windows[0] = CropWindow(3, 5, size)  # no resize
    windows[1] = CropWindow(frames[1].shape[1] - 30, 0, 30)  # flush with the border
    together = crop_batch([torch.from_numpy(f).to(device) for f in frames], windows, size)
    assert together.device.type == device
    assert together.dtype == torch.uint8
    for frame, window, found in zip(frames, windows, together.cpu().numpy(), strict=True):
        np.testing.assert_array_equal(found, resize_image(window.cut(frame), size, size))


def test_a_crop_around_a_box():
    frame = pictures(1, np.random.default_rng(0))[0]
    box = Box(20.4, 11.2, 30, 12)
    found = crop_batch([torch.from_numpy(frame)], [CropWindow.around(box, 4.5)], 64)
    np.testing.assert_array_equal(found[0].numpy(), crop_target(frame, box, 4.5, 64)[0])


def test_mirroring_and_brightness():
    random = np.random.default_rng(1)
    frames = pictures(6, random)
    windows = list(random_windows(frames, random))
    tensors = [torch.from_numpy(f) for f in frames]
    plain = crop_batch(tensors, windows, 50)
    flips = torch.tensor([True, False] * 3)
    flipped = crop_batch(tensors, windows, 50, flips=flips)
    for index, flip in enumerate(flips):
        assert torch.equal(flipped[index], plain[index].flip(1) if flip else plain[index])
    gains = torch.tensor([0.8, 1.0, 1.2, 0.5, 2.0, 1.0])
    lit = crop_batch(tensors, windows, 50, brightness=gains)
    expected = (plain * gains[:, None, None, None]).clamp(0, 255)
    assert (lit - expected).abs().max() <= 0.5
    assert torch.equal(lit[1], plain[1])


class Shots:
    """Targets in random frames of random sizes, some over the border."""

    def draw(self, random, templates):
        return TrainingSample(tuple(self.view(random) for _ in range(templates)), self.view(random))

    def view(self, random):
        frame = pictures(1, random)[0]
        return AnnotatedFrame(frame, Box(*random.uniform(-10, 120, 2), *random.uniform(8, 50, 2)))


JITTER = {"center_jitter": 2.0, "crop_flip_prob": 0.5, "contrast": 0, "blur_prob": 0}
AUGMENTATIONS = {
    "official": Augmentation(4.5, 0.5).with_official_processing(),
    "gray": Augmentation(**JITTER, gray_prob=0.5),
    "blur": Augmentation(**{**JITTER, "blur_prob": 0.7}),
    "contrast": Augmentation(**{**JITTER, "contrast": 0.5, "gray_prob": 0.3, "blur_prob": 0.3}),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("workers", [0, 1])
def test_raw_batches_become_the_same_batches(name, workers, device):
    crops = CropSettings(96, 48, 4.5, templates=3)
    dataset = SampleDataset(Mixture([Shots()], [1]), crops, AUGMENTATIONS[name], seed=1)
    made = list(batches(dataset, 6, 0, 4, workers))
    raw = [batch.to(torch.device(device)) for batch in batches(dataset, 6, 0, 4, workers, raw=True)]
    assert len(made) == len(raw) == 4
    for ours, theirs in zip(made, raw, strict=True):
        assert theirs.templates.shape == (6, 3, 48, 48, 3)
        assert torch.equal(ours.boxes, theirs.boxes.cpu())
        assert torch.equal(ours.present, theirs.present.cpu())
        assert theirs.seconds > 0
        # gray and contrast are sums of floats, whose order may differ
        assert (ours.search.int() - theirs.search.cpu().int()).abs().max() <= 1
        assert (ours.templates.int() - theirs.templates.cpu().int()).abs().max() <= 1
        assert (ours.search != theirs.search.cpu()).float().mean() < 0.01


def test_blur_on_a_device_is_that_of_the_loader_bit_for_bit():
    random = np.random.default_rng(4)
    frame = pictures(1, random)[0]
    window, box = CropWindow(-5, 3, 60), Box(0, 0, 1, 1)
    for length in range(2, LONGEST_BLUR + 1):
        plans = [
            CropParams(frame, window, 40, box, flip, False, blur, None, 1.0, False)
            for flip in (False, True)
            for blur in ((length, 0), (length, 1), None)
        ]
        for plan, found in zip(plans, pack_crops(plans).render(40).numpy(), strict=True):
            np.testing.assert_array_equal(found, plan.render())


def test_a_trimmed_plan_holds_little_and_gives_the_same_crop():
    frame = np.random.default_rng(5).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    for left, top in ((50, 60), (-20, 280), (370, -10), (380, 200)):
        plan = CropParams(frame, CropWindow(left, top, 30), 32, Box(0, 0, 1, 1), True, False, None, None, 1.1, True)
        small = plan.trimmed()
        assert small.frame.nbytes <= 31 * 31 * 3
        np.testing.assert_array_equal(small.render(), plan.render())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="pinned memory needs a GPU")
@pytest.mark.parametrize("raw", [False, True])
def test_pinned_batches_are_the_same(raw):
    dataset = SampleDataset(
        Mixture([Shots()], [1]),
        CropSettings(96, 48, 4.5),
        Augmentation(4.5, 0.5, crop_flip_prob=0.5, contrast=0, blur_prob=0),
        seed=1,
    )
    plain, pinned = (next(iter(batches(dataset, 4, 0, 1, 0, raw=raw, pin=pin))) for pin in (False, True))
    assert pinned.boxes.is_pinned()
    assert torch.equal(plain.to(torch.device("cuda")).search, pinned.to(torch.device("cuda")).search)
