"""Values of a wrong type, or lists without an end, from Python: one typed error that says what is meant."""

from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer import Box, MultiTracker, open_video, track, track_video
from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    FoundBox,
    KeyBox,
    TrackedBox,
    add_target,
    clear_tracked,
    find_video,
    is_same_video,
    look_at_video,
    put_found,
    set_tracked,
    track_between,
)
from mixformer.data import VideoSequence
from mixformer.data.frame_storage import read_frame
from mixformer.errors import BoxError, ConfigError, DataError, StateError
from mixformer.evaluation import read_result, write_result
from mixformer.imaging import iou
from mixformer.masks import MaskWriter, decode_rle, encode_rle
from mixformer.run import track_targets
from mixformer.video import as_targets
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)
PROJECT = add_target(AnnotationProject(VIDEO))
BOX = Box(10, 20, 30, 40)
BOXES = np.array([[1.0, 2, 3, 4]])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((7, [Path("1.jpg")], BOXES), "the name of a sequence must be a text, not 7"),
        (("a", None, BOXES), "a: frames must be a list of paths, not None"),
        (("a", "1.jpg", BOXES), "frames must be a list of paths, not '1.jpg'"),
        (("a", iter([Path("1.jpg")]), BOXES), "frames must be a list of paths"),
        (("a", [Path("1.jpg")], [[1, 2, 3, 4]]), "boxes must be a NumPy array of numbers"),
        (("a", [Path("1.jpg")], np.array([["1", "2", "3", "4"]])), "boxes must be a NumPy array of numbers"),
        (("a", [Path("1.jpg")], BOXES, "", [True]), "hidden must be a NumPy array of numbers"),
    ],
)
def test_a_sequence(values, said):
    with pytest.raises(DataError, match=said):
        VideoSequence(*values)


def test_a_frame_of_a_sequence():
    with pytest.raises(DataError, match=r"a frame of a sequence must be a pathlib\.Path, not '1.jpg'"):
        read_frame("1.jpg")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((None, "a", BOXES), "the folder of results must be a path, not None"),
        (("out", None, BOXES), "the name of a sequence must be a text, not None"),
        (("out", "a", [[1, 2, 3, 4]]), "boxes must be a NumPy array of numbers"),
        (("out", "a", np.array([["1", "2", "3", "4"]])), "boxes must be a NumPy array of numbers"),
        (("out", "a", BOXES, [0.1]), "times must be a NumPy array of numbers"),
        (("out", "a", BOXES, None, "x"), "scores must be a NumPy array of numbers"),
        (("out", "a", BOXES, None, None, ["lost"]), "statuses must be a NumPy array of words"),
    ],
)
def test_a_result(values, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=said):
        write_result(*values)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_results_may_be_text(tmp_path):
    write_result(str(tmp_path), "a", BOXES)
    assert read_result(str(tmp_path), "a").boxes.tolist() == BOXES.tolist()
    with pytest.raises(DataError, match="the folder of results must be a path, not 5"):
        read_result(5, "a")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "tracked boxes must be a list of TrackedBox values, not None"),
        ([BOX], "must be a mixformer.annotation.TrackedBox or None"),
        ([TrackedBox("abcd")], "the box of a tracked box must be four numbers, not 'abcd'"),
        ([TrackedBox((1, 2, 3))], "must be four numbers"),
        ([TrackedBox(BOX, "high")], "a score must be a number from 0 to 1, or None, not 'high'"),
        ([TrackedBox(BOX, 7)], "a score must be a number from 0 to 1"),  # a saved project could not be opened
        ([TrackedBox(BOX, 0.5, "gone")], "must be one of tracking, uncertain, lost, not 'gone'"),
        (repeat(None), "and no frame 50"),
    ],
)
def test_tracked_boxes(found, said):
    with pytest.raises(ConfigError, match=said):
        set_tracked(PROJECT, 1, 0, found)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: clear_tracked(PROJECT, 1, "a"), "first and stop must be numbers of frames, not 'a'"),
        (lambda: clear_tracked(PROJECT, 1, 0, "b"), "first and stop must be numbers of frames, not 'b'"),
        (lambda: add_target(PROJECT, keys=5), "key boxes must be a list of KeyBox values, not 5"),
        (lambda: add_target(PROJECT, keys=repeat(KeyBox(3, BOX))), "two key boxes in frame 3"),
        (lambda: list(track_between(5, DEMO_CLIP)), "project must be a mixformer.annotation.AnnotationProject, not 5"),
    ],
)
def test_edits(call, said):
    with pytest.raises(ConfigError, match=said):
        call()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "found boxes must be a list of FoundBox values, not None"),
        ([BOX], "a found box must be a mixformer.annotation.FoundBox"),
        ([FoundBox([1], 0, BOX, None, "tracking", "forward")], "the id of a target must be a whole number"),
        ([FoundBox(1, "x", BOX, None, "tracking", "forward")], "no frame 'x'"),
        ([FoundBox(1, 0, None, None, "tracking", "forward")], "must be four numbers, not None"),
        ([FoundBox(1, 0, BOX, None, "tracking", None)], "must be one of joined, forward, backward"),
    ],
)
def test_found_boxes(found, said):
    with pytest.raises(ConfigError, match=said):
        put_found(PROJECT, found)


def test_a_project_of_found_boxes():
    with pytest.raises(ConfigError, match=r"project must be a mixformer\.annotation\.AnnotationProject, not 5"):
        put_found(5, [])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: find_video("clip.mp4", "a.json"), "video must be the AnnotatedVideo of a project"),
        (lambda: find_video(VIDEO, None), "must be a path, not None"),
        (lambda: is_same_video(None, "clip.mp4"), "video must be the AnnotatedVideo of a project"),
        (lambda: is_same_video(VIDEO, 5), "must be a path, not 5"),
        (lambda: look_at_video(5), "must be a path, not 5"),
        (lambda: look_at_video(DEMO_CLIP, 5), "must be a path, not 5"),
        (lambda: open_video(DEMO_CLIP, over=True), "over must be a threading.Event, or None, not True"),
    ],
)
def test_a_video(call, said):
    with pytest.raises(ConfigError, match=said):
        call()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((5, 2, 2), "a mask must be a text"),
        (("m0,0,0,0,0", "2", 2), "height must be a whole number of pixels, not '2'"),
        (("m0,0,0,0,0", 2, 2.5), "width must be a whole number of pixels, not 2.5"),
        (("m0,0,0,0,0", -1, 2), "height must be a whole number of pixels, not -1"),
        (("m0,0,0,0,0", 2**20, 2**20), "no picture has 1048576 x 1048576 pixels"),
    ],
)
def test_a_mask_in_text(values, said):
    with pytest.raises(DataError, match=said):
        decode_rle(*values)


@pytest.mark.parametrize("mask", [None, [[True]], np.ones(4, bool), np.array([["a"]])])
def test_a_mask(mask, tmp_path):
    with pytest.raises(DataError, match=r"a mask must be a bool array of \(height, width\)"):
        encode_rle(mask)
    with pytest.raises(DataError, match="a mask must be a bool array"):
        MaskWriter(tmp_path).write(mask, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([[1, 2, 3, 4]], BOXES, r"of \(..., 4\) numbers, not \[\[1, 2, 3, 4\]\]"),
        (BOXES, None, "numbers, not None"),
        (BOXES[:, :3], BOXES, r"not ndarray of shape \(1, 3\)"),
        (np.float64(1), BOXES, r"of shape \(\)"),
        (BOXES.astype(str), BOXES, "numbers"),
        (torch.from_numpy(BOXES), BOXES, "two arrays or two tensors"),
    ],
)
def test_boxes_to_compare(first, second, said):
    with pytest.raises(BoxError, match=said):
        iou(first, second)


@pytest.mark.parametrize("endless", [lambda: repeat((1, 2, 3, 4)), lambda: repeat(5.0)])
def test_targets_without_an_end(endless, tmp_path, tiny_model):
    said = "more than 10000 targets, or they have no end"
    with pytest.raises(BoxError, match=said):
        as_targets(endless())
    with pytest.raises(BoxError, match=said):
        track(DEMO_CLIP, targets=endless(), model=tiny_model)
    with pytest.raises(BoxError, match=said):
        track_video(DEMO_CLIP, endless(), {"json": tmp_path / "boxes.jsonl"}, tracker=MultiTracker(tiny_model))
    with pytest.raises(BoxError, match=said):
        list(track_targets(MultiTracker(tiny_model), [], endless()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("targets", [5, [DEMO_BOX]])
def test_targets_of_another_type(targets, tiny_model):
    with pytest.raises(BoxError, match=r"a target must be a mixformer\.video\.Target, not "):
        list(track_targets(MultiTracker(tiny_model), [], targets))


def test_frames_of_targets(tiny_model):
    with pytest.raises(StateError, match="frames must be given by the id of their target, not as list"):
        MultiTracker(tiny_model).update_each([1])
