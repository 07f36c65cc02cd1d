"""One rule for what is there already: refused before any work, and replaced with --overwrite (row A1's kind)."""

import pytest

from mixformer.cli import main
from mixformer.errors import OutputError
from mixformer.files.places import claimed_folder
from mixformer.weights.conversion import convert
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.miniatures import got10k


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


def test_a1_imports_and_packed_data_follow_the_rule(tmp_path, capsys):
    """A1's kind: `data import` in its own formats and by way of a project, and `data pack`."""
    pytest.importorskip("lmdb")
    clip = write_clip(tmp_path / "ride.mp4", moving_square(count=6)[0])
    (tmp_path / "boxes.csv").write_text("frame,id,x,y,w,h\n0,1,10,30,20,20\n5,1,25,30,20,20\n")
    tracks = '<track id="0" label="x"><box frame="0" xtl="1" ytl="2" xbr="9" ybr="9" outside="0" occluded="0"/></track>'
    (tmp_path / "cvat.xml").write_text(f"<annotations>{tracks}</annotations>")
    got10k(tmp_path / "set")
    images = ["--images", str(clip)]
    for number, words in enumerate(
        (
            ["import", "csv", str(tmp_path / "boxes.csv"), "OUT", *images],
            ["import", "csv", str(tmp_path / "boxes.csv"), "OUT.mixformer.json", *images],
            ["import", "cvat", str(tmp_path / "cvat.xml"), "OUT", *images],
            ["pack", str(tmp_path / "set"), "OUT"],
        )
    ):
        command = ["data", *(word.replace("OUT", str(tmp_path / "made" / str(number))) for word in words)]
        assert main(command) == 0, capsys.readouterr().err
        before = snapshot(tmp_path / "made")
        assert main(command) == 4
        assert "--overwrite" in capsys.readouterr().err
        assert snapshot(tmp_path / "made") == before
        assert main([*command, "--overwrite"]) == 0, capsys.readouterr().err
        after = snapshot(tmp_path / "made")
        assert after.keys() == before.keys()
        assert after != before


def snapshot(folder):
    """Name, number and content of the files below a folder: what was replaced has another number."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder): (path.stat().st_ino, path.read_bytes()) for path in files}
