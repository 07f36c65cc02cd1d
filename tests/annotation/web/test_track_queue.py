"""Jobs that take turns, and a person who edits meanwhile: no box is kept that contradicts the person."""

import shutil
import threading
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from mixformer import Box
from mixformer.annotation import FoundBox
from mixformer.annotation.web import track_queue
from mixformer.annotation.web.project_desk import ProjectDesk
from mixformer.annotation.web.track_job import TrackJob
from mixformer.annotation.web.track_queue import TrackQueue
from tests.helpers.web import BOX

FOUND = FoundBox(1, 5, Box(*BOX), 0.9, "tracking", "forward")


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(track_queue, "MultiTracker", lambda model: model)
    with closing(TrackQueue("no model", 1)) as made:
        yield made


@contextmanager
def job_of(video):
    """A job that tracks the only target of a new project."""
    desk = ProjectDesk(video, video.with_name(f"{video.name}.mixformer.json"))
    with closing(desk):
        desk.edit({"edit": "add_target", "id": 1})
        desk.edit({"edit": "set_key", "id": 1, "frame": 0, "box": BOX})
        yield TrackJob(video.name, video, desk, "forward", 0, [1])


def test_boxes_that_come_after_an_edit_are_not_kept(queue, folder, monkeypatch):
    """They followed from a key box that a person had moved, since an edit waits for some seconds only."""
    begun, go_on = threading.Event(), threading.Event()

    def slow_steps(job, model, memory):
        begun.set()
        go_on.wait(60)
        yield FOUND

    monkeypatch.setattr(track_queue, "boxes_to_find", slow_steps)
    monkeypatch.setattr(track_queue, "_PATIENCE", 0.01)
    with job_of(folder / "clip.mp4") as job:
        queue.submit(job)
        assert begun.wait(60)
        job.desk.edit({"edit": "set_key", "id": 1, "frame": 0, "box": [50, 30, 20, 20]})
        go_on.set()
        assert job.ended.wait(60)
        assert len(job.desk.project.target(1).tracked) == 0


def test_a_job_that_gives_its_turn_away_has_saved_its_boxes(queue, folder, monkeypatch):
    shutil.copy(folder / "clip.mp4", folder / "other.mp4")
    two, running, go_on = (threading.Event() for _ in range(3))

    def steps(job, model, memory):
        if job.video == "clip.mp4":
            assert two.wait(60)
        else:
            running.set()
            go_on.wait(60)
        yield FOUND

    monkeypatch.setattr(track_queue, "boxes_to_find", steps)
    monkeypatch.setattr(track_queue, "_TURN", -1.0)
    with job_of(folder / "clip.mp4") as first, job_of(folder / "other.mp4") as second:
        queue.submit(first)
        queue.submit(second)
        two.set()
        assert running.wait(60)
        assert len(first.desk.project.target(1).tracked) == 1
        go_on.set()
        assert first.ended.wait(60)
        assert second.ended.wait(60)


def test_the_model_is_loaded_once_for_all_jobs(queue, folder, monkeypatch):
    loaded = []

    class Model:
        def __init__(self, name):
            loaded.append(name)

        def __len__(self):  # it has no targets yet
            return 0

    monkeypatch.setattr(track_queue, "MultiTracker", Model)
    monkeypatch.setattr(track_queue, "boxes_to_find", lambda job, model, memory: (each for each in [FOUND]))
    with job_of(folder / "clip.mp4") as job:
        for _ in range(2):
            again = replace(job, ended=threading.Event())
            queue.submit(again)
            assert again.ended.wait(60)
    assert loaded == ["no model"]
