"""Words and values that a careless person or a stranger writes."""

import json

import pytest

from mixformer import evaluate, load_dataset
from mixformer.annotation import AnnotatedVideo, import_annotations, read_keys
from mixformer.cli import main
from mixformer.errors import BoxError, ConfigError, DataError, MixFormerError
from mixformer.files import parse_json, read_json_file, read_text_file
from mixformer.imaging.boxes import parse_box, read_box
from mixformer.run import read_jobs
from mixformer.training.metric_logger import MetricLogger, read_log
from mixformer.video import read_targets
from mixformer.weights.model_folder import read_folder

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"box": [1, 2, 3, 4], "box": [5, 6, 7, 8]}', "the key 'box' is there twice"),
        ('[{"a": {"x": 1, "y": 2, "x": 1}}]', "the key 'x' is there twice"),
        ("[1e999]", "the number 1e999 is too large"),
        ("[-1E400]", "the number -1E400 is too large"),
        ('{"a": -Infinity}', "the number -Infinity is too large"),
    ],
)
def test_json_with_two_values_of_a_key_or_infinity_is_refused(text, said):
    """Python takes the last value, and infinity, and says nothing."""
    with pytest.raises(DataError, match=said):
        parse_json(text, "boxes.json")


def test_every_reader_of_json_refuses_a_key_that_is_there_twice(tmp_path, tiny_model):
    line = '{"source": "a.mp4", "box": [1, 2, 3, 4], "box": [5, 6, 7, 8]}'
    for name, text in (("jobs.json", f"[{line}]"), ("targets.jsonl", line)):
        (tmp_path / name).write_text(text)
    config = tmp_path / "config.json"
    config.write_text((tiny_model / "config.json").read_text().replace("{", '{"format": "x", "format": "y",', 1))
    with pytest.raises(ConfigError, match="'box' is there twice"):
        read_jobs(tmp_path / "jobs.json", tmp_path / "out")
    with pytest.raises(BoxError, match="'box' is there twice"):
        read_targets(tmp_path / "targets.jsonl")
    with pytest.raises(BoxError, match="'box' is there twice"):
        read_box(line)
    with pytest.raises(ValueError, match="'format' is there twice"):
        read_folder(tmp_path)


def test_a_device_without_an_end_is_no_text():
    """Four gigabytes of it were read before the first letter was looked at."""
    with pytest.raises(DataError, match="is no text"):
        read_text_file("/dev/zero")


def test_a_log_of_training_is_json_also_where_a_gradient_was_infinite(tmp_path):
    log = MetricLogger(tmp_path, 1, 1)
    log.note(3, {"loss": 0.5, "grad_norm": float("inf"), "iou": float("nan")})
    assert json.loads(log.path.read_text()) == {"step": 3, "loss": 0.5, "grad_norm": None, "iou": None}
    assert list(read_log(log.path)) == [{"step": 3, "loss": 0.5}]
    assert read_json_file(log.path)["step"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["annotate", "", "--keys", "k.csv"],
        ["annotate", "a.mp4", "--keys", "k.csv", "--to", "csv", "--out", ""],
        ["convert", "", "--out", "a"],
        ["data", "import", "mot", "", "out"],
        ["data", "check", ""],
        ["evaluate", "--root", ""],
        ["evaluate", "--root="],
        ["finetune", "", "--out", "a"],
        ["report", "results", "--out", ""],
        ["track", "a.mp4", "--box", "1", "2", "3", "4", "--json", ""],
        ["track-all", ""],
        ["web", ""],
    ],
)
def test_an_empty_path_is_not_the_current_folder(words, capsys):
    """B11: `evaluate --root "$UNSET"` measured on the current folder."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "is empty; give a path, or . for the current folder" in capsys.readouterr().err


@pytest.mark.parametrize("box", [{10, 30, 20, 25}, "1234", b"abcd", frozenset((1, 2, 3, 4)), {"x": 1, "y": 2, "w": 3}])
def test_four_numbers_in_no_order_are_no_box(box):
    """A set of four numbers was a box of any order, and a text of four digits one of four numbers."""
    with pytest.raises(BoxError, match="a box is four numbers"):
        parse_box(box)


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b"])
def test_a_root_that_cannot_be_is_a_typed_error(path, tiny_model, tmp_path):
    for call in (
        lambda: evaluate(tiny_model, root=path, out=tmp_path),
        lambda: load_dataset("lasot", path),
        lambda: load_dataset("custom", path),
    ):
        with pytest.raises(MixFormerError, match="not there"):
            call()


def test_numbers_of_targets_are_taken_as_they_are_written(tmp_path):
    """99999999999999999 became 100000000000000000, since a float holds 15 digits."""
    path = tmp_path / "t.csv"
    path.write_text("frame,id,x,y,w,h\n0,999999999999999999,1,2,30,40\n3.0,7,1,2,30,40\n")
    assert [(target.id, target.start) for target in read_targets(path)] == [(999999999999999999, 0), (7, 3)]
    for wrong in ("1e300", "99999999999999999999999", "1.5", "-1", "nan"):
        path.write_text(f"0,{wrong},1,2,30,40\n")
        with pytest.raises(BoxError, match="whole number of 0 or above"):
            read_targets(path)


@pytest.mark.parametrize("read", [read_targets, lambda path: read_keys(path, VIDEO)])
def test_a_file_of_millions_of_targets_ends_soon(tmp_path, read):
    """It took minutes, as each target was added to a copy of those before it."""
    path = tmp_path / "t.csv"
    path.write_text("".join(f"0,{number},10,30,20,20\n" for number in range(1, 200_000)))
    with pytest.raises(BoxError, match="line 10001: 10000 targets are before"):
        read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,1,10,30,20,20\n" * 100_000, "does not begin with a line of names"),
        ("frame,id,x,y,x,h\n", "does not begin with a line of names"),
        ("frame,id,x,y,w,h\n" + "0,1,10,30,20,20\n" * 100_000, "target 1 is there twice in frame 0"),
        ("frame,id,x,y,w,h\n" + "".join(f"{n},1,9,9,9,9\n" for n in range(100_000)), "frames 0 to 49, and no frame 50"),
    ],
)
def test_a_table_of_boxes_is_read_line_by_line(tmp_path, text, said, monkeypatch):
    """Ten million lines took two gigabytes and minutes before the first one was looked at."""
    path, lines = tmp_path / "b.csv", []
    path.write_text(text)
    monkeypatch.setattr("mixformer.annotation.formats.box_lines.whole_number", lambda v, _: lines.append(v) or int(v))
    with pytest.raises(DataError, match=said):
        import_annotations(path, "csv", VIDEO)
    assert len(lines) < 300
