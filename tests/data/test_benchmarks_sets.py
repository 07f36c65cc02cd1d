"""Every test set in a miniature copy, with its traps."""

import numpy as np
import pytest

from mixformer.data import (
    DATASETS,
    DatasetOptions,
    detect_dataset,
    load_dataset,
    missing_sequences,
    read_any,
)
from mixformer.data.datasets.archive_packing import pack
from mixformer.data.frame_storage import read_bytes
from tests.helpers.benchmark_makers import (
    MAKERS,
    avist,
    frames,
    got10k_val,
    lasot,
    nfs,
    nfs_published,
    otb100,
    rows,
    tc128,
    text,
    tnl2k,
    trackingnet,
    uav123,
)
from tests.helpers.miniatures import zip_folder


def by_name(sequences):
    return {sequence.name: sequence for sequence in sequences}


def numbers(sequence):
    """Numbers of the pictures of a sequence."""
    return [int("".join(filter(str.isdigit, frame.stem))) for frame in sequence.frames]


def contents(sequences):
    return [(s.name, s.source, s.label, s.boxes.tobytes(), s.hidden.tolist(), len(s)) for s in sequences]


@pytest.mark.parametrize("name", MAKERS)
def test_every_set_is_found_whole_and_recognized(tmp_path, name, caplog):
    make, split = MAKERS[name]
    root = make(tmp_path / "root")
    found = load_dataset(name, root, DatasetOptions(split))
    gone, total = missing_sequences(name, split, found)
    assert len(found) + len(gone) == total == len(DATASETS[name].published[split]())
    assert f"{len(gone)} of {total} sequences are not there: {gone[0]}" in caplog.text
    order = [row.name for row in DATASETS[name].published[split]()]
    assert list(found.names) == [s.name for s in found] == sorted(found.names, key=order.index)
    for sequence in found:
        assert sequence.source == name
        assert len(sequence.visible) > 0
        assert numbers(sequence) == list(range(numbers(sequence)[0], numbers(sequence)[0] + len(sequence)))
    assert detect_dataset(root) == name
    assert contents(read_any(root, split)) == contents(found)


@pytest.mark.parametrize("name", ["uav123", "otb100", "nfs", "tc128", "avist", "vot2022"])
def test_zip_and_lmdb_hold_the_same(tmp_path, name):
    make, split = MAKERS[name]
    root = make(tmp_path / "root")
    before = contents(load_dataset(name, root, DatasetOptions(split)))
    zip_folder(root, tmp_path / "a" / "whole.zip", "Downloads")
    assert contents(load_dataset(name, tmp_path / "a" / "whole.zip", DatasetOptions(split))) == before
    packed = pack(root, tmp_path / "packed.lmdb")
    assert packed.name == name
    assert contents(load_dataset(name, tmp_path / "packed.lmdb", DatasetOptions(split))) == before
    assert detect_dataset(tmp_path / "packed.lmdb") == name


def test_otb_as_one_zip_file_for_each_sequence(tmp_path):
    root = otb100(tmp_path / "root")
    before = contents(load_dataset("otb100", root))
    for folder in root.iterdir():
        zip_folder(folder, tmp_path / "zips" / f"{folder.name}.zip", folder.name)
    assert contents(load_dataset("otb100", tmp_path / "zips")) == before


def test_lasot_marks_absent_frames_and_counts_pixels_from_1(tmp_path):
    root = lasot(tmp_path)
    first = load_dataset("lasot", root, DatasetOptions("test"))[0]
    assert (first.name, first.label) == ("airplane-1", "airplane")
    assert first.boxes[0].tolist() == [10, 20, 30, 40]
    assert first.hidden.tolist() == [False, True, True, False, False]
    assert (first.valid.tolist(), first.visible.tolist()) == ([0, 1, 2, 3, 4], [0, 3, 4])
    assert load_dataset("lasot", root, DatasetOptions("test", keep_one_based=True))[0].boxes[0].tolist() == [
        11,
        21,
        30,
        40,
    ]


def test_lasot_test_takes_the_test_videos_of_the_whole_set(tmp_path):
    lasot(tmp_path, ("airplane-1", "airplane-2", "atv-1"))
    assert load_dataset("lasot", tmp_path, DatasetOptions("test")).names == ["airplane-1"]
    assert load_dataset("lasot_ext", tmp_path).names == ["atv-1"]
    assert load_dataset("lasot_ext", tmp_path)[0].boxes[0, 0] == 11  # not known to count from 1


def test_otb_traps(tmp_path):
    found = by_name(load_dataset("otb100", otb100(tmp_path)))
    assert len(found) == 10
    assert (numbers(found["David"])[0], len(found["David"])) == (300, 471)
    assert (numbers(found["BlurCar3"])[0], len(found["BlurCar3"])) == (3, 357)
    assert found["BlurCar3"].boxes[-1].tolist() == [10, 20, 30, 40]  # the line with spaces
    assert found["Board"].frames[0].name == "00001.jpg"
    assert np.isnan(found["Board"].boxes[-1]).all()  # 0,0,0,0
    assert len(found["Board"].valid) == 697
    assert (numbers(found["Tiger1"])[0], len(found["Tiger1"])) == (6, 349)
    assert found["Tiger1"].boxes[0, 0] == 15  # the box of frame 6
    assert len(found["Football1"]) == 74  # of 81 pictures
    for name in ("Jogging", "Skating2"):
        one, two = found[f"{name}_1"], found[f"{name}_2"]
        assert list(one.frames) == list(two.frames)
        assert (one.boxes[0, 0], two.boxes[0, 0]) == (10, 49)
    assert "Human4_1" not in found
    assert found["Human4_2"].boxes[0, 0] == 49
    assert found["David"].label == "face"


def test_uav_parts_of_videos_and_absent_targets(tmp_path):
    found = by_name(load_dataset("uav123", uav123(tmp_path)))
    assert {name: (numbers(s)[0], numbers(s)[-1]) for name, s in found.items()} == {
        "bird1_1": (1, 253),
        "bird1_2": (775, 1477),
        "bird1_3": (1573, 2437),
        "uav2": (1, 133),
    }
    away = found["uav2"]
    assert np.flatnonzero(np.isnan(away.boxes).any(1)).tolist() == [100, 101, 102]
    assert away.boxes[0].tolist() == [10, 20, 30, 40]
    assert away.label == "aircraft"
    assert DATASETS["uav123"].prefix == "uav_"


def test_nfs_in_both_layouts_and_speeds(tmp_path):
    prepared = by_name(load_dataset("nfs", nfs(tmp_path / "a")))
    assert (len(prepared["bee"]), len(prepared["car_jumping"])) == (45, 21)  # a box less than pictures
    assert prepared["bee"].boxes[0].tolist() == [11, 21, 30, 40]
    root = nfs_published(tmp_path / "b")
    slow, fast = load_dataset("nfs", root)[0], load_dataset("nfs", root, DatasetOptions("240fps"))[0]
    assert (len(slow), len(fast)) == (45, 359)
    assert slow.boxes[2].tolist() == [27, 21, 30, 40]  # every eighth box, from corners
    assert np.isnan(slow.boxes[1]).all()  # lost
    assert np.flatnonzero(np.isnan(fast.boxes[:, 0])).tolist() == [8]
    assert detect_dataset(root) == "nfs"


def test_tc128_takes_its_frames_from_a_file(tmp_path):
    root = tc128(tmp_path)
    found = by_name(load_dataset("tc128", root))
    assert (numbers(found["Bolt"])[0], len(found["Bolt"])) == (7, 14)
    assert found["Bolt"].boxes[0].tolist() == [10, 20, 30, 40]
    assert load_dataset("tc128", root, DatasetOptions("ce")).names == ["Airport_ce"]


def test_avist_keeps_its_marks_in_folders_of_their_own(tmp_path):
    found = load_dataset("avist", avist(tmp_path))
    assert found.names == ["air_show", "zebra_in_water"]
    assert found[0].visible.tolist() == [0, 3, 4]
    assert found[0].frames[0].name == "img_00001.jpg"
    assert found[0].boxes[0].tolist() == [11, 21, 30, 40]


def test_tnl2k_pairs_pictures_and_boxes_in_the_order_of_numbers(tmp_path):
    found = by_name(load_dataset("tnl2k", tnl2k(tmp_path), DatasetOptions("test")))
    assert [frame.name for frame in found["Bird_28-Done"].frames][:3] == ["img8.jpg", "img9.jpg", "img10.jpg"]
    assert found["INF_bike"].boxes[:, 0].tolist() == [11, 12, 13, 14, 15]


def test_only_the_first_box_is_given(tmp_path):
    found = load_dataset("trackingnet", trackingnet(tmp_path), DatasetOptions("test"))
    assert [frame.name for frame in found[0].frames] == [f"{number}.jpg" for number in range(11)]
    assert found[0].boxes[0].tolist() == [11, 21, 30, 40]
    assert np.isnan(found[0].boxes[1:]).all()


def test_test_videos_of_trackingnet_are_packed_beside_the_training_parts(tmp_path):
    root = trackingnet(tmp_path / "root")
    packed = pack(root, tmp_path / "test_alone")
    assert [path.name for path in packed.databases] == ["TEST_lmdb"]
    assert detect_dataset(tmp_path / "test_alone") == "trackingnet"
    frames(root / "TRAIN_3" / "frames" / "a_0", 0, 1, "{}.jpg")
    text(root / "TRAIN_3" / "anno" / "a_0.txt", rows(2))
    pack(root, tmp_path / "both")
    assert (tmp_path / "both" / "seq_list.json").read_text() == '[[3, "a_0"]]'
    assert list(load_dataset("trackingnet", tmp_path / "both").names) == ["a_0"]
    plain = load_dataset("trackingnet", root, DatasetOptions("test"))
    for place in ("test_alone", "both"):
        found = load_dataset("trackingnet", tmp_path / place, DatasetOptions("test"))
        assert found.names == plain.names
        assert [frame.name for frame in plain[0].frames] == [frame.key.split("/")[-1] for frame in found[0].frames]
        assert read_bytes(found[0].frames[10]) == plain[0].frames[10].read_bytes()


def test_got10k_val_knows_covered_targets(tmp_path):
    found = load_dataset("got10k", got10k_val(tmp_path), DatasetOptions("val"))
    assert (found.names, found[0].label) == (["GOT-10k_Val_000007"], "bear")
    assert found[0].visible.tolist() == [0, 1, 3]


def test_ids_and_exclude_choose_from_the_list(tmp_path):
    root = uav123(tmp_path / "root")
    text(tmp_path / "ids.txt", "uav2\nbird1_1\n")
    text(tmp_path / "out.txt", "uav2\n")
    assert load_dataset("uav123", root, DatasetOptions(ids=tmp_path / "ids.txt")).names == ["uav2", "bird1_1"]
    assert load_dataset("uav123", root, DatasetOptions(exclude=tmp_path / "out.txt")).names == [
        "bird1_1",
        "bird1_2",
        "bird1_3",
    ]


def test_a_users_own_folder_is_not_taken_for_a_benchmark(tmp_path):
    frames(tmp_path / "girl" / "img", 1, 3, "{:08d}.jpg")  # the name of a sequence of VOT
    text(tmp_path / "girl" / "groundtruth.txt", rows(3))
    assert detect_dataset(tmp_path) is None
    assert [s.name for s in read_any(tmp_path)] == ["girl"]
