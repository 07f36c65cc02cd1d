"""Sampling, augmentation and synthetic shots: boxes stay on their objects, streams repeat."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from mixformer.data.annotated_folders import MaskedObject
from mixformer.data.augmentation import Augmentation, draw_sample_params
from mixformer.data.sample_dataset import CropSettings, SampleDataset, batches
from mixformer.data.sampling import AnnotatedFrame, Mixture, SequenceSamples, TrainingSample
from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.data.synthetic import CutOuts, SyntheticSamples
from mixformer.errors import DataError
from mixformer.types import Box

SIZES = CropSettings(search_size=96, template_size=48, search_factor=4.0)
PLAIN = Augmentation(2.0, 0.2, gray_prob=0, flip_prob=0.5, crop_flip_prob=0.3, brightness=0, contrast=0, blur_prob=0)


def red_box_frame(box, height=200, width=260):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[int(box.y) : int(box.y + box.h), int(box.x) : int(box.x + box.w), 0] = 255
    return frame


@given(
    x=st.integers(0, 200),
    y=st.integers(0, 150),
    w=st.integers(12, 60),
    h=st.integers(12, 50),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_the_box_stays_on_the_object(x, y, w, h, seed):
    box = Box(x, y, w, h)
    view = AnnotatedFrame(red_box_frame(box), box)
    sample = draw_sample_params(np.random.default_rng(seed), TrainingSample((view,), view), PLAIN, SIZES).render()
    rows, columns = np.nonzero(sample.search[..., 0] > 127)
    x1, y1, x2, y2 = sample.box * SIZES.search_size
    visible_x2, visible_y2 = min(x + w, 260), min(y + h, 200)
    if len(rows) < 20 or visible_x2 - x < 8 or visible_y2 - y < 8:
        return  # jittered out of sight
    scale = (x2 - x1) / w
    tolerance = 1.5 + 2 * scale  # rounding of the crop's corner, and the border's lost pixel
    assert columns.min() >= x1 - tolerance
    assert columns.max() + 1 <= x2 + tolerance
    assert rows.min() >= y1 - tolerance
    assert rows.max() + 1 <= y2 + tolerance
    inside = x1 > 0 and y1 > 0 and x2 < 96 and y2 < 96 and x + w < 259 and y + h < 199
    if inside:
        np.testing.assert_allclose(
            [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], [x1, y1, x2, y2], atol=tolerance
        )


def test_without_jitter_the_template_is_centered():
    box = Box(100, 80, 40, 40)
    view = AnnotatedFrame(red_box_frame(box), box)
    augmentation = Augmentation(0, 0, flip_prob=0, crop_flip_prob=0.5, contrast=0, blur_prob=0)
    sample = draw_sample_params(
        np.random.default_rng(0), TrainingSample((view, view), view), augmentation, SIZES
    ).render()
    assert sample.templates.shape == (2, 48, 48, 3)
    assert sample.search.shape == (96, 96, 3)
    np.testing.assert_allclose(sample.box, [0.375, 0.375, 0.625, 0.625], atol=1e-9)
    rows, columns = np.nonzero(sample.templates[0, ..., 0] > 100)
    assert abs(rows.mean() - 23.5) < 1
    assert abs(columns.mean() - 23.5) < 1


@pytest.fixture
def video(tmp_path):
    frames = []
    for index in range(30):
        path = tmp_path / f"{index:03d}.png"
        Image.fromarray(red_box_frame(Box(10 + 5 * index, 40, 30, 30), 100, 220)).save(path)
        frames.append(path)
    boxes = np.array([[10 + 5 * i, 40, 30, 30] for i in range(30)], np.float64)
    boxes[20:25] = np.nan
    return VideoSequence("video", tuple(frames), boxes)


def test_frames_are_visible_and_within_the_gap(video):
    shots = SequenceSamples([video], ImageCache(10), max_gap=4)
    random = np.random.default_rng(0)
    for _ in range(50):
        shot = shots.draw(random, 2)
        places = [round((view.box.x - 10) / 5) for view in (*shot.templates, shot.search)]
        assert not set(places) & set(range(20, 25))
        assert max(abs(p - places[-1]) for p in places) <= 4


def test_a_broken_picture_is_passed_over_and_named_once(video, caplog):
    video.frames[3].write_bytes(video.frames[3].read_bytes()[:60])
    shots, random = SequenceSamples([video], ImageCache(10), max_gap=4), np.random.default_rng(0)
    for _ in range(60):
        shot = shots.draw(random, 2)
        assert all(view.box.x != 25 for view in (*shot.templates, shot.search))
        assert shots.view(random).box.x != 25
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert f"video: cannot read the image {video.frames[3]}" in warnings[0]
    for path in video.frames:
        path.unlink()
    with pytest.raises(DataError, match=r"20 sequences drawn in a row could not be read; the last: .*No such file"):
        SequenceSamples([video], ImageCache()).draw(random, 2)


def test_nothing_to_sample_is_an_error(video):
    blind = VideoSequence("blind", video.frames, np.full((30, 4), np.nan))
    with pytest.raises(DataError, match="visible"):
        SequenceSamples([blind], ImageCache())
    with pytest.raises(DataError, match="source"):
        Mixture([], [])
    with pytest.raises(DataError, match="cut out"):
        CutOuts([], ImageCache())


def test_negatives_do_not_show_the_target(video):
    mixture = Mixture([SequenceSamples([video], ImageCache(10))], [1.0], negatives=1.0)
    random = np.random.default_rng(1)
    elsewhere = 0
    for _ in range(40):
        shot = mixture.draw(random, 1)
        assert not shot.present
        frame = shot.search.image
        middle = int(shot.search.box.center[1]), int(shot.search.box.center[0])
        if 0 <= middle[0] < frame.shape[0] and 0 <= middle[1] < frame.shape[1] and frame[middle][0] == 0:
            elsewhere += 1
    assert elsewhere > 5


def test_sample_i_does_not_depend_on_the_workers(video):
    mixture = Mixture([SequenceSamples([video], ImageCache(10))], [1.0], negatives=0.3)
    dataset = SampleDataset(
        mixture,
        CropSettings(64, 32, 4.0),
        Augmentation(4.5, 0.5, crop_flip_prob=0.5, blur_prob=0.5, contrast=0.2),
        seed=5,
    )
    alone = list(batches(dataset, 4, 0, 4, workers=0))
    shared = list(batches(dataset, 4, 0, 4, workers=2))
    later = list(batches(dataset, 4, 2, 4, workers=0))
    for ours, theirs in [*zip(alone, shared, strict=True), *zip(alone[2:], later, strict=True)]:
        assert torch.equal(ours.search, theirs.search)
        assert torch.equal(ours.templates, theirs.templates)
        assert torch.equal(ours.boxes, theirs.boxes)
        assert torch.equal(ours.present, theirs.present)
    assert not torch.equal(alone[0].search, alone[1].search)


def test_synthetic_boxes_frame_their_cut_out(tmp_path):
    stamp = np.zeros((60, 90, 4), np.uint8)
    stamp[10:50, 20:80] = (255, 0, 0, 255)
    Image.fromarray(stamp).save(tmp_path / "stamp.png")
    Image.new("RGB", (500, 400), (0, 0, 60)).save(tmp_path / "scene.png")
    cache = ImageCache(10)
    cut_outs = CutOuts([MaskedObject(tmp_path / "stamp.png", None)], cache)
    assert cut_outs.get(0).shape == (40, 60, 4)
    shots = SyntheticSamples(cut_outs, [tmp_path / "scene.png"], cache)
    seen = 0
    for seed in range(30):
        shot = shots.draw(np.random.default_rng(seed), 2)
        frame, box = shot.search.image, shot.search.box
        height, width = frame.shape[:2]
        x, y = (min(max(int(v), 0), limit - 1) for v, limit in zip(box.center, (width, height), strict=True))
        seen += bool(frame[y, x, 0] > 100)
        assert box.w >= 4
        assert box.h >= 4
    assert seen >= 28  # an occluder may hide the middle
