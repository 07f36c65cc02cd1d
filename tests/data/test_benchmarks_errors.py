"""Half-downloaded test sets: nothing is left out silently."""

import logging
import pickle

import pytest

from mixformer.data import DatasetOptions, load_dataset, missing_sequences
from mixformer.data.checks import Options, check
from mixformer.errors import DataError
from tests.helpers.benchmark_makers import (
    MAKERS,
    avist,
    got10k_test,
    lasot,
    nfs_published,
    otb100,
    tc128,
    text,
    tnl2k,
    uav123,
)


def fails(name, root, split="test", sequence=0):
    found = load_dataset(name, root, DatasetOptions(split))
    with pytest.raises(DataError) as caught:
        found[sequence if isinstance(sequence, int) else found.names.index(sequence)]
    return str(caught.value)


def test_a_missing_picture_is_named(tmp_path):
    root = uav123(tmp_path)
    folder = root / "data_seq" / "UAV123" / "bird1"
    (folder / "000800.jpg").unlink()
    (folder / "000801.jpg").unlink()
    message = fails("uav123", root, sequence="bird1_2")
    assert f"bird1_2: {folder} lacks 2 of 703 pictures, the first is number 800; unpack or download" in message
    assert len(load_dataset("uav123", root)[0]) == 253  # the other parts are whole


def test_no_pictures_at_all(tmp_path):
    root = lasot(tmp_path)
    for picture in (root / "zebra" / "zebra-10" / "img").iterdir():
        picture.unlink()
    assert "lacks 5 of 5 pictures, the first is number 1;" in fails("lasot", root, sequence="zebra-10")


def test_a_broken_line_names_file_and_line(tmp_path):
    root = otb100(tmp_path)
    truth = root / "Football1" / "groundtruth_rect.txt"
    lines = truth.read_text().splitlines()
    truth.write_text("\n".join([*lines[:9], "1,2,x,4", *lines[10:]]))
    assert f"Football1: {truth}, line 10: not a number in '1,2,x,4'" in fails("otb100", root, sequence="Football1")
    text(tmp_path / "n" / "bee" / "30" / "bee.txt", "0 1 2 3\n")
    assert "line 1: needs seven numbers first, found '0 1 2 3'" in fails("nfs", tmp_path / "n", "30fps")


def test_counts_that_differ_from_the_list(tmp_path):
    root = otb100(tmp_path)
    (root / "David" / "groundtruth_rect.txt").write_text("1,2,3,4\n" * 400)
    assert "holds 400 boxes, but the sequence has 471 frames" in fails("otb100", root, sequence="David")
    (root / "David" / "groundtruth_rect.txt").write_text("\n")
    assert "groundtruth_rect.txt holds no boxes" in fails("otb100", root, sequence="David")


def test_more_pictures_than_boxes_is_a_warning(tmp_path, caplog):
    root = tnl2k(tmp_path)
    (root / "INF_bike" / "imgs" / "00013.png").touch()
    found = load_dataset("tnl2k", root, DatasetOptions("test"))
    with caplog.at_level(logging.WARNING):
        assert len(found[found.names.index("INF_bike")]) == 5
    assert "imgs has 1 picture without a box, the first is 00013.png" in caplog.text


def test_marks_that_are_missing_or_too_few(tmp_path):
    root = lasot(tmp_path / "a")
    marks = root / "airplane" / "airplane-1" / "out_of_view.txt"
    marks.write_text("0,1,0")
    assert f"airplane-1: {marks} holds 3 marks for 5 boxes" in fails("lasot", root)
    marks.write_text("0,1,?,0,0")
    assert f"{marks}: could not convert" in fails("lasot", root)
    marks.unlink()
    assert f"{marks} is not there" in fails("lasot", root)
    root = avist(tmp_path / "b")
    (root / "full_occlusion" / "air_show_full_occlusion.txt").unlink()
    assert "full_occlusion/air_show_full_occlusion.txt is not there" in fails("avist", root)


def test_the_file_of_frames_of_tc128(tmp_path):
    root = tc128(tmp_path)
    path = root / "Airport_ce" / "Airport_ce_frames.txt"
    path.write_text("1 to 12")
    assert "Airport_ce_frames.txt beside its boxes needs two numbers such as 1,200, found '1 to 12'" in fails(
        "tc128", root
    )
    path.unlink()
    assert "Airport_ce_frames.txt beside its boxes is not there" in fails("tc128", root)


def test_first_box_alone_needs_every_picture(tmp_path):
    root = got10k_test(tmp_path)
    (root / "test" / "GOT-10k_Test_000001" / "00000003.jpg").unlink()
    assert "GOT-10k_Test_000001 lacks 1 of 5 pictures, the first is number 3" in fails("got10k", root)


def test_a_split_that_is_not_there(tmp_path):
    root = got10k_test(tmp_path)
    with pytest.raises(DataError, match=r"no got10k val sequences in .*; looked for train/list.txt"):
        load_dataset("got10k", root, DatasetOptions("val"))
    with pytest.raises(DataError, match="no nfs 240fps sequences"):
        load_dataset("nfs", MAKERS["nfs"][0](tmp_path / "b"), DatasetOptions("240fps"))


def test_a_list_is_needed_to_miss_something(tmp_path):
    found = load_dataset("lasot", lasot(tmp_path), DatasetOptions("all"))
    assert missing_sequences("lasot", "all", found) == ([], 0)


@pytest.mark.parametrize("name", MAKERS)
def test_sets_travel_to_worker_processes(tmp_path, name):
    make, split = MAKERS[name]
    found = load_dataset(name, make(tmp_path), DatasetOptions(split))
    copy = pickle.loads(pickle.dumps(found))
    assert copy[0].boxes.tobytes() == found[0].boxes.tobytes()
    assert list(copy[0].frames) == list(found[0].frames)


def test_check_says_what_is_missing_and_goes_on(tmp_path):
    root = nfs_published(tmp_path)
    found = list(check(root))
    summary, problems = found[0]
    assert summary is None
    assert (problems[0].sequence, problems[0].level) == ("nfs", "error")
    assert problems[0].text.startswith("99 of 100 sequences are not there: Gymnastics, MachLoop_jet")
    assert problems[0].text.endswith("and 89 more")
    assert [s.name for s, _ in found if s] == ["bee"]


def test_check_of_a_split_by_name(tmp_path):
    root = lasot(tmp_path)
    found = list(check(root, Options(name="lasot", split="test")))
    assert found[0][1][0].text.startswith("278 of 280 sequences are not there: airplane-9")
    assert [s.visible for s, _ in found if s] == [3, 3]
