"""Words and values that a careless person or a stranger writes."""

import json

import pytest

from mixformer import evaluate, load_dataset
from mixformer.cli import main
from mixformer.errors import BoxError, ConfigError, DataError, MixFormerError
from mixformer.files import parse_json, read_json_file, read_text_file
from mixformer.imaging.boxes import parse_box, read_box
from mixformer.run import read_jobs
from mixformer.training.metric_logger import MetricLogger, read_log
from mixformer.video import read_targets
from mixformer.weights.model_folder import read_folder


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
