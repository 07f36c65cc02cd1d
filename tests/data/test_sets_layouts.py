"""Every known set, read from a miniature copy as folders, zip files and LMDB databases."""

import shutil

import numpy as np
import pytest

from mixformer.data import DatasetOptions, detect_dataset, load_dataset, read_any
from mixformer.data.datasets.archive_packing import pack
from mixformer.data.sequence import read_frame
from mixformer.errors import DataError, OutputError
from tests.helpers.miniatures import FRAMES, MAKERS, boxes, got10k, trackingnet, zip_folder

EXPECTED = {  # names, labels, and frames in which the target of the second sequence is visible
    "lasot": (["bear-1", "bear-2", "cat-1"], ["bear", "bear", "cat"], [0, 3]),
    "got10k": ([f"GOT-10k_Train_00000{i}" for i in (1, 2, 3)], ["thing 0", "thing 1", "thing 2"], [0, 3]),
    "trackingnet": (["a_0", "b_1", "c_0"], [""] * 3, [0, 2, 3]),
    "coco": (["500", "501", "502"], ["kind 9", "kind 8", "kind 7"], [0]),
    "vid": ([f"ILSVRC2015_train_00001000/{i}" for i in (0, 1, 2)], ["n01", "n00", "n01"], [0, 2, 3]),
    "tnl2k": (["advSamp", "baby", "zoo"], [""] * 3, [0, 1, 2, 3]),
}


def contents(sequences):
    """All that a sequence is, with its pictures."""
    return [
        (s.name, s.source, s.label, s.boxes.tobytes(), s.visible.tolist(), [read_frame(f).tobytes() for f in s.frames])
        for s in sequences
    ]


@pytest.mark.parametrize("name", MAKERS)
def test_folders(tmp_path, name):
    root = MAKERS[name](tmp_path / "root")
    found = load_dataset(name, root)
    names, labels, visible = EXPECTED[name]
    assert [s.name for s in found] == list(found.names) == names
    assert [s.label for s in found] == labels
    assert found[1].visible.tolist() == visible
    assert {s.source for s in found} == {name}
    assert [s.is_still for s in found] == [name == "coco", name == "coco", name in ("coco", "vid")]
    assert detect_dataset(root) == name
    assert contents(read_any(root)) == contents(found)


@pytest.mark.parametrize("name", ["lasot", "got10k", "trackingnet", "tnl2k"])
def test_boxes_belong_to_their_frames(tmp_path, name):
    for number, sequence in enumerate(load_dataset(name, MAKERS[name](tmp_path / "root"))):
        assert len(sequence) == FRAMES
        for frame in range(FRAMES):
            red, green, _ = read_frame(sequence.frames[frame])[0, 0].tolist()
            assert (abs(red - 40 * number) < 4, abs(green - 40 * frame) < 4) == (True, True)
            if frame in sequence.valid:
                assert list(sequence.box(frame)) == boxes(number)[frame]


def test_a_hidden_target_may_have_a_valid_box(tmp_path):
    sequence = load_dataset("lasot", MAKERS["lasot"](tmp_path))[1]
    assert sequence.valid.tolist() == [0, 1, 2, 3]
    assert np.isnan(load_dataset("trackingnet", trackingnet(tmp_path / "t"))[1].boxes[1]).all()


def test_a_track_of_vid_ends_where_its_object_is_missing(tmp_path):
    first, whole, last = load_dataset("vid", MAKERS["vid"](tmp_path))
    assert [len(s) for s in (first, whole, last)] == [2, 4, 1]
    assert read_frame(last.frames[0])[0, 0, 1] > 110  # the last frame of the video
    assert last.boxes.tolist() == [boxes(1)[3]]


@pytest.mark.parametrize("name", MAKERS)
def test_lmdb_databases_hold_the_same(tmp_path, name):
    root = MAKERS[name](tmp_path / "root")
    before = contents(load_dataset(name, root))
    packed = pack(root, tmp_path / "packed.lmdb")
    assert packed.name == name
    assert all((path / "data.mdb").is_file() for path in packed.databases)
    shutil.rmtree(root)
    assert detect_dataset(tmp_path / "packed.lmdb") == name
    assert contents(load_dataset(name, tmp_path / "packed.lmdb")) == before


OFFICIAL_KEYS = {
    "lasot": ["bear/bear-1/groundtruth.txt", "bear/bear-1/full_occlusion.txt", "cat/cat-1/img/00000004.jpg"],
    "got10k": [
        "train/list.txt",
        *(f"train/GOT-10k_Train_000001/{n}" for n in ("absence.label", "cover.label", "meta_info.ini", "00000001.jpg")),
    ],
    "coco": ["annotations/instances_train2017.json", "images/train2017/000000000001.jpg"],
    "vid": ["cache.json", "Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000/000003.JPEG"],
}


@pytest.mark.parametrize("name", OFFICIAL_KEYS)
def test_keys_are_the_official_ones(tmp_path, name):
    import lmdb

    pack(MAKERS[name](tmp_path / "root"), tmp_path / "packed")
    with lmdb.open(str(tmp_path / "packed"), readonly=True, lock=False) as database, database.begin() as transaction:
        for key in OFFICIAL_KEYS[name]:
            assert transaction.get(key.encode()), key


def test_parts_of_trackingnet_are_packed_one_by_one(tmp_path):
    root = trackingnet(tmp_path / "root")
    pack(root, tmp_path / "packed")
    assert (tmp_path / "packed" / "seq_list.json").read_text() == '[[0, "a_0"], [0, "b_1"], [2, "c_0"]]'
    for place in (root, tmp_path / "packed"):
        assert list(load_dataset("trackingnet", place, DatasetOptions(chunks=(2,))).names) == ["c_0"]
        with pytest.raises(DataError, match=r"no TRAIN_7; found TRAIN_0, TRAIN_2"):
            load_dataset("trackingnet", place, DatasetOptions(chunks=(0, 7)))


def test_a_database_grows_beyond_its_first_size(tmp_path, monkeypatch):
    monkeypatch.setattr("mixformer.data.datasets.archive_packing._FIRST_SIZE", 2**16)
    monkeypatch.setattr("mixformer.data.datasets.archive_packing._AT_ONCE", 2**10)
    root = MAKERS["lasot"](tmp_path / "root")
    (root / "bear" / "bear-1" / "nlp.txt").write_bytes(bytes(10**6))
    seen = []
    packed = pack(root, tmp_path / "packed", progress=lambda files, size: seen.append(files))
    assert packed.size > 10**6
    assert seen == list(range(1, packed.files + 1))


def test_zip_files(tmp_path):
    plain = MAKERS["lasot"](tmp_path / "lasot")
    for kind in ("bear", "cat"):
        zip_folder(plain / kind, tmp_path / "lasot_zip" / f"{kind}.zip", kind)
    shutil.copy(plain / "testing_set.txt", tmp_path / "lasot_zip")
    plain = MAKERS["coco"](tmp_path / "coco")
    zip_folder(plain / "train2017", tmp_path / "coco_zip" / "train2017.zip", "train2017")
    zip_folder(plain / "annotations", tmp_path / "coco_zip" / "annotations_trainval2017.zip", "annotations")
    plain = MAKERS["got10k"](tmp_path / "got10k")
    for number, below in ((1, ""), (2, "train"), (3, "")):
        name = f"GOT-10k_Train_00000{number}"
        folder = tmp_path / "got10k_zip" / "train_data"
        zip_folder(plain / "train" / name, folder / f"GOT-10k_Train_split_0{number}.zip", f"{below}/{name}".strip("/"))
    plain = MAKERS["trackingnet"](tmp_path / "trackingnet")
    for part, name, below in (("TRAIN_0", "a_0", ""), ("TRAIN_0", "b_1", "b_1"), ("TRAIN_2", "c_0", "frames/c_0")):
        zip_folder(plain / part / "frames" / name, tmp_path / "trackingnet_zip" / part / "zips" / f"{name}.zip", below)
        shutil.copytree(plain / part / "anno", tmp_path / "trackingnet_zip" / part / "anno", dirs_exist_ok=True)
    for name in ("lasot", "coco", "got10k", "trackingnet"):
        zipped = tmp_path / f"{name}_zip"
        assert detect_dataset(zipped) == name
        assert contents(load_dataset(name, zipped)) == contents(load_dataset(name, tmp_path / name)), name
        packed = pack(zipped, tmp_path / f"{name}_lmdb").databases
        assert packed
        assert contents(load_dataset(name, tmp_path / f"{name}_lmdb")) == contents(load_dataset(name, zipped)), name


def test_one_zip_file_of_a_whole_set(tmp_path):
    plain = MAKERS["lasot"](tmp_path / "plain")
    archive = zip_folder(plain, tmp_path / "lasot.zip")
    assert contents(read_any(archive)) == contents(load_dataset("lasot", plain))


def test_packing_replaces_when_asked_and_nothing_else(tmp_path):
    """A1's kind: one rule for databases too."""
    root, packed = got10k(tmp_path / "root"), tmp_path / "packed"
    pack(root, packed)
    before = (packed / "data.mdb").stat().st_ino
    with pytest.raises(OutputError, match="--overwrite"):
        pack(root, packed)
    with pytest.raises(DataError):
        pack(tmp_path, packed, "lasot", overwrite=True)
    assert (packed / "data.mdb").stat().st_ino == before
    pack(root, packed, overwrite=True)
    assert (packed / "data.mdb").stat().st_ino != before
    (packed / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"also holds notes\.txt"):
        pack(root, packed, overwrite=True)
    (packed / "data.mdb").unlink()
    with pytest.raises(OutputError, match="not a packed data set"):
        pack(root, packed, overwrite=True)
    (packed / "notes.txt").unlink()
    for _ in range(2):  # an empty folder is no result; then a set of several databases
        pack(trackingnet(tmp_path / "t"), packed, overwrite=True)
    assert {path.name for path in packed.iterdir()} == {"TRAIN_0_lmdb", "TRAIN_2_lmdb", "seq_list.json"}
    shutil.rmtree(packed)
    packed.mkdir()
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(DataError, match="none of lasot, got10k"):
        pack(tmp_path / "packed", tmp_path / "other")
    with pytest.raises(DataError, match="no data set called 'other'"):
        pack(root, tmp_path / "other", "other")
    with pytest.raises(DataError, match="no vid"):
        pack(root, tmp_path / "other", "vid")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packed", "root"]
