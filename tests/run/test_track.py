"""`mixformer.track`: one target or several, from files and from frames."""

import pytest

import mixformer
from mixformer.errors import BoxError
from mixformer.video.demo import DEMO_CLIP
from mixformer.video.targets import Target
from tests.helpers.clips import moving_square

PLAIN = mixformer.Runtime("cpu", "torch", "float32", 1)


def follow(model, **options):
    frames, boxes = moving_square(6)
    return list(mixformer.track(frames, model=model, runtime=PLAIN, **options)), boxes


def test_several_boxes_have_the_results_of_single_ones(tiny_model):
    _, boxes = moving_square(6)
    single, _ = follow(tiny_model, box=boxes[0])
    several, _ = follow(tiny_model, targets=[boxes[0], (60, 40, 20, 20)])
    assert [sorted(results) for results in several] == [[1, 2]] * 6
    for one, many in zip(single, several, strict=True):
        assert many[1].box == pytest.approx(one.box, abs=1e-3)
        assert many[1].frame == one.frame


def test_targets_start_and_stop_where_they_say(tiny_model):
    _, boxes = moving_square(6)
    found, _ = follow(tiny_model, targets=[Target(7, mixformer.Box(*boxes[2]), start=2, stop=4), boxes[1]], start=1)
    assert [sorted(results) for results in found] == [[1], [1, 7], [1, 7], [1], [1]]
    assert found[0][1].frame == 1


def test_targets_can_be_a_file(tiny_model, tmp_path):
    (tmp_path / "targets.csv").write_text("10,30,20,20\n")
    found, _ = follow(tiny_model, targets=tmp_path / "targets.csv", stop=3)
    assert [sorted(results) for results in found] == [[1]] * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give one target as box=.*or several as targets="),
        ({"box": (1, 2, 3, 4), "targets": [(1, 2, 3, 4)]}, "give one target"),
        ({"targets": []}, "there are no targets"),
        ({"targets": [Target(1, mixformer.Box(1, 2, 3, 4))] * 2}, "target 1 is already in another value"),
    ],
)
def test_what_is_no_target_is_said_at_once(options, words):
    with pytest.raises(BoxError, match=words):
        mixformer.track(DEMO_CLIP, **options)


def test_it_takes_what_a_tracker_takes(tiny_model):
    config = mixformer.TrackerConfig(search_factor=4.0, update="never")
    found, boxes = follow(tiny_model, box=moving_square(6)[1][0], config=config, color="bgr", on_resize="error")
    tracker = mixformer.Tracker(tiny_model, config, runtime=PLAIN, color="bgr")
    frames, _ = moving_square(6)
    tracker.init(frames[0], boxes[0])
    assert [result.box for result in found[1:]] == [tracker.update(frame).box for frame in frames[1:]]
