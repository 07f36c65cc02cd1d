"""Files of strangers: archives, checkpoints and annotations that are damaged or hostile (rows A6, C4, C5, C6, C10)."""

import contextlib
import io
import json
import pickle
import zipfile
from random import Random

import numpy as np
import pytest
from PIL import Image

from mixformer.data.annotated_folders import read_json, read_masked_objects, read_pictures, read_stills
from mixformer.data.archives import ZipArchive, list_sorted
from mixformer.data.frame_storage import ArchiveFrame, read_bytes
from mixformer.data.importers import IMPORTERS
from mixformer.data.importers.tracks import folder_name, whole_number
from mixformer.data.lmdb_file import LmdbArchive, _Page
from mixformer.data.sequence import has_area
from mixformer.data.storage import FolderStorage, read_text
from mixformer.errors import CheckpointError, DataError
from mixformer.weights.checkpoint_reader import read_checkpoint

NESTED = b"\x80\x02}(" + b")" + b"\x85" * 1_000_000 + b"K\x01u."
LAUGHS = b"\x80\x02}(" + b")" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60)) + b"K\x01u."
MEMO = b"\x80\x02]r\xff\xff\xff\x7f."


def in_zip(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", data)
    return file.getvalue()


def in_legacy(data):
    return b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})) + data


@pytest.mark.parametrize("form", [in_zip, in_legacy, bytes], ids=["zip", "legacy", "bare"])
@pytest.mark.parametrize("data", [NESTED, LAUGHS, MEMO], ids=["nested", "laughs", "memo"])
def test_a_pickle_bomb_is_a_checkpoint_error(tmp_path, data, form):
    """C4."""
    (tmp_path / "model.pth.tar").write_bytes(form(data))
    with pytest.raises(CheckpointError, match=r"no state dict|memo"):
        read_checkpoint(tmp_path / "model.pth.tar")


def test_a_small_checkpoint_cannot_describe_large_tensors(tmp_path):
    """C4: many records that show one storage."""
    import torch

    whole = torch.ones(10_000)
    torch.save({f"w{n}": whole for n in range(50)}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="describes tensors of"):
        read_checkpoint(tmp_path / "model.pth")


def test_a_database_that_is_cut_off_is_named(tmp_path):
    """C5: it was a SIGBUS."""
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(tmp_path), map_size=2**24) as database, database.begin(write=True) as transaction:
        for number in range(50):
            transaction.put(f"a/{number}.jpg".encode(), bytes(9000))
    file = tmp_path / "data.mdb"
    whole = file.read_bytes()
    assert len(LmdbArchive(tmp_path).listing("a")[1]) == 50
    for size in (0, 100, 4096, 9000, len(whole) // 2, len(whole) - 4096):
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match=str(tmp_path)):
            LmdbArchive(tmp_path)


def test_flipped_bytes_of_a_zip_name_archive_and_entry(tmp_path):
    """C6 (torture: zip:1:0)."""
    file = tmp_path / "set.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/groundtruth.txt", "1,2,3,4\n" * 1000)
    data = bytearray(file.read_bytes())
    data[50:60] = b"\xff" * 10
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"a/groundtruth\.txt of .*set\.zip"):
        ZipArchive(file).read("a/groundtruth.txt")


def test_an_entry_must_not_unpack_to_far_more_than_it_takes(tmp_path):
    """C6: 480 MB in 0.5 MB."""
    file = tmp_path / "set.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", bytes(80 * 2**20))
    with pytest.raises(DataError, match="MB unpack to 84 MB"):
        ZipArchive(file).read("a.json")


def pictures(folder, count=3):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (32, 24)).save(folder / f"{number}.jpg")


def coco_vid(folder, name="images/0.jpg", frame=0):
    content = {
        "videos": [{"id": 1, "name": "a"}],
        "images": [
            {"id": 1, "video_id": 1, "frame_id": frame, "file_name": name},
            {"id": 2, "video_id": 1, "frame_id": 1, "file_name": "images/1.jpg"},
        ],
        "annotations": [{"id": n, "image_id": n, "instance_id": 1, "bbox": [1, 2, 3, 4]} for n in (1, 2)],
    }
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.jpg", "images/link.jpg", "a\0b", "", 3])
def test_a_picture_must_lie_below_the_folder_of_pictures(tmp_path, name):
    """A6: also by a link."""
    pictures(tmp_path / "set" / "images")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "set" / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(DataError):
        IMPORTERS["coco-vid"](coco_vid(tmp_path / "set", name), None)
    if isinstance(name, str) and "\0" not in name:
        box = '<box xtl="1" ytl="1" xbr="9" ybr="9"/>'
        (tmp_path / "set" / "a.xml").write_text(f'<annotations><image name="{name}">{box}</image></annotations>')
        with pytest.raises(DataError):
            IMPORTERS["cvat"](tmp_path / "set" / "a.xml", tmp_path / "set")


def test_numbers_of_frames_are_bounded_by_the_pictures(tmp_path):
    """C6: frame 2e9 of COCO-VID and 30 million of CVAT ended never."""
    pictures(tmp_path / "images")
    (found,) = IMPORTERS["coco-vid"](coco_vid(tmp_path, frame=2_000_000_000), None)
    assert len(found) == 2
    boxes = "".join(f'<box frame="{n}" xtl="1" ytl="1" xbr="9" ybr="9" outside="0"/>' for n in (0, 30_000_000))
    (tmp_path / "a.xml").write_text(f'<annotations><track id="0" label="x">{boxes}</track></annotations>')
    (found,) = IMPORTERS["cvat"](tmp_path / "a.xml", None)
    assert len(found) == 3


@pytest.mark.parametrize("line", [b"inf,1,2,3,4,5,1", b"nan,1,2,3,4,5,1", b"1,1e300,2,3,4,5,1", b"1,1,2,\xff,4,5,1"])
def test_odd_numbers_in_mot_name_the_line(tmp_path, line):
    """C10 (torture: mot:1:3, mot:1:5)."""
    pictures(tmp_path / "img1")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_bytes(line + b"\n")
    with pytest.raises(DataError, match=r"gt\.txt[,:] line 1"):
        IMPORTERS["mot"](tmp_path, None)
    (tmp_path / "seqinfo.ini").write_bytes(b"[Sequence]\nimDir=im\xffg\n")
    with pytest.raises(DataError):
        IMPORTERS["mot"](tmp_path, None)


def test_names_and_numbers_of_annotations():
    """C10."""
    assert len(folder_name("y" * 70_000)) == 120
    assert whole_number("12", "a frame") == 12
    for value in ("9" * 5000, "x", None, True, 1.5, "inf", [], 10**30):
        with pytest.raises(ValueError, match=r"no whole number|could not convert"):
            whole_number(value, "a frame")


def _database(folder, entries):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(folder), map_size=2**26, lock=False) as database, database.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    return folder / "data.mdb"


def _entries(count=900):
    random = Random(4)
    sizes = (0, 1, 40, 1500, 2100, 9000)
    return {
        f"{random.choice('abé')}{random.randrange(9)}/img/{n:05d}.jpg": random.randbytes(sizes[n % 6])
        for n in range(count)
    } | {"top.txt": b"x"}


def test_a_database_reads_as_lmdb_itself_does(tmp_path):
    """C5: our reader finds the same entries and lists, whatever their size and order."""
    entries = _entries()
    _database(tmp_path, entries)
    archive = LmdbArchive(tmp_path)
    assert {key: archive.read(key) for key in entries} == entries
    for key in ("a0", "a0/img", "zz", "", "top.txt0", "a0/img/00000.jpg0", "\udcff"):
        assert archive.read(key) is None
    for folder in ("", "a0", "b3/img", "é1/img", "nowhere"):
        folders, files = archive.listing(folder)
        assert (sorted(folders), sorted(files)) == list_sorted(sorted(entries), folder)


def test_no_damage_to_a_database_ends_the_process(tmp_path):
    """Torture row 13 (C5): cut, flipped, exchanged and invented pages give entries or a DataError, and nothing else."""
    entries = _entries(300)
    file = _database(tmp_path, entries)
    whole, random, refused = file.read_bytes(), Random(13), 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(random.choice((1, 1, 3, 20))):
            at, kind = random.randrange(len(data)), random.randrange(4)
            page = random.randrange(len(data) // 4096) * 4096
            if kind == 0:
                data[at] ^= 1 << random.randrange(8)
            elif kind == 1:
                at -= at % 8
                data[at : at + 8] = random.choice((0, 1, 2**16, 2**32, 2**63, 2**64 - 1)).to_bytes(8, "little")
            elif kind == 2:
                data[page : page + 4096] = random.choice((bytes(4096), random.randbytes(4096), data[8192:12288]))
            else:
                data[page + 10 : page + 16] = random.randbytes(6)
        file.write_bytes(data[: len(data) - random.choice((0, 0, 0, 4096, 100))])
        refused += 1
        with contextlib.suppress(DataError):
            archive = LmdbArchive(tmp_path)
            archive.listing("a0/img")
            for key in list(entries)[::17]:
                archive.read(key)
            refused -= 1
    assert refused > 100


def test_pages_that_lead_in_a_circle_are_an_error(tmp_path):
    """C5: a branch that names itself as a child."""
    file = _database(tmp_path, _entries())
    data = bytearray(file.read_bytes())
    branches = [at for at in range(8192, len(data), 4096) if data[at + 10] == 1 and data[at + 11] == 0]
    for at in branches:
        for place in range(16, int.from_bytes(data[at + 12 : at + 14], "little"), 2):
            node = at + int.from_bytes(data[at + place : at + place + 2], "little")
            data[node : node + 4] = (at // 4096).to_bytes(4, "little")
    file.write_bytes(data)
    assert branches
    with pytest.raises(DataError, match="a page is damaged"):
        LmdbArchive(tmp_path).listing("a0/img")


def test_branches_that_share_their_children_are_an_error(tmp_path):
    """A dozen pages led to one leaf 30 to the tenth times, and all its keys came before the wanted one."""
    _database(tmp_path, _entries(9))
    archive = LmdbArchive(tmp_path)
    keys = [b"", *(b"z%02d" % number for number in range(29))]
    leaf, archive._root = _Page(True, [b"a"], [(1, b"x")]), 2
    archive._page = lambda number: _Page(False, keys, [(number + 1, None)] * 30) if number < 12 else leaf
    with pytest.raises(DataError, match="a page is damaged"):
        archive.read("b")


def test_no_entry_of_a_database_leads_out_of_it(tmp_path):
    _database(tmp_path, {"../evil/groundtruth.txt": b"1,1,2,2"})
    with pytest.raises(DataError, match="leads to another folder"):
        LmdbArchive(tmp_path).listing("")


def test_a_replaced_archive_is_read_anew(tmp_path):
    """Torture row 34: what stays open by its path must not be the file of before."""
    for content in (b"first", b"second"):
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
            archive.writestr("a.txt", content)
        (tmp_path / "new.zip").replace(tmp_path / "set.zip")
        assert read_bytes(ArchiveFrame(tmp_path / "set.zip", "a.txt")) == content
    for number in (1, 2):
        file = _database(tmp_path / f"{number}", {"a": bytes([number])})
        (tmp_path / "set").mkdir(exist_ok=True)
        file.replace(tmp_path / "set" / "data.mdb")
        assert read_bytes(ArchiveFrame(tmp_path / "set", "a")) == bytes([number])


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../secret.png", "", "a\0b", 7, None])
def test_own_formats_name_files_below_their_folder_alone(tmp_path, name):
    """A6: annotations.json, a JSON list of sequences, and the keys of any layout."""
    home = tmp_path / "set"
    home.mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "secret.png")
    items = {"items": [{"file": name, "w": 40, "h": 40, "objects": [{"box": [5, 5, 20, 20]}]}]}
    (home / "annotations.json").write_text(json.dumps(items))
    for read in (read_stills, read_pictures, read_masked_objects):
        with pytest.raises(DataError, match=r"annotations\.json"):
            read(home)
    for entry in ({"frames": [name]}, {"video": name}):
        (home / "list.json").write_text(json.dumps({"sequences": [{"name": "a", "boxes": [[1, 2, 3, 4]], **entry}]}))
        with pytest.raises(DataError, match=r"list\.json"):
            read_json(home / "list.json")[0]
    if isinstance(name, str) and name:
        with pytest.raises(DataError, match=r"not a file name|not below"):
            FolderStorage(home).read(name)


def test_a_text_that_is_no_annotation_is_not_parsed(tmp_path):
    """Torture row 35 (C6): 60 MB of zeros took 1.3 GB."""
    (tmp_path / "groundtruth.txt").write_bytes(b"9" * (16 * 2**20 + 1))
    with pytest.raises(DataError, match="too much for an annotation"):
        read_text(FolderStorage(tmp_path), "groundtruth.txt")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("names", "said"), [(["a/1.jpg", "b", "a/1.jpg"], "a/1.jpg twice"), (["a/../../1.jpg"], "leads to another folder")]
)
def test_an_archive_that_says_two_things_is_refused(tmp_path, names, said):
    """The last of two entries of one name was read, and `../evil/` was a sequence."""
    with zipfile.ZipFile(tmp_path / "bear.zip", "w") as file:
        for name in names:
            file.writestr(name, name)
    with pytest.raises(DataError, match=said):
        ZipArchive(tmp_path / "bear.zip")


def test_boxes_beyond_any_picture_are_none():
    """1e308 was the side of a target, in data sets alone."""
    boxes = np.array([[1.0, 2, 3, 4], [1e308] * 4, [0, 0, 1e7, 1e7], [-2e7, 0, 5, 5], [np.nan] * 4, [1, 1, np.inf, 1]])
    assert has_area(boxes).tolist() == [True, False, True, False, False, False]
