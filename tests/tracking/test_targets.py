"""Files of targets: every form, and messages that name file and line."""

import pytest

from mixformer.errors import BoxError
from mixformer.types import Box
from mixformer.video.targets import Target, read_targets


def read(tmp_path, text, name="boxes.csv", start=0):
    path = tmp_path / name
    path.write_text(text)
    return [(t.id, t.start, t.stop, tuple(t.box)) for t in read_targets(path, start)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,30,40\n\n# a comment\n5,6,7,8\n", [(1, 3, None, (1, 2, 30, 40)), (2, 3, None, (5, 6, 7, 8))]),
        ("1 2 30 40.5", [(1, 3, None, (1, 2, 30, 40.5))]),
        ("7;4;1;2;3;4", [(4, 7, None, (1, 2, 3, 4))]),
        ("7\t4\t1\t2\t3\t4\t20", [(4, 7, 20, (1, 2, 3, 4))]),
        ("7,,1,2,3,4,\n8,1,1,2,3,4,9", [(2, 7, None, (1, 2, 3, 4)), (1, 8, 9, (1, 2, 3, 4))]),
        ("\ufeffID, x, y, w, h\n9,1,2,3,4\n", [(9, 3, None, (1, 2, 3, 4))]),
        ("frame,x,y,w,h,stop,id\n5,1,2,3,4,,0\n", [(0, 5, None, (1, 2, 3, 4))]),
        ("[[1,2,3,4], [5,6,7,8]]", [(1, 3, None, (1, 2, 3, 4)), (2, 3, None, (5, 6, 7, 8))]),
        ('[{"box": [1,2,3,4], "id": 6, "frame": 9, "stop": 12}]', [(6, 9, 12, (1, 2, 3, 4))]),
        ('{"frame": 4, "id": 2, "box": [1,2,3,4]}\n\n{"box": [5,6,7,8]}\n', [(2, 4, None, (1, 2, 3, 4))]),
    ],
)
def test_every_form(tmp_path, text, expected):
    assert read(tmp_path, text, start=3)[: len(expected)] == expected


def test_lines_of_json(tmp_path):
    assert [each[0] for each in read(tmp_path, "[1,2,3,4]\n[5,6,7,8]\n", "boxes.jsonl")] == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no targets"),
        ("# nothing\n", "holds no targets"),
        ("1,2,3,4\n1,2,3\n", r"boxes.csv, line 2: 3 values do not make a target"),
        ("1,2,3,4\n\n1,2,0,4\n", r"boxes.csv, line 3: .*no area"),
        ("1,2,3,four\n", r"boxes.csv, line 1: .*four numbers"),
        ("1,2,nan,4\n", r"line 1: .*not a finite number"),
        ("1,1,1,2,3,4\n2,1,1,2,3,4\n", r"line 2: target 1 is already in .*line 1"),
        ("1.5,1,1,2,3,4\n", r"line 1: frame must be a whole number of 0 or above, .*not '1.5'"),
        ("1,-1,1,2,3,4\n", r"line 1: id must be a whole number"),
        ("1,bob,1,2,3,4\n", r"line 1: id must be a whole number"),
        ("9,1,1,2,3,4,9\n", r"line 1: stop is the number after the last frame"),
        ("id,x,y,w,h\n1,2,3,4\n", r"line 2: 4 values"),
        ("[1, 2\n", r"boxes.csv is not readable JSON"),
        ("[[1, 2, 3, 4], 7]", r"boxes.csv, entry 2: a target is \[x, y, w, h\]"),
        ("[[1, 2, 3]]", r"entry 1: .*got 3"),
        ('{"frame": 1}', r"line 1: a target is"),
        ('{"box": null}', r"line 1: .*four numbers"),
        ("0,1,1,2,3,4\n9,1,,,,\n", r"line 2: .*four numbers; a line without one is for mixformer track and annotate"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, message):
    with pytest.raises(BoxError, match=message):
        read(tmp_path, text)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(BoxError, match=r"cannot read .*missing\.csv"):
        read_targets(tmp_path / "missing.csv")
    (tmp_path / "video.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(BoxError, match=r"cannot read .*video\.csv"):
        read_targets(tmp_path / "video.csv")


def test_a_target_knows_where_it_comes_from(tmp_path):
    (tmp_path / "a.txt").write_text("\n1 2 3 4\n")
    assert read_targets(tmp_path / "a.txt") == [Target(1, Box(1, 2, 3, 4), where=f"{tmp_path / 'a.txt'}, line 2")]
