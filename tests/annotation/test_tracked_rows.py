"""Tracked boxes in a project's file: one text, read exactly, refused when damaged; files of version 1 are read."""

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from mixformer import Box
from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    KeyBox,
    OpenProject,
    TrackedBox,
    TrackedRows,
    add_target,
    apply_edit,
    load_project,
    save_project,
    set_key,
    set_tracked,
)
from mixformer.annotation.project_files import fields_of
from mixformer.errors import BoxError, ConfigError, DataError

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, frame_count=100, fps=25.0)
EMPTY = AnnotationProject(VIDEO)
ROWS = TrackedRows.of([
    (3, "forward",
     [TrackedBox(Box(-1.004, 2.346, 1e7, 0.004), 0.0004, "lost"), None, TrackedBox(Box(9e6, -1e7, 3, 4))]),
    (90, "backward", [TrackedBox(Box(1, 2, 3, 4), 1.0, "uncertain")] * 10),
])  # fmt: skip


def test_rows_are_unpacked_as_they_were_packed():
    assert TrackedRows.unpacked(ROWS.packed(), 100) == ROWS
    assert TrackedRows.unpacked(TrackedRows().packed(), 1) == TrackedRows()
    assert ROWS.at(3) == TrackedBox(Box(-1.0, 2.35, 1e7, 0.01), 0.0, "lost")  # no side rounds to 0
    with pytest.raises(ConfigError, match="out of the range"):
        TrackedRows.unpacked(ROWS.packed(), 99)


def packed(*rows):
    steps = np.diff(np.array(rows).T, prepend=0).astype("<i4")
    return base64.b64encode(zlib.compress(steps.tobytes())).decode()


GOOD = [3, 0, 0, 900, 100, 200, 300, 400]


def test_the_text_is_as_described():
    rows = TrackedRows().put(3, [TrackedBox(Box(1, 2, 3, 4), 0.9)], "joined")
    assert TrackedRows.unpacked(packed(GOOD), 100) == rows


@pytest.mark.parametrize(
    "text",
    [
        "no base64!", "AAAA", packed(GOOD)[:-8], packed(GOOD[:7]), packed(GOOD, GOOD), packed([4, *GOOD[1:]], GOOD),
        packed([100, *GOOD[1:]]), packed([-1, *GOOD[1:]]), packed([3, 3, *GOOD[2:]]), packed([3, 0, 3, *GOOD[3:]]),
        packed([*GOOD[:3], 1001, *GOOD[4:]]), packed([*GOOD[:3], -2, *GOOD[4:]]), packed([*GOOD[:7], 0]),
        packed([*GOOD[:4], 2 * 10**9, *GOOD[5:]]), base64.b64encode(zlib.compress(bytes(32 * 101))).decode(),
    ],
)  # fmt: skip
def test_damaged_texts_are_refused(tmp_path, text):
    path = tmp_path / "a.mixformer.json"
    save_project(set_tracked(add_target(EMPTY), 1, 0, [TrackedBox(Box(1, 2, 3, 4))]), path)
    content = json.loads(path.read_text())
    content["targets"][0]["tracked"] = text
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.mixformer\.json is damaged: its tracked boxes"):
        load_project(path)


def test_files_of_version_1_are_read(tmp_path):
    target = {
        "id": 1, "label": "dog", "color": "#ffffff", "attributes": {}, "keys": [[0, [1, 2, 3, 4]], [9, None]],
        "tracked": [{"start": 1, "way": "forward", "rows": [[1.5, 2, 3, 4, 0.93], [1, 2, 3, 4, None, 2]]}],
    }  # fmt: skip
    old = {"format": "mixformer annotation", "version": 1, "revision": 3, "video": vars(VIDEO), "targets": [target]}
    path = tmp_path / "a.mixformer.json"
    path.write_text(json.dumps(old))
    project = load_project(path)
    assert project.target(1).keys == (KeyBox(0, Box(1, 2, 3, 4)), KeyBox(9, None))
    assert dict(project.target(1).tracked) == {
        1: TrackedBox(Box(1.5, 2, 3, 4), 0.93),
        2: TrackedBox(Box(1, 2, 3, 4), None, "lost"),
    }
    with OpenProject(path) as file:
        file.do({"edit": "add_target"})
    assert json.loads(path.read_text())["version"] == 2
    assert load_project(path).target(1) == project.target(1)


@pytest.mark.parametrize("box", [(1, 2, 0, 4), (1, 2, 3, -4), (float("nan"), 2, 3, 4), (1, 2, 3, 2e7)])
def test_a_box_that_no_file_can_hold_is_refused(box):
    with pytest.raises(BoxError, match="tracked box"):
        set_tracked(add_target(EMPTY), 1, 0, [TrackedBox(Box(*box))])


def test_targets_of_a_file_replace_those_of_a_project():
    other = set_key(add_target(EMPTY, id=7, label="cat"), 7, 0, (1, 2, 30, 40), occluded=True)
    other = other.with_target(replace(other.target(7), tracked=ROWS))
    edit = json.loads(json.dumps({"edit": "replace_targets", "targets": [fields_of(other.target(7))]}))
    assert apply_edit(add_target(EMPTY, label="dog"), edit) == other
    for wrong in (
        None,
        [{}],
        [[]],
        "x",
        [{**edit["targets"][0], "keys": [[1]]}],
        [{**edit["targets"][0], "tracked": 3}],
    ):
        with pytest.raises(ConfigError):
            apply_edit(EMPTY, {**edit, "targets": wrong})
