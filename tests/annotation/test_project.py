"""The project as a value: what a person says holds, edits are pure, and nothing is lost on the disk."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from mixformer import Box
from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    KeyBox,
    OpenProject,
    ProjectHistory,
    TrackedBox,
    add_target,
    apply_edit,
    change_target,
    clear_tracked,
    is_same_video,
    load_project,
    look_at_video,
    mark_absent,
    remove_key,
    remove_target,
    save_project,
    set_key,
    set_tracked,
)
from mixformer.errors import BoxError, ConfigError, DataError, OutputError, SourceError
from mixformer.video.demo import DEMO_CLIP

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, 100, 25.0)
EMPTY = AnnotationProject(VIDEO)


def tracked(count, x=100.0, score=0.9, status="tracking"):
    return [TrackedBox(Box(x + n, 50, 40, 80), score, status) for n in range(count)]


def with_keys(*keys):
    project = add_target(EMPTY, label="person")
    for frame, x in keys:
        project = set_key(project, 1, frame, None if x is None else (x, 50, 40, 80))
    return project


def origins(project, first, stop):
    return [box.origin or "-" for box in project.boxes(1, first, stop)]


def test_a_key_box_is_never_moved_by_a_tracker():
    project = set_tracked(with_keys((0, 100), (5, 200)), 1, 0, tracked(10))
    assert [box.box.x for box in project.boxes(1, 0, 7)] == [100, 101, 102, 103, 104, 200, 106]
    assert origins(project, 0, 7) == ["person", *["tracker"] * 4, "person", "tracker"]


def test_absence_holds_until_the_next_key_box():
    project = set_tracked(with_keys((0, 100), (3, None), (6, 200)), 1, 1, tracked(8))
    assert [box.visible for box in project.boxes(1, 0, 8)] == [True, True, True, False, False, False, True, True]
    assert project.target(1).box_at(4).origin == "person"


def test_interpolation_fills_what_is_not_tracked_and_makes_up_nothing_outside():
    project = with_keys((10, 100), (20, 200), (30, None))
    assert project.target(1).box_at(15).box == Box(150, 50, 40, 80)
    assert project.target(1).box_at(25).box == Box(200, 50, 40, 80)  # it is there until the absence
    assert [project.target(1).box_at(frame).box for frame in (0, 9, 31, 99)] == [None] * 4
    project = set_tracked(project, 1, 11, tracked(2, x=110))
    assert project.target(1).box_at(16).box == Box(round(111 + (200 - 111) * 4 / 8, 2), 50, 40, 80)


def test_a_lost_target_has_no_box_in_exports():
    project = set_tracked(with_keys((0, 100), (9, 100)), 1, 1, tracked(3, score=0.1, status="lost"))
    assert not any(box.visible for box in project.boxes(1, 1, 9))
    assert project.target(1).box_at(2).box == Box(101, 50, 40, 80)


@pytest.mark.parametrize(
    ("way", "kept"), [("forward", [*range(1, 10)]), ("backward", [*range(11, 20)]), ("joined", [])]
)
def test_a_new_key_box_drops_what_does_not_follow_from_it(way, kept):
    project = set_tracked(with_keys((0, 100), (20, 200)), 1, 1, tracked(19), way)
    project = set_key(project, 1, 10, (150, 50, 40, 80))
    assert project.target(1).tracked.frames.tolist() == kept
    assert remove_key(project, 1, 10).target(1).tracked.frames.tolist() == kept


def test_a_key_box_drops_nothing_beyond_its_neighbors():
    project = set_tracked(with_keys((0, 100), (20, 200), (40, 300)), 1, 1, tracked(60), "joined")
    project = set_key(project, 1, 30, (150, 50, 40, 80))
    assert project.target(1).tracked.frames.tolist() == [*range(1, 20), *range(41, 61)]
    assert set_key(project, 1, 30, (150, 50, 40, 80), occluded=True).target(1).tracked == project.target(1).tracked


def test_edits_are_refused_with_the_reason():
    project = with_keys((0, 100))
    with pytest.raises(ConfigError, match="there is no target 7; there are: 1"):
        set_key(project, 7, 0, (1, 2, 3, 4))
    with pytest.raises(ConfigError, match="frames 0 to 99, and no frame 100"):
        mark_absent(project, 1, 100)
    with pytest.raises(BoxError, match="outside the frame"):
        set_key(project, 1, 0, (1000, 2, 3, 4))
    with pytest.raises(ConfigError, match="no key box in frame 5"):
        remove_key(project, 1, 5)
    with pytest.raises(ConfigError, match="there is a target 1 already"):
        add_target(project, 1)
    with pytest.raises(ConfigError, match="two key boxes in frame 3"):
        add_target(project, keys=[KeyBox(3, None), KeyBox(3, None)])
    with pytest.raises(ConfigError, match="#rrggbb"):
        change_target(project, 1, color="red")
    with pytest.raises(ConfigError, match=r"there is no edit 'set_kye'.*did you mean 'set_key'"):
        apply_edit(project, {"edit": "set_kye"})
    with pytest.raises(ConfigError, match="needs a value 'frame'"):
        apply_edit(project, {"edit": "set_key", "id": 1})


@pytest.mark.parametrize("wrong", [None, "x", [], {}, -1, 1.5, True, 10**30])
@pytest.mark.parametrize("name", ["add_target", "set_key", "set_tracked", "remove_key", "clear_tracked", "together"])
def test_an_edit_of_values_of_any_kind_gives_a_typed_error_or_a_project(name, wrong):
    edit = dict.fromkeys(("id", "frame", "box", "start", "rows", "first", "stop", "label", "way", "edits"), wrong)
    history = ProjectHistory(with_keys((0, 100)))
    with suppress(ConfigError, BoxError):
        history = history.do({"edit": name, **edit})
    assert isinstance(history.project, AnnotationProject)


def test_undo_and_redo_are_a_history_of_values():
    history = ProjectHistory(EMPTY).do({"edit": "add_target", "label": "dog"})
    several = history.do({"edit": "together", "edits": [
        {"edit": "set_key", "id": 1, "frame": 0, "box": [1, 2, 3, 4]}, {"edit": "mark_absent", "id": 1, "frame": 9},
    ]})  # fmt: skip
    assert len(several.project.target(1).keys) == 2
    assert several.undo().project == history.project
    assert several.undo().redo() == several
    assert ProjectHistory(EMPTY).undo().project is EMPTY
    assert several.undo().do({"edit": "remove_target", "id": 1}).redo().project.targets == ()
    amended = several.undo().do({"edit": "amend", "edits": [{"edit": "mark_absent", "id": 1, "frame": 5}]})
    assert amended.redo() is amended  # an edit ends what could be redone


def test_each_of_two_people_undoes_their_own_steps():
    """Undo took back the last step, whoever had made it."""
    history = ProjectHistory(EMPTY)
    for number, by in ((1, "ann"), (2, "bob"), (3, "ann")):
        history = history.do({"edit": "add_target", "id": number, "by": by})
    bob = history.undo(1)
    assert [target.id for target in bob.project.targets] == [1, 3]
    assert [step.by for step in bob.past] == ["ann", "ann"]
    assert {target.id for target in bob.redo().project.targets} == {1, 2, 3}
    drawn = bob.do({"edit": "mark_absent", "id": 1, "frame": 3, "by": "ann"})
    assert drawn.redo().project.target(2)  # an edit of another person takes nothing from bob
    with pytest.raises(ConfigError, match="somebody has changed target 1 since"):
        drawn.undo(2)
    amended = drawn.undo(1).do({"edit": "amend", "edits": [{"edit": "mark_absent", "id": 1, "frame": 9}]})
    assert amended.undo().project.targets == bob.undo().project.targets
    assert bob.undo(9) is bob
    with pytest.raises(ConfigError, match="back must be a number"):
        bob.do({"edit": "undo", "back": "1"})


sides = st.floats(1, 300).map(lambda v: round(v, 2))
boxes = st.tuples(sides, sides, sides, sides)
scores = st.none() | st.floats(0, 1)
rows = st.none() | st.builds(
    TrackedBox, boxes.map(lambda b: Box(*b)), scores, st.sampled_from(["tracking", "uncertain", "lost"])
)


@st.composite
def projects(draw):
    project = EMPTY
    for _ in range(draw(st.integers(0, 3))):
        facts = draw(st.dictionaries(st.sampled_from(["a", "ü <&"]), st.sampled_from(["", "x", '"é"'])))
        project = add_target(project, label=draw(st.sampled_from(["", "person", "Größe <x>"])), attributes=facts)
        id = project.targets[-1].id
        for frame, box, occluded in draw(
            st.lists(st.tuples(st.integers(0, 99), st.none() | boxes, st.booleans()), max_size=5)
        ):
            project = set_key(project, id, frame, box, occluded)
        for start, found, way in draw(
            st.lists(
                st.tuples(st.integers(0, 90), st.lists(rows, max_size=9), st.sampled_from(["forward", "joined"])),
                max_size=3,
            )
        ):
            project = set_tracked(project, id, start, found, way)
    return project


@settings(max_examples=60, deadline=None)
@given(projects())
def test_a_project_is_read_as_it_was_written(tmp_path_factory, project):
    path = tmp_path_factory.mktemp("project") / "a.mixformer.json"
    save_project(project, path)
    assert load_project(path) == project
    text = path.read_bytes()
    save_project(load_project(path), path)
    assert path.read_bytes() == text


def test_an_hour_of_video_is_small_and_read_at_once(tmp_path):
    video = replace(VIDEO, frame_count=90_000)
    project = set_tracked(add_target(AnnotationProject(video)), 1, 0, [
        TrackedBox(Box(n % 500 + 0.12, 50.34, 40.56, 80.78), 0.987) for n in range(90_000)
    ])  # fmt: skip
    path = tmp_path / "hour.mixformer.json"
    save_project(project, path)
    assert path.stat().st_size < 4e6
    assert load_project(path) == project


def broken(**changes):
    return {"format": "mixformer annotation", "version": 1, "video": vars(VIDEO), "targets": [], **changes}


def target(**changes):
    return {"id": 1, "label": "", "color": "#ffffff", "attributes": {}, "keys": [], "tracked": [], **changes}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not readable JSON"),
        ("[1]", "no project of mixformer"),
        (json.dumps({"version": 1}), "no project of mixformer"),
        (json.dumps(broken(version=3)), "of version 3.*install a later one"),
        (json.dumps(broken(video={})), "'width' is missing"),
        (json.dumps(broken(video={**vars(VIDEO), "width": -1})), "damaged"),
        (json.dumps(broken(targets=[{}])), "damaged: 'id' is missing"),
        (json.dumps(broken(targets=[target(keys=[[0, [1, 2, 3]]])])), "damaged"),
        (json.dumps(broken(targets=[target(keys=[[0, [1, 2, 3, 4]], [0, None]])])), "two key boxes"),
        (json.dumps(broken(targets=[target(), target()])), "there is a target 1 already"),
        (json.dumps(broken(targets=[target(tracked=[{"start": 99, "way": "joined", "rows": [[1, 2, 3, 4]] * 2}])])),
         "no frame 100"),
        (json.dumps(broken(targets=[target(tracked=[{"start": 0, "way": "up", "rows": []}])])), "the way 'up'"),
        (json.dumps(broken(targets=[target(tracked=[{"start": 0, "way": "joined", "rows": [[1, 2, "3", None]]}])])),
         "damaged"),
        (json.dumps(broken(targets=7)), "damaged"),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "a.mixformer.json"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        load_project(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        OpenProject(tmp_path / "none.mixformer.json")


def test_edits_survive_kill_9(tmp_path):
    path = tmp_path / "a.mixformer.json"
    save_project(EMPTY, path)
    code = """
import os, signal, sys
from mixformer.annotation import OpenProject
file = OpenProject(sys.argv[1])
file.do({"edit": "add_target", "label": "dog"})
file.save()
file.do({"edit": "set_key", "id": 1, "frame": 3, "box": [1, 2, 30, 40]})
file.do({"edit": "add_target", "label": "cat"})
file.do({"edit": "undo"})
file._file.write(b'{"edit": "half a li')
file._file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code, str(path)], env={**os.environ}, check=False)
    assert ended.returncode == -signal.SIGKILL
    with OpenProject(path) as file:
        assert [each.label for each in file.project.targets] == ["dog"]
        assert file.project.target(1).keys == (KeyBox(3, Box(1, 2, 30, 40)),)
        file.do({"edit": "redo"})
        assert [each.label for each in file.project.targets] == ["dog", "cat"]
    assert sorted(os.listdir(tmp_path)) == ["a.mixformer.json", "a.mixformer.json.undo"]
    assert len(load_project(path).targets) == 2


def test_a_journal_that_the_file_holds_already_is_not_made_again(tmp_path):
    path = tmp_path / "a.mixformer.json"
    journal = tmp_path / "a.mixformer.json.journal"
    file = OpenProject.create(path, EMPTY)
    file.do({"edit": "add_target"})
    old = journal.read_bytes()
    file.close()
    journal.write_bytes(old)  # as if the program was killed between writing the file and removing the journal
    with OpenProject(path) as again:
        assert len(again.project.targets) == 1


def test_two_programs_do_not_overwrite_each_other(tmp_path):
    path = tmp_path / "a.mixformer.json"
    file = OpenProject.create(path, EMPTY)
    file.do({"edit": "add_target"})
    save_project(add_target(EMPTY, label="other"), path)
    with pytest.raises(OutputError, match="another program has changed"):
        file.save()
    assert load_project(path).target(1).label == "other"


def test_the_video_is_known_again(tmp_path):
    copy = tmp_path / "clips" / "copy.mp4"
    copy.parent.mkdir()
    copy.write_bytes(DEMO_CLIP.read_bytes())
    video = look_at_video(copy, tmp_path / "a.mixformer.json")
    assert (video.path, video.frame_count) == ("clips/copy.mp4", 53)
    assert is_same_video(video, DEMO_CLIP)
    copy.write_bytes(b"x" + DEMO_CLIP.read_bytes())
    assert not is_same_video(video, copy)
    with pytest.raises(SourceError):
        look_at_video(tmp_path / "none.mp4")


def test_removing_leaves_the_rest():
    project = add_target(set_tracked(with_keys((0, 100)), 1, 1, tracked(9)), label="other")
    assert [each.label for each in remove_target(project, 1).targets] == ["other"]
    assert clear_tracked(project, 1, 3, 5).target(1).tracked.frames.tolist() == [1, 2, 5, 6, 7, 8, 9]
    assert change_target(project, 2, label="cat", color="#FFFFFF", attributes={"a": "b"}).target(2).color == "#ffffff"
