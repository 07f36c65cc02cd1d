"""`mixformer data check`: what it finds, what it says, and its exit code."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mixformer.cli import main
from mixformer.data.checks import Options, check, check_boxes
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.miniatures import MAKERS, lines, picture, write

GOOD = [[5.0 + i, 6, 10, 8] for i in range(8)]


def sequence(root, name="good", boxes=GOOD, frames=8):
    for frame in range(frames):
        picture(root / name / "img" / f"{frame:04d}.png", 0, frame)
    write(root / name / "groundtruth.txt", lines(boxes))
    return root / name


def problems(path, **options):
    return [problem for _, found in check(path, Options(**options)) for problem in found]


def test_good_data(tmp_path, capsys):
    sequence(tmp_path)
    boxes = [*GOOD[:4], [np.nan] * 4, *GOOD[5:]]
    sequence(tmp_path, "away", boxes)
    ((away, first), (good, second)) = list(check(tmp_path, Options(every=True)))
    assert first == second == []
    assert (away.name, away.frames, away.boxes, away.visible, away.size) == ("away", 8, 7, 7, (40, 30))
    assert good.side == pytest.approx(80**0.5)
    assert main(["data", "check", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "88 %" in shown
    assert "2 sequences, 16 frames, 15 boxes" in shown
    assert "ready to train on" in shown


def change(row, box):
    return [box if i == row else good for i, good in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("boxes", "level", "text"),
    [
        (change(3, [8, 6, 0, 8]), "warning", "boxes have no width or height in 1 of 8 frames, first in frame 3"),
        (change(2, [np.nan, 6, 10, 8]), "warning", "partly NaN, or infinite in 1 of 8 frames, first in frame 2"),
        (change(2, [np.inf, 6, 10, 8]), "warning", "partly NaN, or infinite"),
        (change(7, [60, 6, 10, 8]), "error", "wholly outside the picture in 1 of 8 frames, first in frame 7"),
        (change(7, [36, 6, 10, 8]), "warning", "less than half of the box lies inside the picture in 1 of 8"),
        (change(4, [30, 6, 8, 2]), "warning", "jumps out of the search region in 2 of 8 frames, first in frame 4"),
        ([[0.1, 0.2, 0.5, 0.4]] * 8, "error", "look like fractions of the frame in 8 of 8"),
        ([[np.nan] * 4] * 8, "error", "the target is never visible"),
    ],
)
def test_boxes(tmp_path, boxes, level, text):
    sequence(tmp_path, boxes=boxes)
    found = problems(tmp_path)
    assert any(problem.level == level and text in problem.text and problem.advice for problem in found), found
    assert main(["data", "check", str(tmp_path)]) == int(any(problem.level == "error" for problem in found))


def test_jumps_depend_on_the_search_region():
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 10, 10]])
    two = VideoSequence("x", ("a", "b"), boxes)
    assert check_boxes(two, None, 4.5) == []
    assert "jumps" in check_boxes(two, None, 3.9)[0].text


def test_counts_and_broken_lines(tmp_path, capsys):
    sequence(tmp_path, "few", GOOD[:6])
    write(sequence(tmp_path, "words") / "groundtruth.txt", "1,2,3,4\none,2,3,4\n")
    (sequence(tmp_path, "bare") / "groundtruth.txt").unlink()
    sequence(tmp_path, "good")
    found = {problem.sequence: problem.text for problem in problems(tmp_path)}
    assert "8 pictures in img/ but 6 boxes" in found["few"]
    assert "line 2: not a number in 'one,2,3,4'" in found["words"]
    assert "no groundtruth.txt" in found["bare"]
    assert "good" not in found
    assert main(["data", "check", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "1 sequence, 8 frames" in shown.out
    assert "3 errors in" in shown.err


def test_pictures(tmp_path):
    folder = sequence(tmp_path)
    picture(tmp_path / "large.png", 0, 0)
    Image.new("RGB", (80, 60)).save(folder / "img" / "0007.png")
    whole = (folder / "img" / "0002.png").read_bytes()
    (folder / "img" / "0002.png").write_bytes(whole[: len(whole) // 2])
    shutil.copy(folder / "img" / "0004.png", folder / "img" / "0005.png")
    texts = [problem.text for problem in problems(tmp_path)]
    assert any("frame 7 (from 0) has (80, 60) pixels, the first one (40, 30)" in text for text in texts)
    assert any("1 picture equal to the one before, the first is frame 5" in text for text in texts)
    assert not any("cannot be read" in text for text in texts)  # frame 2 is not among the five
    (broken,) = (p for p in problems(tmp_path, every=True) if p.level == "error")
    assert "1 of 8 checked pictures cannot be read" in broken.text
    assert "0002.png" in broken.text
    assert main(["data", "check", str(tmp_path)]) == 0
    assert main(["data", "check", str(tmp_path), "--all"]) == 1


def test_a_json_of_pictures_that_are_not_there(tmp_path):
    folder = sequence(tmp_path)
    frames = [str(path.relative_to(tmp_path)) for path in sorted((folder / "img").iterdir())]
    (folder / "img" / "0003.png").unlink()
    entry = {"name": "x", "frames": frames, "boxes": GOOD}
    (tmp_path / "list.json").write_text(json.dumps({"sequences": [entry, {"name": "y", "frames": [], "boxes": [1]}]}))
    first, second = problems(tmp_path / "list.json")
    assert "1 of 8 pictures are missing" in first.text
    assert "0003.png" in first.text
    assert "sequence y: a box is four numbers" in second.text


def test_a_video_shorter_than_its_boxes(tmp_path):
    write_clip(tmp_path / "clip.mp4", moving_square(count=5)[0])
    entry = {"name": "x", "video": "clip.mp4", "boxes": GOOD}
    (tmp_path / "list.json").write_text(json.dumps({"sequences": [entry]}))
    (found,) = problems(tmp_path / "list.json")
    assert "clip.mp4 has 5 frames" in found.text


@pytest.mark.parametrize("name", MAKERS)
def test_known_sets(tmp_path, name):
    root = MAKERS[name](tmp_path)
    assert {problem.level for problem in problems(root)} <= {"warning"}
    assert len(list(check(root, Options(limit=2)))) == 2


def test_nothing_to_check(tmp_path, capsys):
    with pytest.raises(DataError, match="your own: NAME/img"):
        list(check(tmp_path))
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2
    assert "is not there" in capsys.readouterr().err


def test_list_and_pack_commands(tmp_path, capsys):
    root = MAKERS["got10k"](tmp_path / "root")
    assert main(["data", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in MAKERS)
    assert "vottrain" in shown
    assert main(["data", "pack", str(root), str(tmp_path / "packed")]) == 0
    assert "got10k: 25 files" in capsys.readouterr().out
    assert main(["data", "list", str(tmp_path / "packed")]) == 0
    assert capsys.readouterr().out.split() == [f"GOT-10k_Train_00000{i}" for i in (1, 2, 3)]
    assert main(["data", "pack", str(root), str(tmp_path / "packed")]) == 4
