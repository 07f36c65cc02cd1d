"""Undo after a restart: what was saved can be taken back, and a damaged past costs nothing else."""

import gc
import weakref

import pytest

from mixformer.annotation import AnnotatedVideo, AnnotationProject, OpenProject, autosave
from mixformer.errors import OutputError

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, 100, 25.0)


def test_what_was_saved_can_be_undone_after_a_restart(tmp_path):
    path = tmp_path / "clip.mixformer.json"
    with OpenProject.create(path, AnnotationProject(VIDEO)) as file:
        file.do({"edit": "add_target", "label": "one"})
        file.do({"edit": "set_key", "id": 1, "frame": 3, "box": [1, 2, 30, 40]})
        file.do({"edit": "undo"})
    for _ in range(2):  # also after a start without an edit
        with OpenProject(path) as file:
            assert [len(file.history.past), len(file.history.future)] == [1, 1]
    with OpenProject(path) as file:
        file.do({"edit": "redo"})
        file.do({"edit": "change_target", "id": 1, "label": "two"})
    with OpenProject(path) as file:
        labels = [file.do({"edit": "undo"}) for _ in range(3)]
        assert [len(each.targets) for each in labels] == [1, 1, 0]
        assert [each.targets[0].label for each in labels[:2]] == ["one", "one"]
        assert [len(each.targets[0].keys) for each in labels[:2]] == [1, 0]


@pytest.mark.parametrize("damage", ["", "no json", '{"undo":1,"revision":99}\n{}\n', "{}\n{}\n"])
def test_a_damaged_past_costs_only_undo(tmp_path, damage):
    path = tmp_path / "clip.mixformer.json"
    with OpenProject.create(path, AnnotationProject(VIDEO)) as file:
        file.do({"edit": "add_target", "label": "one"})
    (tmp_path / "clip.mixformer.json.undo").write_text(damage)
    with OpenProject(path) as file:
        assert file.history.past == ()
        assert file.project.target(1).label == "one"


def test_what_is_undone_stays_undone_after_a_crash_also_if_it_is_old(tmp_path, monkeypatch):
    """Of an early step the next start did not know, so that its undoing in the journal was without effect."""
    path = tmp_path / "clip.mixformer.json"
    file = OpenProject.create(path, AnnotationProject(VIDEO))
    file.do({"edit": "add_target", "label": "one"})
    monkeypatch.setattr(autosave, "_FOLD", 0)
    file.save()
    monkeypatch.undo()
    file.do({"edit": "undo"})
    assert OpenProject(path).project.targets == ()
    file.do({"edit": "redo"})
    assert len(OpenProject(path).project.targets) == 1


def test_what_is_undone_stays_undone_also_if_the_past_cannot_be_written(tmp_path, monkeypatch):
    """The next start did not know the step, so it was there again, and edits after it were left out."""
    path = tmp_path / "clip.mixformer.json"
    file = OpenProject.create(path, AnnotationProject(VIDEO))
    file.do({"edit": "add_target", "label": "one"})
    with monkeypatch.context() as full:
        full.setattr(autosave, "write_text", _full_disk)
        file.save()
    file.do({"edit": "undo"})
    file.do({"edit": "add_target", "id": 1, "label": "two"})
    assert OpenProject(path).project == file.project


def _full_disk(path, text):
    raise OutputError(f"no space for {path}")


def test_boxes_that_join_an_old_step_are_undone_with_it_also_after_a_crash(tmp_path, monkeypatch):
    """The next start knew only the boxes since the last saving as that step, so the earlier ones came back."""
    path = tmp_path / "clip.mixformer.json"
    file = OpenProject.create(path, AnnotationProject(VIDEO))
    file.do({"edit": "add_target"})
    file.do({"edit": "set_key", "id": 1, "frame": 0, "box": [1, 2, 30, 40]})
    tracked = {"edit": "set_tracked", "id": 1, "rows": [[9, 29, 41, 142]]}
    file.do({"edit": "together", "edits": [{**tracked, "start": 1}]})
    monkeypatch.setattr(autosave, "_FOLD", 0)
    file.save()
    monkeypatch.undo()
    file.do({"edit": "amend", "edits": [{**tracked, "start": 2}]})
    file.do({"edit": "undo"})
    assert len(file.project.target(1).tracked) == 0
    assert OpenProject(path).project == file.project
    file.do({"edit": "redo"})
    assert OpenProject(path).project == file.project


def test_boxes_that_join_an_old_step_for_an_hour_need_no_more_memory(tmp_path, monkeypatch):
    """Each second of video kept all boxes before it: 3 targets of an hour filled 14 GB."""
    file = OpenProject.create(tmp_path / "clip.mixformer.json", AnnotationProject(VIDEO))
    file.do({"edit": "add_target"})
    tracked = {"edit": "set_tracked", "id": 1, "rows": [[9, 29, 41, 142]]}
    monkeypatch.setattr(autosave, "_FOLD", 0)
    file.save()
    monkeypatch.undo()
    gone = []
    for frame in range(20):
        file.do({"edit": "amend", "edits": [{**tracked, "start": frame}]})
        gone.append(weakref.ref(file.history.past[-1]))
    gc.collect()
    assert sum(step() is not None for step in gone) == 1
    file.do({"edit": "undo"})
    assert OpenProject(file.path).project == file.project
