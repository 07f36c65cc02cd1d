"""What the readers of known sets say about wrong folders, and how they go on without what is broken."""

import json
import logging
import sys

import numpy as np
import pytest

from mixformer.data import DATASETS, DatasetOptions, load_dataset, read_any
from mixformer.data.datasets.archive_packing import pack
from mixformer.data.datasets.sequence_files import index_frames
from mixformer.errors import DataError, MissingDependencyError
from tests.helpers.miniatures import MAKERS, boxes, coco, got10k, lasot, tnl2k, trackingnet, vid, zip_folder


@pytest.mark.parametrize("name", DATASETS)
def test_a_wrong_root_is_an_error_that_says_what_was_looked_for(tmp_path, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "file").write_text("")
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="looked for") as caught:
            load_dataset(name, root)
        assert str(root) in str(caught.value)
        assert DATASETS[name].layout[:20] in str(caught.value)
    with pytest.raises(DataError, match="file"):
        load_dataset(name, tmp_path / "file")


def test_names_splits_and_options_are_checked(tmp_path):
    root = lasot(tmp_path)
    with pytest.raises(DataError, match=r"no data set called 'other'\. The names are lasot, got10k"):
        load_dataset("other", root)
    with pytest.raises(DataError, match="no split 'val'; it has train, all, test"):
        load_dataset("lasot", root, DatasetOptions("val"))
    with pytest.raises(DataError, match="does not take 'chunks'; it takes split, exclude, ids, keep_one_based"):
        load_dataset("lasot", root, DatasetOptions(chunks=(1,)))


@pytest.mark.parametrize("name", ["lasot", "got10k", "trackingnet", "vid"])
def test_a_missing_frame_is_a_warning_once(tmp_path, caplog, name):
    root = MAKERS[name](tmp_path / "root")
    gone = sorted(path for path in root.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[2]
    gone.unlink()
    found = load_dataset(name, root)
    found.keep = 0
    with caplog.at_level(logging.WARNING):
        sequence = found[1] if name == "vid" else found[0]
        assert found[1 if name == "vid" else 0] is not sequence  # read twice, warned once
    assert len(sequence) == 3
    assert gone not in sequence.frames
    assert sequence.boxes.tolist() == [row for i, row in enumerate(boxes(0)) if i != 2]
    warnings = [r.getMessage() for r in caplog.records if sequence.name in r.getMessage()]
    assert len(warnings) == 1
    number = int(gone.stem)
    assert f"{gone.parent} lacks 1 of 4 pictures, the first is number {number}" in warnings[0]


@pytest.mark.parametrize(("gone", "rows"), [([9], [0, 2, 3]), ([9, 11], [0, 2]), ([11], [0, 1, 2]), ([8], [0, 1, 2])])
def test_gaps_in_the_numbers_of_ordered_pictures_tell_which_are_missing(tmp_path, caplog, gone, rows):
    """Where names only give an order; the last case cannot be told from a missing end."""
    root = tnl2k(tmp_path)
    for number in gone:
        (root / "TNL2K_train_subset" / "baby" / "imgs" / f"f_{number}.png").unlink()
    sequence = load_dataset("tnl2k", root)[1]
    assert sequence.boxes.tolist() == [boxes(1)[row] for row in rows]
    assert f"lacks {len(gone)} of 4 pictures" in caplog.text


def test_numbers_with_steps_and_names_without_numbers_keep_their_order():
    assert index_frames(["5.jpg", "0.jpg", "10.jpg"], None, 4) == {0: "0.jpg", 1: "5.jpg", 2: "10.jpg"}
    assert index_frames(["a.jpg", "b.jpg", "x.txt"], None, 9) == {0: "a.jpg", 1: "b.jpg"}
    assert index_frames(["a.jpg", "b3.jpg"], 1) == {2: "b3.jpg"}
    assert index_frames([], None, 3) == {}


def test_a_broken_line_is_a_warning_and_its_frame_left_out(tmp_path, caplog):
    root = got10k(tmp_path)
    truth = root / "train" / "GOT-10k_Train_000001" / "groundtruth.txt"
    truth.write_text("1,2,10,8\n1,2,ten,8\n1,4,10,8\n1,5,10\n")
    (root / "train" / "GOT-10k_Train_000003" / "cover.label").unlink()
    (root / "train" / "GOT-10k_Train_000003" / "absence.label").write_text("0 0 x 0")
    found = load_dataset("got10k", root)
    assert found[0].boxes[:, 1].tolist() == [2, 4]
    assert [frame.stem for frame in found[0].frames] == ["00000001", "00000003"]
    assert found[2].visible.tolist() == [0, 1, 2, 3]
    first, second = (record.getMessage() for record in caplog.records)
    assert f"{truth}, line 2: not a number in '1,2,ten,8', and 1 more" in first
    assert "absence.label: could not convert" in second
    assert "cover.label is not there" in second


def test_frames_without_boxes_are_left_out_except_in_test_splits(tmp_path, caplog):
    root = got10k(got10k(tmp_path), "test")
    truth = root / "train" / "GOT-10k_Train_000002" / "groundtruth.txt"
    truth.write_text("1,2,10,8\n1,3,10,8\n")
    assert len(load_dataset("got10k", root)[1]) == 2
    assert "has 2 pictures without a box, the first is 00000003.jpg" in caplog.text
    caplog.clear()
    test = load_dataset("got10k", root, DatasetOptions("test"))
    assert [len(sequence) for sequence in test] == [4, 4, 4]
    assert np.isnan(test[0].boxes[1:]).all()
    assert test[0].visible.tolist() == [0]
    assert [record.name for record in caplog.records] == ["mixformer.data.datasets.benchmarks"]  # 177 are absent


def test_a_set_without_a_single_frame_is_an_error_at_once(tmp_path):
    root = trackingnet(tmp_path)
    for picture in root.rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(DataError, match=r"none of the first sequences, such as a_0, has a picture with a box; looked"):
        load_dataset("trackingnet", root)
    for picture in vid(tmp_path / "vid").rglob("*.JPEG"):
        picture.unlink()
    with pytest.raises(DataError, match="pictures"):
        load_dataset("vid", tmp_path / "vid")


def test_lasot_is_split_by_the_lists_of_the_benchmark(tmp_path):
    root = lasot(tmp_path)
    (root / "testing_set.txt").write_text("bear-1\ncat-1\n")
    assert list(load_dataset("lasot", root).names) == ["bear-2"]
    assert len(load_dataset("lasot", root, DatasetOptions("all"))) == 3
    (root / "training_set.txt").write_text("cat-1\n")
    assert list(load_dataset("lasot", root).names) == ["cat-1"]
    for name in ("training_set.txt", "testing_set.txt"):
        (root / name).unlink()
    with pytest.raises(DataError, match="280 test videos cannot be left out"):
        load_dataset("lasot", root)
    (tmp_path / "mine").write_text("cat-1\nbear-1\n")
    assert list(load_dataset("lasot", root, DatasetOptions(ids=tmp_path / "mine")).names) == ["cat-1", "bear-1"]


def test_got10k_is_split_by_given_lists(tmp_path):
    root = got10k(got10k(tmp_path), "val")
    ids, out = tmp_path / "ids.txt", tmp_path / "out.txt"
    ids.write_text("0\n2\n")  # rows of list.txt, from 0
    out.write_text("2\n")  # numbers as in the names, from 1
    for split in ("train", "vottrain", "votval", "val"):
        found = load_dataset("got10k", root, DatasetOptions(split, ids=ids))
        assert list(found.names) == ["GOT-10k_Train_000001", "GOT-10k_Train_000003"]
    assert list(load_dataset("got10k", root, DatasetOptions("vottrain", exclude=out)).names) == list(found.names)
    out.write_text("GOT-10k_Train_000001\n")
    assert (
        list(load_dataset("got10k", root, DatasetOptions("vottrain", ids=ids, exclude=out)).names)
        == list(found.names)[1:]
    )
    assert load_dataset("got10k", root, DatasetOptions("val")).names[0] == "GOT-10k_Val_000001"
    assert len(load_dataset("got10k", root, DatasetOptions("train_full"))) == 3
    for split in ("vottrain", "votval"):
        with pytest.raises(DataError, match=f"{split} needs `ids`"):
            load_dataset("got10k", root, DatasetOptions(split))
    ids.write_text("3\n")
    with pytest.raises(DataError, match="names the sequence 3, which is not among the 3"):
        load_dataset("got10k", root, DatasetOptions("train", ids=ids))
    with pytest.raises(DataError, match="cannot read the list"):
        load_dataset("got10k", root, DatasetOptions("train", ids=tmp_path / "nowhere"))


@pytest.mark.parametrize("maker", [coco, vid])
def test_an_index_is_kept_and_made_anew_when_the_annotation_changes(tmp_path, maker, monkeypatch, caplog):
    root, name, cache = maker(tmp_path / "root"), maker.__name__, tmp_path / "cache"
    options = DatasetOptions(cache=cache)
    first = [s.boxes.tolist() for s in load_dataset(name, root, options)]
    (kept,) = cache.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr("mixformer.data.datasets.coco.parse_index", None)
        patched.setattr("mixformer.data.datasets.vid.from_xml", None)
        assert [s.boxes.tolist() for s in load_dataset(name, root, options)] == first
    kept.write_bytes(b"broken")
    assert [s.boxes.tolist() for s in load_dataset(name, root, options)] == first
    assert "made again" in caplog.text
    if maker is coco:
        truth = root / "annotations" / "instances_train2017.json"
        content = json.loads(truth.read_text())
        content["annotations"][0]["bbox"] = [0, 0, 0, 5]
        truth.write_text(json.dumps(content))
        changed = load_dataset(name, root, options)
        assert len(changed[0].visible) == 0
        assert np.isnan(changed[0].boxes).all()


def test_a_broken_annotation_file_is_named(tmp_path):
    root = coco(tmp_path / "coco")
    (root / "annotations" / "instances_train2017.json").write_text('{"images": []}')
    with pytest.raises(DataError, match=r"instances_train2017.json is not an instances file of COCO.*KeyError"):
        load_dataset("coco", root)
    root = vid(tmp_path / "vid")
    (root / "cache.json").write_text('[{"set_id": 1}]')
    with pytest.raises(DataError, match="not a list of ImageNet-VID tracks"):
        load_dataset("vid", root)
    track = {"set_id": 0, "vid_id": 1000, "class_name": "dog", "start_frame": 0, "anno": [[1, 2, 3, 4]] * 2}
    (root / "cache.json").write_text(json.dumps([track | {"target_visible": [True]}]))
    with pytest.raises(DataError, match=r"not a list of ImageNet-VID tracks.*2 boxes and 1 mark"):
        load_dataset("vid", root)
    root = trackingnet(tmp_path / "tracks")
    pack(root, tmp_path / "packed")
    (tmp_path / "packed" / "seq_list.json").write_text("[1]")
    with pytest.raises(DataError, match=r"seq_list\.json as a list"):
        load_dataset("trackingnet", tmp_path / "packed")


def test_a_broken_xml_file_splits_a_track(tmp_path, caplog):
    root = vid(tmp_path)
    (next(root.rglob("000002.xml"))).write_text("<annotation>")
    assert [len(sequence) for sequence in load_dataset("vid", root)] == [2, 2, 1, 1]
    assert "left out 1 file that cannot be parsed, such as 000002.xml" in caplog.text


def test_broken_archives_are_named(tmp_path):
    (tmp_path / "lasot.zip").write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"lasot\.zip as a zip file.*is the download complete"):
        read_any(tmp_path / "lasot.zip")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "data.mdb").write_bytes(bytes(9000))
    with pytest.raises(DataError, match="packed: it is not an LMDB database"):
        load_dataset("lasot", tmp_path / "packed")


def test_without_lmdb_the_install_command_is_named(tmp_path, monkeypatch):
    root = lasot(tmp_path / "root")
    pack(root, tmp_path / "packed")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mixformer\[lmdb\]'"):
        pack(root, tmp_path / "again")
    assert len(load_dataset("lasot", tmp_path / "packed")) == 3
    assert len(load_dataset("lasot", zip_folder(root, tmp_path / "all.zip"))) == 3


def test_nothing_known_lists_all_layouts(tmp_path):
    with pytest.raises(DataError, match="holds no sequences") as caught:
        read_any(tmp_path)
    assert all(known.layout in str(caught.value) for known in DATASETS.values())
    with pytest.raises(DataError, match="is not there"):
        read_any(tmp_path / "nowhere")
