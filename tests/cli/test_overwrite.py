"""One rule for what is there already: refused before any work, and replaced with --overwrite (row A1's kind)."""

import pytest

from mixformer.cli import main
from mixformer.errors import OutputError
from mixformer.files.places import claimed_folder
from mixformer.weights.conversion import convert


def test_a1_a_model_folder_is_replaced_only_when_asked(tiny_model, tmp_path, capsys):
    out, words = tmp_path / "out", ["--precision", "float16"]
    assert main(["convert", str(tiny_model), "--out", str(out), *words]) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    for command in (["convert", "no such model"], ["prune", "no such model", "--keep-first", "1"]):  # before it is read
        assert main([*command, "--out", str(out)]) == 4
        assert "--overwrite" in capsys.readouterr().err
    with pytest.raises(OutputError, match="overwrite=True"):
        convert(tiny_model, out)
    assert main(["convert", "no such model", "--out", str(out), "--overwrite"]) == 5
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert main(["convert", str(tiny_model), "--out", str(out), "--overwrite"]) == 0
    assert (out / "model.safetensors").read_bytes() != before[out / "model.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "words",
    [
        ["convert", "model"],
        ["prune", "model", "--keep-first", "1"],
        ["report", "results"],
        ["inspect", "clip.mp4", "--box", "1", "2", "3", "4", "--frame", "1"],
    ],
)
def test_a1_a_folder_of_something_else_is_never_touched(tmp_path, capsys, words):
    for package in ("matplotlib",) if words[0] == "inspect" else ():
        pytest.importorskip(package)
    (tmp_path / "mine.txt").write_text("mine")
    assert main([*words, "--out", str(tmp_path), "--overwrite"]) == 4
    assert "not empty" in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a1_files_too(tiny_model, tmp_path):
    out = tmp_path / "a.pth.tar"
    out.write_text("mine")
    assert main(["convert", str(tiny_model), "--out", str(out), "--to", "official"]) == 4
    assert main(["submit", "got10k", "results", str(out)]) == 4
    assert out.read_text() == "mine"
    assert main(["convert", str(tiny_model), "--out", str(out), "--to", "official", "--overwrite"]) == 0


def test_a4_two_processes_do_not_write_one_folder(tmp_path):
    with claimed_folder(tmp_path / "a" / "b", "config.json", "model folder", overwrite=False):
        with (
            pytest.raises(OutputError, match="another process"),
            claimed_folder(tmp_path / "a" / "b", "config.json", "model folder", overwrite=True),
        ):
            pass
        with pytest.raises(OutputError, match="another process"):
            convert("mixformerv2_dino_s8", tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
