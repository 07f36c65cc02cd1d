"""What a stopped run has kept, and what is around it: other files, other processes, other settings, long names."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from mixformer import Box, annotation
from mixformer.annotation import load_project
from mixformer.annotation.web.project_desk import ProjectDesk
from mixformer.cli import corrected_track
from mixformer.cli.main import main
from mixformer.errors import StateError
from mixformer.files.places import claimed
from mixformer.types import TrackResult
from tests.helpers.clips import moving_square, write_clip

KEYS = "0,1,10,30,20,20\n8,1,34,30,20,20\n"
STEPS = 7 + 3 + 7  # forward to the second box, forward from it, and back
TRACK = ["track", "clip.mp4", "--targets", "keys.csv", "--both-ways", "--json"]
ANNOTATE = ["annotate", "clip.mp4", "--keys", "keys.csv", "--project", "p.mixformer.json"]


@dataclass(frozen=True)
class Held:
    """What the tracker below knows of a target."""

    box: Box


class Still:
    """A tracker whose boxes stay where they are. After `most` steps, the run is stopped."""

    def __init__(self):
        self.boxes, self.steps, self.most = {}, 0, 10**9

    def add(self, frame, box, id):
        self.boxes[id] = Box(*box)

    def remove(self, id):
        return Held(self.boxes.pop(id))

    def restore(self, state, id):
        self.boxes[id] = state.box

    def update_each(self, frames):
        if self.steps == self.most:
            raise KeyboardInterrupt
        self.steps += len(frames)
        return {id: TrackResult(self.boxes[id], 0.9, 1, status="tracking") for id in frames}


@pytest.fixture
def tracker(monkeypatch):
    made = Still()
    monkeypatch.setattr(corrected_track, "make_tracker", lambda options: made)
    return made


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", moving_square(12)[0], fps=2)
    (tmp_path / "keys.csv").write_text(KEYS)
    return tmp_path


def stop_after(tracker, steps, words):
    """Stop a command after so many steps, and let the tracker go on for the next one."""
    tracker.most = steps
    assert main(words) == 130
    tracker.most = 10**9


def left():
    return sorted({*os.listdir()} - {"clip.mp4", "keys.csv"})


@pytest.mark.parametrize(
    "words",
    [
        [*TRACK, "b" * 240 + ".jsonl"],
        [*ANNOTATE[:-1], "p" * 235 + ".mixformer.json"],
        ["annotate", "clip.mp4", "--keys", "keys.csv", "--to", "csv", "--out", "c" * 250 + ".csv"],
    ],
)
def test_names_of_the_greatest_length_work(tracker, words):
    """The kept boxes and their journal have longer names; the command was refused."""
    stop_after(tracker, 10, words)
    assert any("partial" in name or "resume" in name for name in left())
    assert main(words) == 0
    assert left() == [words[-1]]


def test_labels_are_those_of_the_present_command(tracker):
    """Those of the stopped one stayed."""
    words = ["annotate", "clip.mp4", "--keys", "keys.csv", "--to", "csv", "--out", "boxes.csv"]
    stop_after(tracker, 10, [*words, "--label", "dog"])
    assert main(words) == 0
    assert "dog" not in Path("boxes.csv").read_text()


def test_a_command_that_was_stopped_in_its_export_goes_on(tracker, monkeypatch):
    """The project was in its place, so that the command was refused."""

    def stopped(*values, **options):
        raise KeyboardInterrupt

    words = [*ANNOTATE, "--to", "csv", "--out", "boxes.csv"]
    with monkeypatch.context() as context:
        context.setattr(annotation, "export_annotations", stopped)
        assert main(words) == 130
    assert main(words) == 0
    assert tracker.steps == STEPS
    assert left() == ["boxes.csv", "p.mixformer.json"]
    assert main(words) == 4  # it is complete now


def test_a_project_that_somebody_has_changed_since_is_not_replaced(tracker, monkeypatch):
    words = [*ANNOTATE, "--to", "csv", "--out", "boxes.csv"]
    with monkeypatch.context() as context:
        context.setattr(annotation, "export_annotations", lambda *values, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(words)
    Path("p.mixformer.json").write_text("mine")
    assert main(words) == 4
    assert Path("p.mixformer.json").read_text() == "mine"


@pytest.mark.parametrize("words", [ANNOTATE, [*TRACK, "boxes.jsonl"]])
def test_two_processes_do_not_write_the_same_result(tracker, capsys, words):
    """Both tracked, each took the kept boxes of the other, and the second replaced the result of the first."""
    with claimed(Path(words[-1])):
        assert main(words) == 4
    assert "another process is writing" in capsys.readouterr().err
    assert tracker.steps == 0
    assert main(words) == 0
    assert left() == [words[-1]]


def test_a_project_that_is_open_in_the_page_is_not_replaced(tracker, folder):
    """What a person drew after that was lost."""
    path = folder / "p.mixformer.json"
    assert main(ANNOTATE) == 0
    (folder / "named.csv").write_text(f"frame,id,x,y,w,h\n{KEYS}")
    csv = ["data", "import", "csv", "named.csv", "--images", "clip.mp4", str(path), "--overwrite"]
    desk = ProjectDesk(folder / "clip.mp4", path)
    assert main([*ANNOTATE, "--overwrite"]) == main(csv) == 4
    desk.edit({"edit": "set_key", "id": 1, "frame": 3, "box": [1, 2, 30, 40]})
    desk.close()
    assert [key.frame for key in load_project(path).target(1).keys] == [0, 3, 8]
    with claimed(path), pytest.raises(StateError, match="another program"):
        ProjectDesk(folder / "clip.mp4", path)


def test_results_in_the_folder_of_the_pictures_are_resumed(tracker, folder):
    """Each file that was written there made it another folder, so that all was tracked again."""
    assert main(["annotate", "clip.mp4", "--keys", "keys.csv", "--to", "yolo", "--out", "y", "--label", "p"]) == 0
    pictures = sorted(Path("y").rglob("*.jpg"))
    for number in range(12):
        shutil.copy(pictures[number % len(pictures)], f"{number:03d}.jpg")
    words = ["annotate", ".", "--keys", "keys.csv", "--project", "p.mixformer.json"]
    tracker.steps = 0
    stop_after(tracker, STEPS - 3, words)
    assert load_project("p.mixformer.partial.json").target(1).unjoined.frames.tolist() == [4, 5, 6, 7]
    assert main(words) == 0
    assert tracker.steps < STEPS + 5


def test_a_file_that_appears_meanwhile_is_not_replaced(tracker, monkeypatch):
    """A resumed run took it for its own."""
    words = [*TRACK, "boxes.jsonl"]
    stop_after(tracker, 5, words)
    ways = tracker.update_each

    def meanwhile(frames):
        Path("boxes.jsonl").write_text("mine")
        return ways(frames)

    monkeypatch.setattr(tracker, "update_each", meanwhile)
    assert main(words) == 4
    assert Path("boxes.jsonl").read_text() == "mine"


def test_boxes_of_other_settings_are_gone_before_the_note_says_that_they_are_ours(tracker, monkeypatch):
    """A run that was killed between both went on with boxes of another direction or model."""
    words = [*TRACK, "boxes.jsonl"]
    stop_after(tracker, 5, words)
    with monkeypatch.context() as context:
        context.setattr("mixformer.annotation.autosave.save_project", lambda *values: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main([*words, "--redetect", "off"])
    tracker.steps = 0
    assert main([*words, "--redetect", "off"]) == 0
    assert tracker.steps == STEPS


def test_a_plain_track_after_a_stopped_one_leaves_nothing_of_it(tracker, tiny_model):
    stop_after(tracker, 5, [*TRACK, "boxes.jsonl"])
    Path(".boxes.jsonl.lock").touch()  # of a killed process
    plain = ["track", "clip.mp4", "--box", "10", "30", "20", "20", "--json", "boxes.jsonl", "--model", str(tiny_model)]
    assert main([*plain, "--stop", "2"]) == 0
    assert left() == ["boxes.jsonl"]
    assert len([json.loads(line) for line in Path("boxes.jsonl").read_text().splitlines()]) == 2


def test_a_folder_in_the_place_of_the_journal_is_a_warning(tracker, capsys):
    """It ended the command."""
    Path("p.mixformer.partial.json.journal").mkdir()
    assert main(ANNOTATE) == 0
    assert "could not be resumed" in " ".join(capsys.readouterr().err.split())
