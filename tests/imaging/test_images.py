"""Picture files: one list of endings, one order of names and one reader for videos, data sets and VOT."""

import numpy as np
import pytest
from PIL import Image

from mixformer.data.annotated_folders import read_sequence
from mixformer.data.frame_storage import read_frame
from mixformer.errors import DataError
from mixformer.imaging import PICTURES, is_picture, natural_order, read_image
from mixformer.video import open_video
from mixformer.vot.session import Session
from mixformer.vot.trax import Message, _process


@pytest.mark.parametrize("ending", sorted(PICTURES))
def test_video_data_and_vot_accept_the_same_endings(tmp_path, ending, monkeypatch):
    folder = tmp_path / "clip" / "img"
    folder.mkdir(parents=True)
    for number, name in enumerate(("1", "2", "10")):
        Image.new("RGB", (40, 30), (100 * number, 50, 0)).save(folder / f"{name}{ending}")
    (tmp_path / "clip" / "groundtruth.txt").write_text("1,2,10,10\n" * 3)
    with open_video(folder) as video:
        expected = [frame.image for frame in video]
    assert [round(image[0, 0, 0] / 100) for image in expected] == [0, 1, 2]  # natural order, not that of letters
    sequence = read_sequence(tmp_path / "clip")
    assert all(map(np.array_equal, map(read_frame, sequence.frames), expected))
    seen = []
    monkeypatch.setattr(Session, "process", lambda self, image, new: seen.append(image) or [])
    _process(Session(None), Message("frame", (str(folder / f"10{ending}"),)), [])
    assert np.array_equal(seen[0], expected[2])


def test_names_are_ordered_by_their_numbers():
    names = ["a10b2", "a2", "a10b1", "b", "1a", "a\u00b2"]  # a superscript two is no number
    assert sorted(names, key=natural_order) == ["1a", "a2", "a10b1", "a10b2", "a\u00b2", "b"]
    assert is_picture("A.TIFF")


@pytest.mark.parametrize("content", [b"", b"no picture", b"P6 99 99 255 short"])
def test_a_broken_picture_is_an_error_with_its_name(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the image .*broken\.png"):
        read_image(tmp_path / "broken.png")
    with pytest.raises(DataError, match="cannot read the image of the server"):
        read_image(content, "of the server")
