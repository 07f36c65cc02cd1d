"""Boxes for videos without annotations: only what is found forwards and backwards is kept."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mixformer.data import read_any
from mixformer.errors import BoxError
from mixformer.types import Box, TrackResult
from tests.helpers.clips import moving_square, write_clip
from tools.pseudo import Trust, between, follow, longest_run, moving

TOOL = Path(__file__).parents[2] / "tools" / "pseudo_label.py"


def run_tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOL.parent))  # as Python does for a script
    runpy.run_path(str(TOOL), run_name="__main__")


class Seer:
    """A tracker that knows where the target is by the frame's first pixel, and fails where it is told to.

    From frame `lost` on it follows something else, forwards; backwards it then follows that to the very start.
    """

    def __init__(self, lost=99, doubt=()):
        self.lost, self.doubt, self.other = lost, doubt, False

    def init(self, frame, box):
        self.other = box[1] > 50
        return TrackResult(Box(*box), 1.0, 0)

    def update(self, frame):
        number = int(frame[0, 0, 0])
        self.other = self.other or number >= self.lost
        box = Box(10 + number, 80, 30, 30) if self.other else Box(10 + number, 20, 30, 30)
        return TrackResult(box, 0.2 if number in self.doubt else 0.9, 1)


FRAMES = [np.full((120, 160, 3), number, np.uint8) for number in range(40)]
FIRST = Box(10, 20, 30, 30)


def test_a_target_found_both_ways_is_kept_whole():
    run = follow(Seer(), FRAMES, FIRST, Trust())
    assert (run.start, len(run.boxes)) == (0, 40)
    np.testing.assert_allclose(run.boxes[:, 0], 10 + np.arange(40))
    assert run.agreement == pytest.approx(1.0)


def test_a_jump_to_something_else_is_cut_away():
    run = follow(Seer(lost=12), FRAMES, FIRST, Trust())
    assert (run.start, len(run.boxes)) == (12, 28)  # both ways follow the other thing from there on
    assert (run.boxes[:, 1] == 80).all()
    assert follow(Seer(lost=19), FRAMES[:38], FIRST, Trust(shortest=20)) is None


def test_doubtful_frames_end_a_run():
    run = follow(Seer(doubt=(25,)), FRAMES, FIRST, Trust())
    assert (run.start, len(run.boxes)) == (0, 25)
    assert follow(Seer(doubt=(25,)), FRAMES, FIRST, Trust(shortest=26)) is None
    assert len(follow(Seer(doubt=(25,)), FRAMES, FIRST, Trust(score=0.1)).boxes) == 40


def test_a_target_lost_at_the_end_is_no_label():
    class Leaves(Seer):
        def init(self, frame, box):
            if frame[0, 0, 0]:
                raise BoxError("outside")
            return super().init(frame, box)

    assert follow(Leaves(), FRAMES, FIRST, Trust()) is None


def test_between_two_drawn_boxes():
    """Where both ends lead to different things there is no box; the drawn boxes themselves stay."""
    last = Box(49, 20, 30, 30)
    boxes = between(Seer(), FRAMES, FIRST, last, 0.5)
    np.testing.assert_allclose(boxes[:, 0], 10 + np.arange(40))

    class Shifted(Seer):
        """Found 4 pixels too low forwards and 4 too high backwards."""

        def init(self, frame, box):
            self.shift = 4 if frame[0, 0, 0] == 0 else -4
            return super().init(frame, box)

        def update(self, frame):
            found = super().update(frame)
            return TrackResult(found.box._replace(y=found.box.y + self.shift), found.score, 1)

    boxes = between(Shifted(), FRAMES, FIRST, last, 0.5)
    assert boxes[0].tolist() == list(FIRST)
    assert boxes[-1].tolist() == list(last)
    np.testing.assert_allclose(boxes[1:-1, 1], 20 + 4 - 8 * np.arange(1, 39) / 39)

    class LostForwards(Seer):
        """Follows the other thing from frame 12 on, but not on the way back."""

        def init(self, frame, box):
            self.lost = 12 if frame[0, 0, 0] == 0 else 99
            return super().init(frame, box)

    boxes = between(LostForwards(), FRAMES, FIRST, last, 0.5)
    assert np.isfinite(boxes).all(1).tolist() == [True] * 12 + [False] * 27 + [True]


def test_runs():
    assert longest_run(np.array([0, 1, 1, 0, 1, 1, 1, 0], bool)) == (4, 3)
    assert longest_run(np.array([1, 1, 0, 1, 1], bool)) == (0, 2)
    assert longest_run(np.zeros(3, bool)) == (0, 0)
    assert longest_run(np.zeros(0, bool)) == (0, 0)


def test_what_moves_by_itself_is_found():
    random = np.random.default_rng(0)
    ground = random.integers(0, 60, (180, 240, 3)).astype(np.uint8)

    def scene(*corners, shift=0):
        frame = np.roll(ground, shift, 1)
        for x, y, side in corners:
            frame[y : y + side, x : x + side] = 220
        return frame

    frames = [scene((x, 40, 40), (200 - x // 2, 120, 30)) for x in (10, 60, 110)]
    large, small = moving(*frames)
    assert np.abs(np.array(large) - (60, 40, 40, 40)).max() <= 12
    assert np.abs(np.array(small) - (170, 120, 30, 30)).max() <= 12
    assert moving(*frames, count=1) == [large]
    assert moving(frames[0], frames[0], frames[0]) == []
    assert moving(*(scene(shift=7 * i) for i in range(3))) == []  # the camera's own motion


def test_the_tool(tmp_path, tiny_model, monkeypatch, capsys):
    """A tiny network with random weights finds nothing; nothing asked of it, everything is kept."""
    clip = write_clip(tmp_path / "clip.mp4", moving_square(16)[0])
    words = ["tool", str(clip), "--model", str(tiny_model), "--out", str(tmp_path / "out"), "--length", "12"]
    monkeypatch.setattr(
        sys, "argv", [*words, "--box", "10,30,20,20", "--shortest", "4", "--agree", "0", "--score", "0"]
    )
    run_tool(monkeypatch)
    (sequence,) = read_any(tmp_path / "out")
    assert len(sequence) == 12
    assert len(sequence.visible) == 12
    facts = json.loads((tmp_path / "out" / "pseudo.json").read_text())
    assert facts["sequences"]["clip_000000"]["first"] == 0
    monkeypatch.setattr(sys, "argv", [*words, "--shortest", "40"])
    with pytest.raises(SystemExit, match="nothing was followed"):
        run_tool(monkeypatch)


def test_the_tool_with_key_frames(tmp_path, tiny_model, monkeypatch):
    """Two key frames far apart are not joined; the boxes drawn there are kept exactly."""
    clip = write_clip(tmp_path / "clip.mp4", moving_square(16)[0])
    target = {"2": [10, 30, 20, 20], "6": [18, 30, 20, 20], "15": [36, 30, 20, 20]}
    (tmp_path / "keys.json").write_text(json.dumps({"clip.mp4": [target]}))
    words = ["tool", str(clip), "--model", str(tiny_model), "--keys", str(tmp_path / "keys.json"), "--agree", "0"]
    settings = ["--settings", '{"margin": 2}']
    for out, apart in (("out", "5"), ("alone", "0")):
        monkeypatch.setattr(sys, "argv", [*words, *settings, "--out", str(tmp_path / out), "--apart", apart])
        run_tool(monkeypatch)
    (alone,) = read_any(tmp_path / "alone")
    assert alone.boxes.tolist() == list(target.values())
    (sequence,) = read_any(tmp_path / "out")
    assert len(sequence) == 14
    assert list(sequence.visible) == [0, 1, 2, 3, 4, 13]
    assert sequence.boxes[[0, 4, 13]].tolist() == list(target.values())
    facts = json.loads((tmp_path / "out" / "pseudo.json").read_text())
    assert facts["sequences"]["clip_0"] == {"video": "clip.mp4", "first": 2, "boxes": 6, "agreement": None}
