"""A user's own sequences: folders, one folder, one JSON file."""

import json

import numpy as np
import pytest

from mixformer.data import DatasetOptions, load_dataset, read_any
from mixformer.data.sequence import read_frame
from mixformer.errors import DataError
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.miniatures import boxes, lines, picture, write


def own(root, names=("one", "two")):
    for number, name in enumerate(names):
        write(root / name / "groundtruth.txt", lines(boxes(number)))
        for frame in range(4):
            picture(root / name / "img" / f"{frame}.png", number, frame)
    return root


def listed(path, **entry):
    path.write_text(json.dumps({"sequences": [{"name": "x", **entry}]}))
    return path


def test_folders_and_one_folder(tmp_path):
    root = own(tmp_path)
    assert [s.name for s in read_any(root)] == ["one", "two"]
    (single,) = read_any(root / "two")
    assert (single.name, len(single)) == ("two", 4)


def test_a_json_of_pictures(tmp_path):
    own(tmp_path / "data")
    entry = {"frames": [f"data/one/img/{i}.png" for i in range(3)], "boxes": [[1, 2, 3, 4], None, [2, 3, 4, 5]]}
    (found,) = read_any(listed(tmp_path / "list.json", **entry, label="bird"))
    assert (found.name, found.label, found.source) == ("x", "bird", "list")
    assert found.visible.tolist() == [0, 2]
    assert np.isnan(found.boxes[1]).all()
    assert read_frame(found.frames[2])[0, 0].tolist() == [0, 80, 0]


def test_a_json_of_a_video(tmp_path):
    frames, truth = moving_square(count=6)
    write_clip(tmp_path / "clip.mp4", frames)
    (found,) = read_any(listed(tmp_path / "list.json", video="clip.mp4", boxes=[list(box) for box in truth]))
    assert len(found) == 6
    assert found.box(5).x == truth[5][0]
    x, y, side, _ = truth[5]
    image = read_frame(found.frames[5]).astype(int)
    assert image[y + 4 : y + side - 4, x + 4 : x + side - 4, 0].min() > 150  # the square is where the box says
    assert image[y : y + side, x + side + 4 :, 0].max() < 120


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"frames": ["a.png"], "boxes": []}, "1 frame but 0 boxes"),
        ({"frames": ["a.png"], "boxes": [[1, 2, 3]]}, "a box is four numbers"),
        ({"frames": ["a.png"], "boxes": [[1, 2, 3, "four"]]}, "a box is four numbers"),
        ({"frames": "a.png", "boxes": [[1, 2, 3, 4]]}, '"frames" must be a list'),
        ({"frames": ["a.png"]}, '"boxes" must be a list'),
        ({"boxes": [None]}, 'either "frames" or "video"'),
        ({"frames": [], "video": "a.mp4", "boxes": [None]}, 'either "frames" or "video"'),
    ],
)
def test_a_broken_entry_is_named(tmp_path, entry, reason):
    path = listed(tmp_path / "list.json", **entry)
    with pytest.raises(DataError, match=f"list.json, sequence x: .*{reason}"):
        list(read_any(path))


@pytest.mark.parametrize("text", ["{", "[]", '{"videos": []}', '{"sequences": [1]}', '{"sequences": []}'])
def test_a_json_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(DataError, match=r"list\.json (is not of the form|is not readable JSON|lists no sequences)"):
        read_any(tmp_path / "list.json")


def test_custom_is_a_data_set_name_and_own_its_old_one(tmp_path):
    root = own(tmp_path)
    assert [s.name for s in load_dataset("custom", root)] == ["one", "two"]
    with pytest.warns(DeprecationWarning, match='"own" is now called "custom"'):
        assert list(load_dataset("own", str(root)).names) == ["one", "two"]
    with pytest.raises(DataError, match="takes no option besides split"):
        load_dataset("custom", root, DatasetOptions(chunks=(1,)))
