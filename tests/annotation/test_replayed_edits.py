"""Edits of a journal are repeated in fewer steps, with the same result."""

import json

from hypothesis import given, settings, strategies as st

from mixformer.annotation import AnnotatedVideo, AnnotationProject, OpenProject, add_target, apply_edit, set_key
from mixformer.annotation.journal import load_project, merged_edits

PROJECT = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=40))
for number in (1, 2):
    PROJECT = set_key(add_target(PROJECT), number, 20, (5, 5, 30, 40))


@st.composite
def edits(draw):
    start, count = draw(st.integers(0, 34)), draw(st.integers(0, 5))
    rows = [[draw(st.integers(0, 90)), 10, 30, 40, 0.5] for _ in range(count)]
    way = draw(st.sampled_from(["forward", "unjoined", "joined"]))
    return {"edit": "set_tracked", "id": draw(st.integers(1, 2)), "start": start, "rows": rows, "way": way}


def applied(project, found):
    for edit in found:
        project = apply_edit(project, edit)
    return project


@settings(deadline=None)
@given(st.lists(edits(), max_size=12))
def test_merged_edits_do_the_same(found):
    assert applied(PROJECT, merged_edits(found)) == applied(PROJECT, found)


def test_boxes_that_touch_are_one_edit():
    """An hour of boxes in small pieces took minutes to read."""
    row = [1, 2, 30, 40, 0.5]
    ahead = [{"edit": "set_tracked", "id": 1, "start": n, "rows": [row, row], "way": "forward"} for n in (1, 3, 5)]
    back = [{"edit": "set_tracked", "id": 1, "start": n, "rows": [row, row], "way": "unjoined"} for n in (18, 16, 14)]
    assert [(each["start"], len(each["rows"])) for each in merged_edits(ahead + back)] == [(1, 6), (14, 6)]


def test_an_edit_that_cannot_be_made_ends_the_replay_where_it_is(tmp_path, caplog):
    path = tmp_path / "clip.mixformer.json"
    with OpenProject.create(path, PROJECT):
        journal = path.with_name(f"{path.name}.journal")
        head = journal.read_text()
    lines = [
        {"edit": "amend", "edits": [{"edit": "set_tracked", "id": id, "start": 1, "rows": [[1, 2, 30, 40]]}]}
        for id in (1, 9, 2)
    ]
    journal.write_text(head + "".join(json.dumps(line) + "\n" for line in lines))
    project = load_project(path)
    assert "line 3" in caplog.text
    assert [len(target.tracked) for target in project.targets] == [1, 0]
