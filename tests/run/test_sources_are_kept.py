"""No result takes the place of what is read: row A1's kind."""

import shutil

import pytest

from mixformer.cli import main
from mixformer.errors import OutputError
from mixformer.run import check_outputs
from tests.helpers.clips import moving_square, write_clip

BOX = ["--box", "10", "30", "20", "20"]


@pytest.mark.parametrize(
    ("source", "outputs", "message"),
    [
        ("a.mp4", {"video": "a.mp4"}, "is the source itself"),
        ("a.mp4", {"video": "link.mp4"}, "is the source itself"),
        ("a.partial.mp4", {"video": "a.mp4"}, "until it is whole"),
        ("a.partial.before.mp4", {"video": "a.mp4"}, "until it is whole"),
        ("frames.partial", {"video": "frames"}, "until it is whole"),
        ("frames/.partial", {"video": "frames"}, "until it is whole"),
        ("frames/00000007.png", {"video": "frames"}, "is among them"),
        ("frames/3", {"masks": "frames"}, "is among them"),
        ("a.mp4", {"json": "b.jsonl", "csv": "b.partial.jsonl"}, "would both be written to"),
    ],
)
def test_a1_no_name_of_a_result_is_that_of_the_source(tmp_path, monkeypatch, source, outputs, message):
    if "masks" in outputs:
        pytest.importorskip("cv2", reason="masks need OpenCV")
    monkeypatch.chdir(tmp_path)
    (tmp_path / source).parent.mkdir(exist_ok=True)
    (tmp_path / source).write_bytes(b"mine")
    (tmp_path / "link.mp4").symlink_to(source)
    with pytest.raises(OutputError, match=message):
        check_outputs(outputs, [source], overwrite=True)
    assert (tmp_path / source).read_bytes() == b"mine"


def test_a1_what_a_killed_run_left_can_be_tracked(clip, tiny_model, tmp_path, capsys):
    """The draft of an earlier run as source: its name is that of the draft of `a.mp4`."""
    shutil.copy(clip, tmp_path / "a.partial.mp4")
    words = [*BOX, "--stop", "3", "--model", str(tiny_model), "--engine", "torch", "--device", "cpu"]
    source, before = tmp_path / "a.partial.mp4", clip.read_bytes()
    assert main(["track", str(source), "--out", str(tmp_path / "a.mp4"), *words]) == 4
    assert "another name" in " ".join(capsys.readouterr().err.split())
    assert main(["track", str(source), "--out", str(tmp_path / "b.mp4"), *words]) == 0
    assert source.read_bytes() == before


def test_a1_annotations_are_not_written_over_what_they_are_made_of(tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", moving_square(count=6)[0])
    keys, project = tmp_path / "keys.csv", tmp_path / "clip.mixformer.json"
    keys.write_text("frame,id,x,y,w,h\n0,1,10,30,20,20\n5,1,25,30,20,20\n")
    assert main(["data", "import", "csv", str(keys), str(project), "--images", str(clip)]) == 0
    before = {path: path.read_bytes() for path in (clip, keys, project)}
    for words in (
        ["annotate", str(clip), "--keys", str(keys), "--to", "csv", "--out", str(keys)],
        ["annotate", str(clip), "--keys", str(keys), "--project", str(clip)],
        ["annotate", str(clip), "--keys", str(project), "--to", "coco", "--out", str(project)],
        ["data", "export", "coco", str(project), str(project)],
        ["data", "export", "csv", str(project), str(clip), "--video", str(clip)],
        ["data", "import", "csv", str(keys), str(keys), "--images", str(clip)],
    ):
        capsys.readouterr()
        assert main([*words, "--overwrite"]) == 4, words
        assert "is the source itself" in " ".join(capsys.readouterr().err.split()), words
    assert {path: path.read_bytes() for path in before} == before
