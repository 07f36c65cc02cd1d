"""Paths and values that the verbs of data and training do not expect."""

import os
import subprocess

import pytest

from mixformer import load_model
from mixformer.cli import main
from mixformer.errors import CheckpointError, DataError
from mixformer.files import foreign_text, make_folder, read_text_file
from mixformer.training.signals import only_writer


def test_data_that_is_a_circle_of_links_is_not_there(tmp_path, capsys):
    """`Path.resolve` raised a RuntimeError."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert main(["finetune", str(tmp_path / "a"), "--out", str(tmp_path / "mine")]) == 2
    assert "is not there; check the path" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "https://example.org/videos"],
        ["data", "pack", "lasot", "s3://bucket/lasot"],
        ["evaluate", "--root=gs://bucket/lasot"],
        ["finetune", "videos", "--out", "s3://bucket/mine"],
        ["train", "mixvit_stage1", "--out", "s3://bucket/run"],
    ],
)
def test_an_address_is_no_folder_of_this_machine(words, capsys, tmp_path, monkeypatch):
    """A folder `s3:` was made here, and the result called written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "takes a path on this machine, not the address " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_refused_in_our_words(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "a\udcff"])
    assert ended.value.code == 2
    assert "DIR holds bytes that are no UTF-8; rename the file" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_that_nobody_writes_into_does_not_hang(tmp_path, monkeypatch):
    pipe = tmp_path / "recipe.toml"
    os.mkfifo(pipe)
    monkeypatch.setattr(foreign_text, "_PATIENCE", 0.05)
    with pytest.raises(DataError, match="nobody wrote into this pipe"):
        read_text_file(pipe)
    with pytest.raises(CheckpointError, match="is a pipe or a device; give a model folder"):
        load_model(pipe)
    with subprocess.Popen(["sh", "-c", 'sleep 0.2; echo later > "$0"', pipe]):
        monkeypatch.setattr(foreign_text, "_PATIENCE", 60)
        assert read_text_file(pipe) == "later\n"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_folder_that_is_not_there_yet_is_followed(tmp_path):
    (tmp_path / "out").symlink_to("disk/runs")
    with only_writer(tmp_path / "out" / "one"):
        assert (tmp_path / "disk" / "runs" / "one" / "run.lock").is_file()
    make_folder(tmp_path / "out")
    assert (tmp_path / "disk" / "runs").is_dir()
    assert (tmp_path / "out").is_symlink()
