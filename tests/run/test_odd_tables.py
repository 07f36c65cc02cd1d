"""Tables of targets and jobs as other programs and other languages write them, and folders with odd things in them."""

import os

import pytest
from PIL import Image

from mixformer.errors import BoxError, ConfigError, DataError, printable
from mixformer.imaging import list_pictures, read_image
from mixformer.run import read_jobs
from mixformer.video import read_targets
from mixformer.video.targets import as_targets

BOX = "1 2 3 4"


@pytest.mark.parametrize("sign", [";", "\t"])
def test_numbers_with_a_comma(tmp_path, sign):
    """Excel writes `1,5;2` in languages that write 1,5."""
    path = tmp_path / "t.csv"
    path.write_text(f"x{sign}y{sign}w{sign}h\n" + sign.join(["1,5", "2,5", "3", "4"]))
    assert tuple(read_targets(path)[0].box) == (1.5, 2.5, 3.0, 4.0)


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,x,y,w,h\n1,2,3,4,5\n")
    with pytest.raises(BoxError, match="two columns"):
        read_targets(path)
    path.write_text(f"source,source,box\na.mp4,b.mp4,{BOX}\n")
    with pytest.raises(ConfigError, match="two columns"):
        read_jobs(path, tmp_path)


def test_a_line_of_json_ends_at_a_line_feed_alone(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"box": [1, 2, 3, 4], "label": "a\u2028b"}\n{"box": [5, 6, 7, 8]}\n', encoding="utf-8")
    assert len(read_targets(path)) == 2


@pytest.mark.parametrize("targets", [None, 5, 1.5])
def test_what_is_no_target_is_told(targets):
    with pytest.raises(BoxError, match="targets are boxes"):
        as_targets(targets)


@pytest.mark.parametrize(("one", "other"), [("car", "CAR"), ("caf\u00e9", "cafe\u0301")])
def test_names_that_some_disks_take_for_the_same_are_refused(tmp_path, one, other):
    """On such a disk, the second video replaced the results of the first."""
    path = tmp_path / "jobs.csv"
    path.write_text(f"source,box,name\na.mp4,{BOX},{one}\nb.mp4,{BOX},{other}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="already"):
        read_jobs(path, tmp_path)


def test_a_name_of_a_video_has_a_length(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text(f"source,box,name\na.mp4,{BOX},{'x' * 256}\n")
    with pytest.raises(ConfigError, match="longer than file systems allow"):
        read_jobs(path, str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.timeout(30)
def test_a_pipe_among_pictures_holds_nothing_up(tmp_path):
    """Opening a pipe that nobody writes to never ends."""
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    os.mkfifo(tmp_path / "2.png")
    (tmp_path / "3.png").symlink_to("nothing")
    assert [path.name for path in list_pictures(tmp_path)] == ["1.png", "3.png"]
    with pytest.raises(DataError, match="it is no file"):
        read_image(tmp_path / "2.png")


def test_a_password_is_in_no_message():
    assert (
        printable("http://me:se:cret@host/x: no answer (rtsp://a:b@c)")
        == "http://me:***@host/x: no answer (rtsp://a:***@c)"
    )
    assert printable("http://host:80/a@b") == "http://host:80/a@b"
