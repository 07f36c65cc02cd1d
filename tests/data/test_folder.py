"""Readers of annotated folders, and what they say about broken ones."""

import json

import numpy as np
import pytest
from PIL import Image

from mixformer.data.annotated_folders import read_boxes, read_masked_objects, read_sequence, read_sequences, read_stills
from mixformer.data.sequence import ImageCache, VideoSequence, read_frame
from mixformer.errors import DataError


def make_sequence(root, name, boxes, frames=None, use=None):
    folder = root / name
    (folder / "img").mkdir(parents=True)
    for index in range(frames if frames is not None else len(boxes)):
        Image.new("RGB", (40, 30), (index, 0, 0)).save(folder / "img" / f"{index + 1:08d}.png")
    (folder / "groundtruth.txt").write_text("\n".join(",".join(map(str, box)) for box in boxes) + "\n")
    if use:
        (folder / "meta.json").write_text(json.dumps({"dev_use": use}))
    return folder


@pytest.mark.parametrize("line", ["1,2,3,4", "1 2 3 4", "1\t2\t3\t4", "1, 2, 3, 4", "1.0,2.0,3.0,4.0,"])
def test_every_common_separator(tmp_path, line):
    path = tmp_path / "groundtruth.txt"
    path.write_text(line + "\nnan,nan,nan,nan\n")
    boxes = read_boxes(path)
    assert boxes[0].tolist() == [1, 2, 3, 4]
    assert np.isnan(boxes[1]).all()


@pytest.mark.parametrize(("line", "reason"), [("1,2,3", "found 3"), ("1,2,three,4", "not a number")])
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "groundtruth.txt"
    path.write_text(f"1,2,3,4\n{line}\n")
    with pytest.raises(DataError, match=rf"line 2.*{reason}"):
        read_boxes(path)


def test_sequences_are_chosen_by_use(tmp_path):
    make_sequence(tmp_path, "b", [[1, 2, 3, 4]], use="val")
    make_sequence(tmp_path, "a", [[1, 2, 3, 4], ["nan"] * 4], use="train")
    (train,) = read_sequences(tmp_path, {"dev_use": "train"})
    assert train.name == "a"
    assert train.visible.tolist() == [0]
    assert [s.name for s in read_sequences(tmp_path)] == ["a", "b"]
    with pytest.raises(DataError, match="dev_use = 'test'"):
        read_sequences(tmp_path, {"dev_use": "test"})


def test_counts_must_agree(tmp_path):
    folder = make_sequence(tmp_path, "a", [[1, 2, 3, 4]] * 3, frames=2)
    with pytest.raises(DataError, match=r"2 pictures.*3 boxes"):
        read_sequence(folder)
    with pytest.raises(DataError, match="no groundtruth"):
        read_sequence(tmp_path)
    with pytest.raises(DataError, match="no sequences"):
        read_sequences(tmp_path / "nowhere")
    with pytest.raises(DataError, match="shape"):
        VideoSequence("x", (), np.zeros((1, 4)))


def test_stills_leave_out_background_and_tiny_boxes(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    boxes = {"good": [10, 10, 30, 30], "tiny": [10, 10, 5, 30], "huge": [1, 1, 90, 75], "strip": [0, 20, 100, 20]}
    objects = [{"box": box, "label": name} for name, box in boxes.items()]
    items = {"items": [{"file": "a.png", "w": 100, "h": 80, "objects": objects}]}
    (tmp_path / "annotations.json").write_text(json.dumps(items))
    (still,) = read_stills(tmp_path)
    assert still.boxes.tolist() == [[10, 10, 30, 30]]
    assert len(still) == 1


def test_a_named_picture_must_be_there(tmp_path):
    (tmp_path / "annotations.json").write_text(
        json.dumps({"items": [{"file": "gone.png", "w": 9, "h": 9, "objects": []}]})
    )
    with pytest.raises(DataError, match=r"gone\.png"):
        read_masked_objects(tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        read_stills(tmp_path / "nowhere")


def test_a_broken_picture_is_named(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        read_frame(path)


def test_the_cache_is_limited(tmp_path):
    paths = []
    for index in range(4):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (512, 512), (index, 0, 0)).save(path)
        paths.append(path)
    cache = ImageCache(limit_mb=2)  # room for two pictures of 0.75 MB
    for path in paths:
        cache.read(path)
    kept = cache.read(paths[3])
    paths[0].unlink()
    paths[3].unlink()
    assert cache.read(paths[3]) is kept
    with pytest.raises(DataError):
        cache.read(paths[0])
