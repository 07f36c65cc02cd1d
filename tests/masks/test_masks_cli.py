"""`--masks`: a picture of the target's pixels for every frame, and their tint on the video."""

import sys

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer.cli import main
from mixformer.run.outputs import VideoOutput
from mixformer.types import Box, TrackResult
from mixformer.video import open_video
from mixformer.video.draw import Annotator
from tests.helpers.clips import moving_square

BOX = ["--box", "10", "30", "20", "20"]


def test_every_frame_has_a_mask_of_its_number(clip, tiny_model, tmp_path, capsys):
    masks, out = tmp_path / "masks", tmp_path / "out.mp4"
    words = ["--model", str(tiny_model), "--masks", str(masks), "--out", str(out), "--start", "3", "--stop", "9"]
    assert main(["track", str(clip), "--box", "19", "30", "20", "20", *words]) == 0
    assert str(masks) in capsys.readouterr().out
    assert [p.name for p in sorted(masks.iterdir())] == [f"{i:08d}.png" for i in range(3, 9)]
    first = np.asarray(Image.open(masks / "00000003.png"))
    truth = np.zeros((90, 120), bool)
    truth[30:50, 19:39] = True
    assert ((first > 0) & truth).sum() / ((first > 0) | truth).sum() > 0.8
    assert set(np.unique(first)) == {0, 255}
    with mixformer.open_video(out) as video:
        tinted = next(iter(video)).image[37:43, 26:32].mean((0, 1))
    assert tinted[1] > 120 > tinted[0] - 40  # the red square has turned greenish


def test_the_demo_makes_masks_too(tiny_model, tmp_path):
    words = ["--masks", str(tmp_path / "m"), "--json", str(tmp_path / "b.jsonl"), "--model", str(tiny_model), "--quiet"]
    assert main(["demo", *words]) == 0
    assert len(list((tmp_path / "m").iterdir())) == 53


def test_without_opencv_nothing_is_begun(clip, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    out = tmp_path / "out.mp4"
    words = ["--model", str(tiny_model), "--masks", str(tmp_path / "m"), "--out", str(out)]
    assert main(["track", str(clip), *BOX, *words]) == 1
    assert "pip install 'mixformer[masks]'" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
    assert not (tmp_path / "m").exists()


def test_folders_that_cannot_hold_masks(clip, tiny_model, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    Image.fromarray(moving_square(1)[0][0]).save(frames / "00000000.png")
    cases = [
        (clip, [clip / "m"], "is a file and no folder"),
        (frames, [frames], "is the source itself"),
        (clip, [tmp_path / "both", "--out", tmp_path / "both"], "give one of them another name"),
    ]
    for source, words, message in cases:
        rest = [*BOX, "--model", tiny_model, "--masks", *words]
        assert main(["track", str(source), *map(str, rest)]) == 4
        assert message in " ".join(capsys.readouterr().err.split())


def test_a_mask_is_tinted_and_the_frame_stays_as_it_is():
    image, mask = np.full((80, 100, 3), 100, np.uint8), np.zeros((80, 100), bool)
    mask[40:50, 40:60] = True
    picture = Annotator().draw(image, TrackResult(Box(30, 30, 40, 30), 0.9, 3), mask)
    assert tuple(picture[45, 50]) == pytest.approx((82, 177, 98), abs=2)
    assert tuple(picture[55, 50]) == (100, 100, 100)
    assert (image == 100).all()


def test_a_lost_target_has_an_empty_mask(clip, tmp_path):
    """What is at its last place is something else."""
    with open_video(clip, stop=2) as video, VideoOutput({"masks": tmp_path / "masks"}, video, ids=False) as output:
        for frame, status in zip(video, ("tracking", "lost"), strict=True):
            output.write(output.draw(frame, {1: TrackResult(Box(20, 20, 30, 30), 0.9, frame.index, status=status)}))
    first, second = (np.array(Image.open(path)) for path in sorted((tmp_path / "masks").iterdir()))
    assert first.any()
    assert not second.any()
