"""Masks as PNG files and as the VOT toolkit's text."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from mixformer.errors import DataError, OutputError
from mixformer.masks.mask_files import MaskWriter, decode_rle, encode_rle, mask_box
from mixformer.types import Box

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


def example():
    mask = np.zeros((6, 8), bool)
    mask[2, 3:6] = mask[3, 4] = mask[4, 3] = True
    return mask


def test_a_mask_is_a_grey_picture_of_0_and_255(tmp_path):
    writer = MaskWriter(tmp_path / "new" / "masks")
    path = writer.write(example(), 7)
    assert path == tmp_path / "new" / "masks" / "00000007.png"
    with Image.open(path) as picture:
        assert (picture.mode, picture.format) == ("L", "PNG")
        assert (np.asarray(picture) == example() * 255).all()
    writer.write(~example(), 7)
    assert (np.asarray(Image.open(path)) == ~example() * 255).all()
    assert [p.name for p in path.parent.iterdir()] == ["00000007.png"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "masks"):
        with pytest.raises(OutputError, match="give another folder"):
            MaskWriter(folder)


def test_a_failed_write_leaves_no_half_file(tmp_path, monkeypatch):
    writer = MaskWriter(tmp_path)
    writer.write(example(), 0)

    def full(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match=r"00000001.png: .*No space left.*nothing was changed"):
        writer.write(example(), 1)
    assert [p.name for p in tmp_path.iterdir()] == ["00000000.png"]


def test_a_folder_that_went_away_is_made_again(tmp_path):
    writer = MaskWriter(tmp_path / "masks")
    (tmp_path / "masks").rmdir()
    assert writer.write(example(), 0).exists()


def test_the_box_counts_both_end_pixels():
    assert mask_box(example()) == Box(3, 2, 3, 3)
    assert mask_box(np.ones((4, 5), bool)) == Box(0, 0, 5, 4)
    assert mask_box(np.zeros((4, 5), bool)) is None


def test_text_by_hand():
    assert encode_rle(example()) == "m3,2,3,3,0,3,1,1,1,1,2"
    assert encode_rle(np.zeros((4, 5), bool)) == "m0,0,0,0,0"
    assert encode_rle(np.ones((2, 3), bool)) == "m0,0,3,2,0,6"
    ring = np.array([[0, 1], [1, 0]], bool)
    assert encode_rle(ring) == "m0,0,2,2,1,2,1"


@given(MASKS)
def test_text_reads_back(mask):
    text = encode_rle(mask)
    assert (decode_rle(text + "\n", *mask.shape) == mask).all()
    box, runs = mask_box(mask), [int(v) for v in text[1:].split(",")[4:]]
    assert sum(runs) == (box.w * box.h if box else 0)
    assert sum(runs[1::2]) == mask.sum()
    assert all(run > 0 for run in runs[1:])


@given(MASKS, st.integers(-12, 12), st.integers(-12, 12))
def test_what_lies_outside_the_frame_is_left_out(mask, right, down):
    if not mask.any():
        return
    x, y, *rest = encode_rle(mask)[1:].split(",")
    moved = decode_rle("m" + ",".join([str(int(x) + right), str(int(y) + down), *rest]), *mask.shape)
    canvas = np.pad(mask, 24)
    height, width = mask.shape
    assert (moved == canvas[24 - down : 24 - down + height, 24 - right : 24 - right + width]).all()


def test_runs_may_end_early():
    assert decode_rle("m1,0,3,2,1,1", 3, 5).sum() == 1
    assert decode_rle("m1,0,3,2", 3, 5).sum() == 0


@pytest.mark.parametrize(
    "text",
    ["", "m", "1,2,3,4", "m1,2,3", "m0,0,2,2,1,x", "m0,0,2,2,1,9", "m0,0,-2,2,1", "m0,0,2,2,5,-4", "m1.5,0,2,2,4"],
)
def test_other_text_is_refused(text):
    with pytest.raises(DataError, match="mask"):
        decode_rle(text, 10, 10)


def test_a_region_beyond_any_picture_is_refused():
    with pytest.raises(DataError, match="cannot be a mask"):
        decode_rle("m0,0,999999999,999999999,0,5", 10, 10)


@pytest.mark.parametrize("values", [np.uint8(255), np.int64(1), np.arange(1, 9, dtype=np.uint8)])
def test_a_mask_of_numbers_is_true_where_it_is_not_0(tmp_path, values):
    """OpenCV's masks are of 0 and 255: the picture was of 0 and 1, and each other number began a new run."""
    mask = example() * values
    assert encode_rle(mask) == encode_rle(example())
    path = MaskWriter(tmp_path).write(mask, 0)
    assert (np.asarray(Image.open(path)) == example() * 255).all()
