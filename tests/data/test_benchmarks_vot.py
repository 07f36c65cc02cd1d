"""Regions of the VOT toolkit as boxes, and its folders."""

import numpy as np
import pytest

from mixformer.data import DatasetOptions, detect_dataset, load_dataset
from mixformer.data.datasets.vot_sequences import text_region_box
from mixformer.errors import DataError
from mixformer.masks.mask_files import encode_rle, mask_box
from tests.helpers.benchmark_makers import blob, frames, mask_text, text, vot


@pytest.mark.parametrize(
    ("region", "box"),
    [
        ("1.5,2,30,40", [1.5, 2, 30, 40]),
        ("10\t20\t30\t40", [10, 20, 30, 40]),
        ("10,20,40,25,35,60,5,55", [5, 20, 35, 40]),
        ("1,1,5,1,3,9", [1, 1, 4, 8]),
        ("m3,4,4,3,5,2,5", [4, 5, 2, 1]),  # two pixels in the second row
        ("m3,4,4,3,3,2", [3, 4, 4, 2]),  # a run around the border
        ("m3,4,4,3,0,12", [3, 4, 4, 3]),
        ("m0,0,5,5,0,5,15,5", [0, 0, 5, 5]),
    ],
)
def test_regions(region, box):
    assert text_region_box(region) == box


@pytest.mark.parametrize("region", ["0", "1", "m0,0,0,0", "m0,0,0,0,0", "m1,1,4,4,16", "nan,nan,nan,nan"])
def test_no_region_is_nan(region):
    assert np.isnan(text_region_box(region)).all()


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        ("1,2,3", "found 3"),
        ("1,2,3,4,5,6,7", "found 7"),
        ("m1,2", "found 2 numbers"),
        ("m0,0,2,2,1,9", "make 10"),
        (f"m0,0,{'9' * 400},2,1,9", "beyond any picture"),  # an OverflowError of NumPy
        ("a,b", "could not"),
    ],
)
def test_broken_regions(region, problem):
    with pytest.raises(ValueError, match=problem):
        text_region_box(region)


@pytest.mark.parametrize("seed", range(40))
def test_masks_of_any_shape_and_window(seed):
    mask, box = blob(seed)
    np.testing.assert_array_equal(text_region_box(mask_text(mask, (0, 0, 9, 12))), box)
    assert mask_box(mask) == (None if np.isnan(box).any() else tuple(box))
    np.testing.assert_array_equal(text_region_box(encode_rle(mask)), box)


def test_a_sequence_with_every_kind_of_region(tmp_path):
    vot(tmp_path, "tennis", ["m3,4,4,3,5,2,5", "1,1,5,1,3,9", "0", "1.5,2,30,40"])
    found = load_dataset("vot2022", tmp_path)[0]
    assert found.boxes[[0, 1, 3]].tolist() == [[4, 5, 2, 1], [1, 1, 4, 8], [1.5, 2, 30, 40]]
    assert found.valid.tolist() == [0, 1, 3]
    assert found.frames[0].parent.name == "color"


@pytest.mark.parametrize(
    ("properties", "folder"),
    [
        ("channels.color=color/%08d.jpg", "color"),
        ("fps=30\nchannels.color = pics\\%08d.jpg\n", "pics"),
        ("channels.color=a/b/", "a/b"),
    ],
)
def test_the_file_sequence_says_where_the_pictures_are(tmp_path, properties, folder):
    vot(tmp_path, "tennis", ["1,2,3,4"] * 3, folder)
    text(tmp_path / "tennis" / "sequence", properties)
    found = load_dataset("vot2022", tmp_path)[0]
    assert found.frames[0].relative_to(tmp_path / "tennis").as_posix() == f"{folder}/00000001.jpg"


def test_pictures_beside_the_boxes(tmp_path):
    frames(tmp_path / "tiger", 1, 2, "{:08d}.jpg")
    text(tmp_path / "tiger" / "groundtruth.txt", "1,2,3,4\n1,2,3,4\n")
    assert len(load_dataset("vot2022", tmp_path)[0]) == 2


def test_which_year_is_told_by_its_own_sequences(tmp_path):
    vot(tmp_path, "tiger", ["1,2,3,4"])  # in both lists
    assert detect_dataset(tmp_path) == "vot2022"
    vot(tmp_path, "godfather", ["1,2,3,4"])
    assert detect_dataset(tmp_path) == "vot2020"
    assert load_dataset("vot2020", tmp_path).names == ["godfather", "tiger"]


def test_a_broken_region_names_file_and_line(tmp_path):
    vot(tmp_path, "tennis", ["1,2,3,4", "m1,2", "1,2,3,4"])
    with pytest.raises(DataError, match=r"tennis/groundtruth\.txt, line 2: a mask begins with x, y, width"):
        load_dataset("vot2022", tmp_path, DatasetOptions("test"))[0]
