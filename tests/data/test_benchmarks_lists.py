"""The packaged lists: the published numbers of sequences and frames, and their attributes."""

from collections import Counter

import pytest

from mixformer.data import DATASETS, attributes
from mixformer.data.lists import attribute_names, read_list
from mixformer.errors import DataError
from tests.helpers.benchmark_makers import text, vot

PUBLISHED = {
    ("lasot", "test"): 280,
    ("lasot_ext", "test"): 150,
    ("got10k", "val"): 180,
    ("got10k", "test"): 180,
    ("trackingnet", "test"): 511,
    ("tnl2k", "test"): 700,
    ("uav123", "test"): 123,
    ("otb100", "test"): 100,
    ("nfs", "30fps"): 100,
    ("nfs", "240fps"): 100,
    ("tc128", "test"): 129,
    ("tc128", "ce"): 78,
    ("avist", "test"): 120,
    ("vot2020", "test"): 60,
    ("vot2022", "test"): 62,
}


def test_every_list_has_its_published_length():
    found = {(name, split): rows() for name, known in DATASETS.items() for split, rows in known.published.items()}
    assert {key: len(rows) for key, rows in found.items()} == PUBLISHED
    for rows in found.values():
        assert len({row.name for row in rows}) == len(rows)
        assert all(row.name == row.name.strip() and row.name for row in rows)
    assert all(split in DATASETS[name].splits for name, split in PUBLISHED)


@pytest.mark.parametrize(("name", "count"), [("otb100", 59_040), ("uav123", 112_578)])
def test_the_published_number_of_frames(name, count):
    assert sum(row.last - row.first + 1 for row in read_list(name)) == count


def test_lasot_has_four_videos_of_70_classes_and_ten_of_15():
    for name, classes, each in (("lasot", 70, 4), ("lasot_ext", 15, 10)):
        kinds = [row.name.rpartition("-")[0] for row in read_list(name)]
        assert {kinds.count(kind) for kind in kinds} == {each}
        assert len(set(kinds)) == classes


def test_parts_of_a_video_and_two_targets_in_one():
    parts = [row for row in read_list("uav123") if row.name != row.folder]
    assert sum(row.first > 1 for row in parts) == 32
    assert (parts[2].name, parts[2].folder, parts[2].first, parts[2].last) == ("bird1_3", "bird1", 1573, 2437)
    otb = {row.name: row for row in read_list("otb100")}
    assert otb["Human4_2"].annotation == "groundtruth_rect.2.txt"
    assert otb["Jogging_1"].folder == otb["Jogging_2"].folder == "Jogging"
    assert (otb["Tiger1"].skip, otb["David"].first, otb["BlurCar1"].first) == (5, 300, 247)
    assert (otb["Deer"].label, otb["Biker"].label) == ("mammal", "person head")
    assert len({row.folder for row in otb.values()}) == 98


@pytest.mark.parametrize(
    ("name", "count"),
    [("lasot", 280), ("otb100", 100), ("uav123", 120), ("avist", 120), ("tc128", 127)],
)
def test_attributes_of_the_lists(name, count):
    found = attributes(name)
    assert len(found) == count  # the others have none
    assert {short for shorts in found.values() for short in shorts} == set(attribute_names(name))
    assert all(len(set(shorts)) == len(shorts) for shorts in found.values())


def test_the_published_number_of_sequences_with_each_attribute():
    lasot, uav = (
        Counter(short for shorts in attributes(name).values() for short in shorts) for name in ("lasot", "uav123")
    )
    assert [lasot[short] for short in attribute_names("lasot")] == [
        *(47, 187, 142, 89, 86, 175, 100),
        *(33, 273, 118, 53, 104, 141, 249),
    ]
    assert [uav[short] for short in attribute_names("uav123")] == [109, 68, 48, 28, 33, 73, 30, 21, 31, 60, 70, 39]


def test_attributes_by_sequence():
    assert attributes("otb100")["Crowds"] == ("IV", "DEF", "BC")
    assert attributes("uav123")["person6"] == ("VC", "CM")
    assert attribute_names("uav123")["SOB"] == "similar object"
    assert set(attributes("tc128", "ce")) < set(attributes("tc128"))


def test_attributes_of_a_sets_own_files(tmp_path):
    text(tmp_path / "att" / "airplane-1.txt", "1,0,0,0,0,0,0,0,0,0,0,0,0,1\n")
    assert attributes("lasot", root=tmp_path)["airplane-1"] == ("IV", "ARC")
    text(tmp_path / "att" / "INF_bike_attribute.txt", " ".join("110000000000000001"))
    assert attributes("tnl2k", "test", tmp_path) == {"INF_bike": ("CM", "MS")}
    vot(tmp_path, "tennis", ["1,2,3,4", "1,2,3,4"])
    assert attributes("vot2022", root=tmp_path) == {"tennis": ("occlusion",)}
    text(tmp_path / "att" / "airplane-1.txt", "1,0,x")
    with pytest.raises(DataError, match=r"att/airplane-1\.txt: could not convert"):
        attributes("lasot", root=tmp_path)
    text(tmp_path / "att" / "airplane-1.txt", "1,0,0")
    with pytest.raises(DataError, match="holds 3 numbers, not the 14 of IV, POC"):
        attributes("lasot", root=tmp_path)


def test_attributes_need_a_known_list():
    with pytest.raises(DataError, match="no data set called 'other'"):
        attributes("other")
    with pytest.raises(DataError, match="coco has no published list of sequences; splits with a list: none"):
        attributes("coco")
    with pytest.raises(DataError, match="lasot train has no published list of sequences; splits with a list: test"):
        attributes("lasot", "train")
