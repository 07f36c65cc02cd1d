"""Key boxes as strangers write them: each line means what it says, or the file is refused with its line."""

import numpy as np
import pytest

from mixformer.annotation import (
    ANNOTATION_FORMATS,
    AnnotatedVideo,
    AnnotationProject,
    add_target,
    export_annotations,
    import_annotations,
    read_keys,
    set_key,
)
from mixformer.errors import BoxError

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)
HEAD = "frame,id,x,y,w,h"


def keys_of(tmp_path, text):
    path = tmp_path / "keys.csv"
    path.write_bytes(text.encode())
    return [(key.frame, key.box and tuple(key.box), key.occluded) for key in read_keys(path, VIDEO).target(1).keys]


BOX = (10.0, 20.0, 30.0, 40.0)


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{HEAD}\r\n3,1,10,20,30,40\r\n", "frame;id;x;y;w;h\n3;1;10,0;20;30;40\n", "3 1 10 20 30 40",
        "Frame, ID, X, Y, Width, Height\n3.0, 1, 10, 20, 30, 40\n", '"id","frame","w","h","x","y"\n1,3,30,40,10,20\n',
        f"{HEAD},\n3,1,10,20,30,40,\n", f"{HEAD},2nd note\n3,1,10,20,30,40,5\n",
        f"# mine\n\n{HEAD},note\n\n3,1,10,20,30,40,hello\n",
    ],
)  # fmt: skip
def test_one_box_in_many_spellings(tmp_path, text):
    assert keys_of(tmp_path, text) == [(3, BOX, False)]


@pytest.mark.parametrize(("word", "occluded"), [
    ("1", True), ("yes", True), ("TRUE", True), ("1.0", True), ("0", False), ("", False), ("no", False),
    ("FALSE", False), ("0.0", False),
])  # fmt: skip
def test_words_for_occluded(tmp_path, word, occluded):
    assert keys_of(tmp_path, f"{HEAD},occluded\n3,1,10,20,30,40,{word}\n") == [(3, BOX, occluded)]


def test_a_box_in_the_frame_of_a_stop_stays(tmp_path):
    """Both orders of the lines: an absence never takes the place of a box."""
    lines = ["0,1,10,20,30,40,9", "9,1,10,20,30,40,"]
    for order in (lines, lines[::-1]):
        text = "\n".join([f"{HEAD},stop", *order])
        assert keys_of(tmp_path, text) == [(0, BOX, False), (9, BOX, False)]
    assert keys_of(tmp_path, f"{HEAD},stop\n0,1,10,20,30,40,9\n") == [(0, BOX, False), (9, None, False)]


def test_boxes_of_a_tracker_are_not_taken_for_those_of_a_person(tmp_path):
    text = f"{HEAD},origin\n0,1,10,20,30,40,person\n1,1,10,20,30,40,tracker\n2,1,10,20,30,40,interpolated\n"
    assert keys_of(tmp_path, text) == [(0, BOX, False)]


def test_the_place_of_a_lost_target_is_no_box_of_a_person(tmp_path):
    """A result of `mixformer track --csv` has a line for each frame, with the last place of a target that is lost."""
    text = "frame,time,x,y,w,h,score,status\n0,0.0,10,20,30,40,1.0,tracking\n1,0.04,11,20,30,40,0.01,lost\n"
    assert keys_of(tmp_path, text) == [(0, BOX, False)]


def test_columns_without_an_effect_are_named(tmp_path, caplog):
    keys_of(tmp_path, "frame,track_id,x,y,w,h,outside\n0,5,10,20,30,40,0\n")
    assert "these columns have no effect: track_id, outside; the others are: frame, id" in caplog.text


@pytest.mark.parametrize(
    "label", ["👨\u200d👩\u200d👧", "\u0645\u06cc\u200c\u062e\u0648", "歩行者\u3000大", "a\u00a0b"]
)
def test_labels_of_any_script_are_lines(tmp_path, label):
    path = tmp_path / "keys.csv"
    path.write_text(f"frame,id,label,x,y,w,h\n3,1,{label},10,20,30,40\n")
    project = read_keys(path, VIDEO)
    assert project.target(1).label == label
    for name in sorted({*ANNOTATION_FORMATS} - {"folder"}):
        out = export_annotations(project, name, tmp_path / name, pictures=False if name in ("yolo", "voc") else None)
        assert import_annotations(out, name, VIDEO).target(1).label == label


def test_numbers_of_numpy_are_frames_and_ids():
    project = set_key(add_target(AnnotationProject(VIDEO), np.int64(3)), np.int64(3), np.int32(5), (1, 2, 3, 4))
    assert [(type(key.frame), key.frame) for key in project.target(3).keys] == [(int, 5)]
    assert type(project.targets[0].id) is int


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "frame,id,label,x,y,w,h\n0,1,cat,10,20,30,40\n5,1,dog,10,20,30,40\n",
            "line 3: target 1 is labeled 'dog', and 'cat' before",
        ),
        ('frame,id,label,x,y,w,h\n0,1,"two\nlines",10,20,30,40\n', "line 2: .* a text in quotes ends in its own line"),
        ('[{"id": 1, "label": ["a"], "box": [10, 20, 30, 40]}]', "entry 1: a label must be a text"),
        (f"{HEAD}\n0,10000000000,10,20,30,40\n", "from 1 to 1000000000"),
        (f"{HEAD},occluded\n3,1,10,20,30,40,maybe\n", "line 2: occluded must be 1 for yes.*not 'maybe'"),
        (f"{HEAD},stop\n9,1,10,20,30,40,3\n", "line 2: stop is the number after the last frame.*above 9, not 3"),
        (f"{HEAD},stop\n9,1,10,20,30,40,9\n", "above 9, not 9"),
        ("frame,id,x1,y1,x2,y2\n0,1,10,20,30,40\n", "line 1: it names the columns frame, id, x1, y1, x2, y2, and x, y"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, text, reason):
    with pytest.raises(BoxError, match=reason):
        keys_of(tmp_path, text)


def test_labels_keep_their_commas_where_numbers_have_decimal_ones(tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text("frame;id;label;x;y;w;h\n3;1;cat, large;10,5;20;30;40\n")
    target = read_keys(path, VIDEO).target(1)
    assert (target.label, tuple(target.keys[0].box)) == ("cat, large", (10.5, 20, 30, 40))


def test_labels_in_another_encoding_are_refused(tmp_path):
    path = tmp_path / "keys.csv"
    path.write_bytes("frame,id,label,x,y,w,h\n3,1,Löwe,10,20,30,40\n".encode("latin-1"))
    with pytest.raises(BoxError, match="line 2 is no text in UTF-8"):
        read_keys(path, VIDEO)
