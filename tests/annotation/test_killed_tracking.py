"""Tracks with corrections, and those that go backward: a stopped or killed run is resumed by the same command."""

import json
import os
import signal
import subprocess
import sys

import pytest

from mixformer.annotation import load_project
from mixformer.cli.bars import FrameBar
from mixformer.cli.main import main
from mixformer.video import open_video
from mixformer.video.demo import DEMO_CLIP
from tests.helpers.clips import hear_interrupts, write_clip

KEYS = "0,1,260,29,41,142\n8,1,255,30,44,140\n12,1,,,,\n"
STEPS = 7 + 3 + 7  # forward to the second box, forward from it, and backward
STOPPED = """
import os, sys
from mixformer.cli import bars, main
steps = []
def counting(method):
    def counted(self, *values):
        method(self, *values)
        steps.append(0)
        if len(steps) == int(sys.argv[2]):
            os.kill(os.getpid(), int(sys.argv[1]))
    return counted
bars.FrameBar.reach, bars.FrameBar.count = counting(bars.FrameBar.reach), counting(bars.FrameBar.count)
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture
def clip(tmp_path):
    """The demo clip at 2 frames a second, of which a killed run may lose two."""
    with open_video(DEMO_CLIP, stop=15) as video:
        path = write_clip(tmp_path / "clip.mp4", [frame.image for frame in video], fps=2)
    (tmp_path / "keys.csv").write_text(KEYS)
    return path


def stopped(words, number, after):
    """Run a command that gets a signal after so many steps of tracking and then of writing; return its exit code."""
    command = [sys.executable, "-c", STOPPED, str(int(number)), str(after), *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, timeout=300, preexec_fn=hear_interrupts).returncode


@pytest.fixture
def counts(monkeypatch):
    """Count the steps of tracking in this process."""
    steps = []
    monkeypatch.setattr(FrameBar, "reach", lambda self, done, total: steps.append((done, total)))
    return steps


def left(tmp_path):
    return sorted({*os.listdir(tmp_path)} - {"clip.mp4", "keys.csv"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("after", [6, STEPS - 2])
def test_a_stopped_annotation_is_resumed_by_the_same_command(clip, tmp_path, counts, number, after):
    """A killed one lost half a minute of tracking, and all of a way back between two boxes."""
    path = tmp_path / "clip.mixformer.json"
    words = ["annotate", str(clip), "--keys", str(tmp_path / "keys.csv"), "--project", str(path)]
    assert stopped(words, number, after) != 0
    assert not path.exists()
    kept = load_project(tmp_path / "clip.mixformer.partial.json").target(1)
    assert after - 2 <= len(kept.tracked) + len(kept.unjoined) <= after
    assert main(words) == 0
    assert STEPS - after <= len(counts) <= STEPS - after + 3
    assert left(tmp_path) == ["clip.mixformer.json"]
    assert len(load_project(path).target(1).tracked) == 10
    assert not len(load_project(path).target(1).unjoined)


@pytest.mark.parametrize(
    "how",
    [
        ("annotate", "--keys", "keys.csv", "--to", "csv", "--out", "boxes.csv"),
        ("track", "--targets", "keys.csv", "--both-ways", "--csv", "boxes.csv"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_without_a_project_is_resumed_too(clip, tmp_path, monkeypatch, counts, how, number):
    monkeypatch.chdir(tmp_path)
    words = [how[0], "clip.mp4", *how[1:]]
    assert stopped(words, number, 12) != 0
    assert not (tmp_path / "boxes.csv").exists()
    assert main(words) == 0
    assert STEPS - 12 <= len(counts) <= STEPS - 12 + 3
    assert left(tmp_path) == ["boxes.csv"]
    rows = (tmp_path / "boxes.csv").read_text().splitlines()
    boxes = [row for row in rows[1:] if ",,,," not in row]  # without that of the absence
    assert len(boxes) == 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_while_it_wrote_its_results_tracks_nothing_again(clip, tmp_path, counts, number):
    path = tmp_path / "boxes.jsonl"
    words = ["track", str(clip), "--targets", str(tmp_path / "keys.csv"), "--both-ways", "--json", str(path)]
    assert stopped(words, number, STEPS + 5) != 0
    assert path.exists() == (number == signal.SIGINT)
    assert main(words) == 0
    assert counts == []
    assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == [*range(12)]
    assert left(tmp_path) == ["boxes.jsonl"]


def test_a_stopped_run_of_other_settings_or_boxes_is_not_resumed(clip, tmp_path, monkeypatch, capsys, counts):
    monkeypatch.chdir(tmp_path)
    words = ["track", "clip.mp4", "--targets", "keys.csv", "--both-ways", "--json", "boxes.jsonl"]
    assert stopped(words, signal.SIGKILL, 12) != 0
    assert main([*words, "--redetect", "off"]) == 0
    assert len(counts) == STEPS
    (tmp_path / "boxes.jsonl").unlink()
    assert stopped(words, signal.SIGINT, STEPS + 5) != 0
    (tmp_path / "keys.csv").write_text(KEYS.replace("255", "254"))
    assert main(words) == 4
    assert "exists already" in " ".join(capsys.readouterr().err.split())


def test_again_is_resumed_too_and_takes_nothing_of_the_project(clip, tmp_path, counts):
    """It began anew."""
    path = tmp_path / "clip.mixformer.json"
    words = ["annotate", str(clip), "--keys", str(tmp_path / "keys.csv"), "--project", str(path), "--overwrite"]
    assert main(words) == 0
    counts.clear()
    assert stopped([*words, "--again"], signal.SIGKILL, 12) != 0
    assert main([*words, "--again"]) == 0
    assert STEPS - 12 <= len(counts) <= STEPS - 12 + 3


def test_boxes_that_cannot_be_kept_are_a_warning(clip, tmp_path, capsys, monkeypatch):
    (tmp_path / ".boxes.jsonl.resume.json").mkdir()
    words = ["track", str(clip), "--targets", str(tmp_path / "keys.csv"), "--json", str(tmp_path / "boxes.jsonl")]
    assert main(words) == 0
    assert "could not be resumed" in " ".join(capsys.readouterr().err.split())
    assert len((tmp_path / "boxes.jsonl").read_text().splitlines()) == 12
