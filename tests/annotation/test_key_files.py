"""Key boxes as strangers write them: each line means what it says, or the file is refused with its line."""

import pytest

from mixformer.annotation import AnnotatedVideo, read_keys
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
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
