"""Text, JSON and messages of strangers (rows C10 and C12 of the findings)."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixformer import Runtime, TrackerConfig
from mixformer.configs.model import ModelConfig
from mixformer.errors import BoxError, CheckpointError, ConfigError, DataError, OutputError
from mixformer.files import as_numbers, parse_json, places, read_json_file, read_text_file, write_text
from mixformer.training.recipe import Recipe
from mixformer.weights.model_folder import read_folder

DEEP = "[" * 50_000 + "]" * 50_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DEEP, "nested more than 64 deep"),
        ("[" * 70 + "]" * 70, "nested more than 64 deep"),
        ('{"a":' * 100_000, "nested more than 64 deep"),
        ("9" * 5000, "the number 9999999999... has 5000 digits"),
        ("9" * 400, "400 digits"),
        ("{", "Expecting property name"),
        (b"\xff\xfe{\x00", "Expecting value"),
        ("", "Expecting value"),
    ],
)
def test_json_that_cannot_be_used_is_a_typed_error(text, said):
    """C10: depth, long numbers and plain nonsense."""
    for kind in (DataError, ConfigError):
        with pytest.raises(kind, match=said) as caught:
            parse_json(text, "jobs.json", kind)
        assert str(caught.value).startswith("jobs.json is not readable JSON")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_dropped(tmp_path, encoding):
    file = tmp_path / "a.json"
    file.write_bytes('{"label": "Löwe 🧒"}'.encode(encoding))
    assert read_json_file(file) == {"label": "Löwe 🧒"}


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("latin-1", "line 2 is no text in UTF-8"), ("utf-16", "no text"), ("utf-16-le", "no text"), ("utf-32", "no text")],
)
def test_text_in_another_encoding_is_a_typed_error(tmp_path, encoding, said):
    """C12. A letter that is replaced without a word makes another label."""
    file = tmp_path / "a.json"
    file.write_bytes('{\n"label": "Löwe"}'.encode(encoding))
    with pytest.raises(DataError, match=said):
        read_json_file(file)


def test_files_that_cannot_be_read_are_typed_errors(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"label": "lion"}')
    with pytest.raises(DataError, match="more than 0 MB"):
        read_text_file(file, DataError, limit=4)
    for path in (tmp_path, tmp_path / "gone.json", "a\0b"):
        with pytest.raises(ConfigError, match="cannot read"):
            read_json_file(path, ConfigError)


@pytest.mark.parametrize("rows", [None, 3, [3], [[1, 2, 3]], [[1, 2, 3, "4"]], [[1, 2, 3, 10**400]], [[1, 2, 3, True]]])
def test_rows_of_numbers_are_checked(rows):
    """C10."""
    with pytest.raises(DataError, match="boxes"):
        as_numbers(rows, 4, "boxes")


def test_messages_are_short_and_cannot_steer_the_terminal():
    """C10: a name of 70,000 letters, escape sequences, surrogates."""
    for error in (BoxError("x" * 70_000), ConfigError("a b " * 70_000), DataError("\x1b[31m" * 1000)):
        assert len(str(error)) < 6000
    assert str(DataError("clip\x1b[2J\udcff.mp4")) == "clip\\x1b[2J\\udcff.mp4"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TrackerConfig(search_factor="x"), "search_factor must be a number, not 'x'"),
        (lambda: TrackerConfig(template_factor=[]), "template_factor must be a number"),
        (lambda: TrackerConfig(search_factor=float("inf")), "must be a number and finite"),
        (lambda: TrackerConfig(search_factor=1e9), "search_factor must be in 0.1..100"),
        (lambda: TrackerConfig(search_factor=1e-320), "search_factor must be in 0.1..100"),
        (lambda: TrackerConfig(search_factor=10**400), "search_factor must be a number"),
        (lambda: TrackerConfig().replace(serach_factor=4.0), "no field serach_factor; did you mean 'search_factor'"),
        (lambda: TrackerConfig(update=None), "update must be 'score' or"),
        (lambda: Runtime(threads="2"), "threads must be a whole number or nothing, not '2'"),
        (lambda: Runtime(device=None), "device must be text"),
        (lambda: Runtime(engine=-1), "engine must be text"),
        (lambda: Runtime(precision=[]), "precision must be text"),
        (lambda: ModelConfig("x", depth=10**6), "depth must be in 1..256"),
        (lambda: ModelConfig("x", 2, mlp_ratio=float("inf")), "mlp_ratio must be a number and finite"),
        (lambda: ModelConfig("x", 2, std=[10**400] * 3), "std must be a list of 3 values"),
        (lambda: ModelConfig("x", 2, std=[0, 1, 1]), "std must be in"),
        (lambda: ModelConfig("x", 2, search_size=4096), "256 tokens along a side"),
        (lambda: ModelConfig.from_dict([1]), "must be an object"),
        (lambda: Recipe.from_dict([1]), "a recipe is an object"),
        (lambda: Recipe.from_dict({"model": "x", "crops": {"search_factor": -1}}), "search_factor must be in"),
        (lambda: Recipe.from_dict({"model": "x", "seed": 2**62}), "seed must be in"),
        (lambda: Recipe.from_dict({"model": "x", "data": {"sets": 3, "stills": 1}}), "data.sets must be a list"),
    ],
)
def test_settings_of_another_kind_or_size_are_refused_at_once(make, said):
    """C3, C10: the constructors in Python as the files."""
    with pytest.raises(ConfigError, match=said):
        make()


def test_numbers_of_numpy_are_plain_numbers_in_settings():
    import numpy as np

    config = TrackerConfig(search_factor=np.float32(4.0), update_interval=np.int64(5))
    assert [type(config.search_factor), type(config.update_interval)] == [float, int]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("optimizer.warmup_steps=" + "9" * 5000, "5000 digits"),
        ("crops.search_factor=-1", "search_factor must be in"),
        ("model_overrides=" + DEEP, "nested more than 64 deep"),
        ("data.sets.²=1", "data.sets"),
        (".".join("a" * 2000) + "=1", "2000 deep"),
        ("optimizer.lr=NaN", "not a finite number"),
    ],
)
def test_changes_of_a_recipe_are_checked(tmp_path, change, said):
    """C10: `--set`."""
    file = tmp_path / "recipe.toml"
    file.write_text('model = "mixvit"\n[[data.sets]]\nroot = "a"\n')
    with pytest.raises(ConfigError, match=said):
        Recipe.from_toml(file, [change])


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, 'a = "\xff', "\0"])
def test_recipes_that_are_no_toml_are_typed_errors(tmp_path, text):
    """C10, C12."""
    file = tmp_path / "recipe.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError):
        Recipe.from_toml(file)


@pytest.mark.parametrize(
    "graphs",
    [
        {"weights": ["graphs.bin"]},
        {"remember": "../../secret.xml"},
        {"locate": "/etc/passwd"},
        {"memory": 3},
        {"memory": [1]},
        {"templates": "2"},
        {"batch": 10**6},
        {"format": "tflite"},
    ],
)
def test_graphs_that_a_model_folder_names_are_checked(tmp_path, graphs):
    """C10, A6: files beside the description alone."""
    import json

    good = {"format": "openvino", "remember": "remember.xml", "locate": "locate.xml", "memory": ["m0"]}
    model = ModelConfig("x", 2).to_dict()
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "model": model, "graphs": good | graphs}))
    with pytest.raises(CheckpointError, match="graphs"):
        read_folder(tmp_path)


def test_a_hostile_description_of_a_model_ends_before_a_network_is_built(tmp_path):
    """C10 (torture: config.json:3:92)."""
    import json

    for content in ({"depth": 10**6}, {"mlp_ratio": float("inf")}, {"std": [10**400] * 3}, {"x" * 70_000: 1}):
        model = ModelConfig("x", 2).to_dict() | content
        (tmp_path / "config.json").write_text(json.dumps({"format": 1, "model": model}).replace("Infinity", "1e999"))
        with pytest.raises((CheckpointError, ConfigError)) as caught:
            read_folder(tmp_path)
        assert len(str(caught.value)) < 5000


@pytest.mark.skipif(os.name == "nt", reason="nobody can tell there whether a process is alive")
def test_row_5_the_next_write_removes_what_killed_processes_left(tmp_path):
    """Row 5 of the torture bench: `.NAME.*.partial` stayed for ever after kill -9; safetensors' own files too."""
    kill = "(p.with_name('.tmpABC123').write_text('half'), os.kill(os.getpid(), 9))"
    code = f"import os, pathlib; from mixformer.files import *; write_files({{pathlib.Path('a'): lambda p: {kill}}})"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.")
    assert (left / ".tmpABC123").exists()
    (tmp_path / f".b.other-{os.getpid()}-01234567.partial").mkdir()  # of another machine
    write_text(tmp_path / "c", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"c", f".b.other-{os.getpid()}-01234567.partial"}


def test_folders_are_made_all_or_none(tmp_path, monkeypatch):
    real = os.mkdir

    def on_a_full_disk(path, *mode):
        if Path(path).name == "b" and Path(path).parent.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *mode)

    monkeypatch.setattr(os, "mkdir", on_a_full_disk)
    with pytest.raises(OutputError, match="cannot write result"):
        places.make_folders(tmp_path / "a" / "b", Path("result"))
    assert not (tmp_path / "a").exists()
