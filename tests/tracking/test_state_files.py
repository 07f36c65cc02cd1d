"""State files that were edited or damaged: refused when they are read, not by another error frames later."""

import json

import numpy as np
import pytest

from mixformer.errors import CheckpointError
from mixformer.tracking import TrackState
from mixformer.tracking.presence import Judgment, Presence
from mixformer.types import Box

STATE = TrackState(
    Box(1.0, 2.0, 3.0, 4.0),
    7,
    (90, 120),
    np.zeros((2, 16, 16, 3), np.uint8),
    candidate_crop=np.zeros((5, 5, 3), np.uint8),
    presence=Presence(
        "lost", 4, 0, 2, Box(1.0, 2.0, 3.0, 4.0), 3, True, Box(5.0, 6.0, 7.0, 8.0), 2.5, 9, Judgment("lost")
    ),
)


def edited(path, header=(), **arrays):
    """Write the state to a file, with other values in its header (by dotted names) and other arrays."""
    content = STATE.to_arrays()
    said = json.loads(str(content["header"]))
    for name, value in dict(header).items():
        *groups, key = name.split(".")
        place = said
        for group in groups:
            place = place[group]
        place[key] = value
    np.savez(path, **{**content, "header": np.array(json.dumps(said)), **arrays})
    return path


def test_a_state_that_nobody_edited_is_read(tmp_path):
    again = TrackState.load(edited(tmp_path / "state.npz"))
    assert (again.box, again.frame_index, again.frame_size) == (STATE.box, 7, (90, 120))
    assert (again.presence, again.template_buffer) == (STATE.presence, STATE.template_buffer)


def test_a_box_that_shrank_with_its_frame_is_read(tmp_path):
    """It may be below the least size of a target; a tracker says so when it is given the state."""
    small = {"box": [1.0, 2.0, 1e-4, 4.0], "presence.sure_box": [1.0, 2.0, 1e-4, 4.0]}
    assert TrackState.load(edited(tmp_path / "state.npz", small)).box.w == 1e-4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("box", [1, 2, 3]),
        ("box", ["1", "2", "3", "4"]),
        ("box", "1234"),
        ("box", [1, 2, 0, 4]),
        ("box", [float("nan"), 2, 3, 4]),
        ("frame_size", [0, 120]),
        ("frame_size", ["a", "b"]),
        ("frame_size", [90.5, 120]),
        ("frame_index", -1),
        ("frame_index", "seven"),
        ("template_buffer.best_score", "high"),
        ("template_buffer.count", 0),
        ("template_buffer.count", 2),
        ("template_buffer.count", "1"),
        ("template_buffer.next_slot", 5),
        ("template_buffer.next_slot", -1),
        ("presence.status", "gone"),
        ("presence.said.status", ["lost"]),
        ("presence.said.low", "1"),
        ("presence.low", None),
        ("presence.looked", -4),
        ("presence.sure_box", []),
        ("presence.sure_box", [1, 2, 0, 0]),
        ("presence.found_box", "1234"),
        ("presence.cut", "no"),
        ("presence.sure_frames", -2),  # was a division by zero
        ("presence.usual", 1e9),  # was an overflow
        ("presence.likeness", 3),
        ("presence.thumbnail", ["a"]),
        ("presence.thumbnail", 5),
    ],
)
def test_a_wrong_value_is_refused_when_the_file_is_read(tmp_path, name, value):
    with pytest.raises(CheckpointError, match=r"is not a tracker state: .*; save one with TrackState\.save"):
        TrackState.load(edited(tmp_path / "state.npz", {name: value}))


@pytest.mark.parametrize(
    "arrays",
    [
        {"templates": np.zeros((1, 16, 16, 3), np.uint8)},
        {"templates": np.zeros((2, 16, 16, 3), np.float32)},
        {"templates": np.zeros((2, 16, 16), np.uint8)},
        {"templates": np.zeros((2, 0, 0, 3), np.uint8)},
        {"templates": np.array("picture")},
        {"candidate_crop": np.zeros((0, 5, 3), np.uint8)},
        {"candidate_crop": np.zeros((5, 5), np.uint8)},
        {"candidate_crop": np.zeros((5, 5, 3), np.int64)},
        {"presence": np.zeros(3)},
        {"memory": np.zeros(3)},
    ],
)
def test_wrong_arrays_are_refused(tmp_path, arrays):
    with pytest.raises(CheckpointError, match="is not a tracker state"):
        TrackState.load(edited(tmp_path / "state.npz", **arrays))
