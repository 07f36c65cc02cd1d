"""A data set of one's own is added in three places: a list, its description, and the call that registers it."""

import pytest
from PIL import Image

from mixformer.data import (
    DATASETS,
    BenchmarkSplit,
    DatasetOptions,
    SequenceLayout,
    benchmark,
    detect_dataset,
    load_dataset,
    read_list,
    register_dataset,
)
from mixformer.data.checks import check
from mixformer.data.datasets.registry import _SPECS
from mixformer.errors import DataError


@pytest.mark.parametrize("text", [None, "folder\ncat\n", "name,first\ncat,one\n"])
def test_a_list_of_another_form_is_an_error_of_the_data(tmp_path, text):
    if text is not None:
        (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=r"list\.csv is not a CSV file of sequences"):
        read_list(tmp_path / "list.csv")


def test_a_list_of_a_spreadsheet_is_read(tmp_path):
    """It begins with a byte order mark, and rows may be short."""
    (tmp_path / "list.csv").write_bytes("\ufeffname,label,attributes\ncat\n".encode())
    assert [(each.name, each.label, each.attributes) for each in read_list(tmp_path / "list.csv")] == [("cat", "", ())]


@pytest.fixture
def toy(tmp_path):
    """A registered data set of two sequences, and a folder that holds one of them."""
    (tmp_path / "toy.csv").write_text("name,label\ncat,animal\ndog,animal\n")  # place 1: the list of sequences
    layout = SequenceLayout("boxes/{name}.csv", "videos/{name}", first_number=0, pixel_origin=1)  # place 2: the files
    splits = {"test": BenchmarkSplit("2 sequences", tmp_path / "toy.csv", (layout,))}
    spec = benchmark("toy", "Toy set", "boxes/NAME.csv and videos/NAME/0.png ...", splits)
    register_dataset(spec)  # place 3: the table
    root = tmp_path / "root"
    (root / "videos" / "cat").mkdir(parents=True)
    (root / "boxes").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48), (80 * number, 0, 0)).save(root / "videos" / "cat" / f"{number}.png")
    (root / "boxes" / "cat.csv").write_text("11,21,20,10\n12,21,20,10\n13,21,20,10\n")
    yield root, spec
    del _SPECS["toy"]


def test_a_registered_data_set_is_found_read_checked_and_taken_once(toy, caplog):
    root, spec = toy
    assert DATASETS["toy"] is spec
    assert detect_dataset(root) == "toy"
    (sequence,) = load_dataset("toy", root)
    assert (sequence.name, sequence.label, len(sequence)) == ("cat", "animal", 3)
    assert sequence.boxes[0].tolist() == [10, 20, 20, 10]
    assert "1 of 2 sequences are not there: dog" in caplog.text
    assert load_dataset("toy", root, DatasetOptions(keep_one_based=True))[0].boxes[0, 0] == 11
    assert [summary.name for summary, _ in check(root) if summary] == ["cat"]
    with pytest.raises(DataError, match="called 'toy' already"):
        register_dataset(spec)
