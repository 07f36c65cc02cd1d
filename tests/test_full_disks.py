"""Commands on a disk that is too small: exit code 4, a sentence that says what to do, and all is as it was."""

import io
from pathlib import Path

import pytest

from mixformer.cli import main
from tests.helpers.small_disk import largest_file, need_small_disks, small_disk
from tests.torture.material import BOX, build


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Good inputs, and a project."""
    folder = tmp_path_factory.mktemp("material")
    build(folder, ("clips", "model", "lasot", "annotations"))
    (folder / "keys.csv").write_text(f"frame,id,x,y,w,h\n0,1,{','.join(BOX)}\n5,1,25,30,20,20\n")
    words = ["annotate", folder / "clips" / "clip.mp4", "--keys", folder / "keys.csv", "--model", folder / "model"]
    words += ["--engine", "torch", "--device", "cpu", "--project", folder / "p.mixformer.json", "--quiet"]
    assert main([*map(str, words)]) == 0
    return folder


WRITING = {
    "data import": "data import mot {m}/annotations/mot {out}/made --copy",
    "data export to a folder": "data export coco {m}/p.mixformer.json {out}/made --pictures yes",
    "data export to a zip file": "data export yolo {m}/p.mixformer.json {out}/made.zip",
    "data export to a file": "data export label-studio {m}/p.mixformer.json {out}/made --pictures no",
    "data pack": "data pack {m}/lasot {out}/made",
    "convert": "convert {m}/model --out {out}/made",
    "convert to an official file": "convert {m}/model --to official --out {out}/made.pth.tar",
    "prune": "prune {m}/model --out {out}/made --mlp-ratio 1",
}


@pytest.mark.parametrize("kind", WRITING)
def test_a_full_disk_is_said_with_what_to_do(material, tmp_path, capsys, kind):
    need_small_disks()
    with small_disk(tmp_path, 4):
        words = WRITING[kind].format(m=material, out=tmp_path)
        assert main(words.split()) == 4
        told = " ".join(capsys.readouterr().err.split())
        assert "free some space and run the same command again" in told
        assert "--copy" not in told
        assert list(tmp_path.iterdir()) == []


PICTURES = {
    "data export": "data export voc {m}/p.mixformer.json {out}/made",
    "data import": "data import cvat {m}/annotations/tracks.xml {out}/made --images {m}/clips/clip.mp4 --copy",
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_not_cut_off_where_files_may_not_grow(material, tmp_path, capsys, kind):
    """Pillow wrote the first 1,000 bytes of each JPEG file, and the exit code was 0."""
    words = PICTURES[kind].format(m=material, out=tmp_path)
    with largest_file(1000):
        assert main(words.split()) == 4
    assert "ulimit -f" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


PRINTING = (
    "models",
    "models --json",
    "recipes --json",
    "completion bash",
    "data list",
    "--help",
    "track --help",
    "--version",
)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
@pytest.mark.parametrize("words", PRINTING)
def test_standard_output_on_a_full_disk_is_said(monkeypatch, capsys, words):
    """Help ended with exit code 0, or with an error of Python's while it ended."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(words.split()) == 4
        monkeypatch.undo()
    told = capsys.readouterr().err
    assert told.startswith("error: cannot write to standard output: the disk is full; free some space")
    assert told.count("\n") == 1


@pytest.mark.parametrize("words", ["models --json", "--help"])
def test_standard_output_without_a_buffer_is_whole_or_said(monkeypatch, tmp_path, capsys, words):
    """With `python -u` or PYTHONUNBUFFERED, Python wrote the first 1,000 bytes and dropped the others: exit code 0."""
    stream = io.TextIOWrapper(io.FileIO(tmp_path / "out", "w"), "utf-8", write_through=True)
    monkeypatch.setattr("sys.stdout", stream)
    with largest_file(1000):
        assert main(words.split()) == 4
    monkeypatch.undo()
    assert "ulimit -f" in capsys.readouterr().err
