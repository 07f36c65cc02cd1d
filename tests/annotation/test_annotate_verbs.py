"""The commands as a person runs them, in 80 columns: annotate, track both ways, data export and import."""

import csv
import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from mixformer import Box
from mixformer.annotation import (
    ANNOTATION_FORMATS,
    AnnotatedVideo,
    TrackedBox,
    change_target,
    load_project,
    read_keys,
    save_project,
    set_tracked,
)
from mixformer.cli import main
from mixformer.data.annotated_folders import read_sequences
from mixformer.errors import BoxError
from mixformer.video import open_video, open_writer
from mixformer.video.demo import DEMO_CLIP

KEYS = "frame,id,label,x,y,w,h\n0,1,person,260,29,41,142\n8,1,,255,30,44,140\n12,1,,,,,\n"
VIDEO = AnnotatedVideo("clip.mp4", 640, 360, 50)


def run(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "mixformer", *map(str, words)],
        capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotate")
    (folder / "keys.csv").write_text(KEYS)
    said = run(
        "annotate", DEMO_CLIP, "--keys", folder / "keys.csv", "--to", "cvat", "--out", folder / "a.xml",
        "--project", folder / "clip.mixformer.json",
    )  # fmt: skip
    assert "target 1: 12 frames with a box, 2 of them yours" in said
    return folder


def test_annotate_writes_the_file_of_the_tool_and_the_project(folder):
    boxes = list(ElementTree.parse(folder / "a.xml").getroot().iter("box"))
    assert boxes[0].attrib["xtl"] == "260.00"
    assert [box.attrib["frame"] for box in boxes if box.attrib["outside"] == "1"] == ["12"]
    project = load_project(folder / "clip.mixformer.json")
    assert [key.frame for key in project.target(1).keys] == [0, 8, 12]
    assert project.target(1).tracked.way(4) == "joined"


def test_only_what_a_correction_changes_is_tracked_again(folder, tmp_path):
    """All frames were tracked again after one correction."""
    path, mark = tmp_path / "clip.mixformer.json", TrackedBox(Box(1, 2, 30, 40), 0.125)
    old = change_target(load_project(folder / "clip.mixformer.json"), 1, label="", color="#123456")
    save_project(set_tracked(set_tracked(old, 1, 1, [mark] * 7, "joined"), 1, 9, [mark] * 3), path)
    (tmp_path / "keys.csv").write_text("frame,id,label,x,y,w,h\n0,1,man,260,29,41,142\n8,1,,255,30,44,140\n11,1,,,,,\n")
    words = ["annotate", str(DEMO_CLIP), "--keys", str(tmp_path / "keys.csv"), "--project", str(path), "--overwrite"]
    assert main([*words, "--quiet"]) == 0
    target = load_project(path).target(1)
    assert (target.label, target.color) == ("man", "#123456")
    assert [key.frame for key in target.keys] == [0, 8, 11]
    assert [box.score for box in target.boxes(1, 8)] == [0.125] * 7
    (tmp_path / "keys.csv").write_text("0,1,260,29,41,142\n8,1,250,30,44,140\n11,1,,,,\n")
    assert main([*words, "--quiet"]) == 0
    target = load_project(path).target(1)
    assert 0.125 not in [box.score for box in target.boxes(0, 11)]
    assert target.label == "man"
    save_project(set_tracked(load_project(path), 1, 1, [mark] * 7, "joined"), path)
    assert main([*words, "--again", "--quiet"]) == 0
    assert 0.125 not in [box.score for box in load_project(path).boxes(1)]


@pytest.mark.parametrize("name", sorted(ANNOTATION_FORMATS))
def test_every_format_goes_out_and_comes_in(folder, tmp_path, name):
    out = tmp_path / "out"
    project = folder / "clip.mixformer.json"
    assert main(["data", "export", name, str(project), str(out), "--tolerance", "0"]) == 0
    source = {"jsonl": out / "boxes.jsonl", "csv": out / "boxes.csv"}.get(name, out)
    copy = tmp_path / "again.mixformer.json"
    assert main(["data", "import", name, str(source), str(copy), "--images", str(DEMO_CLIP)]) == 0
    first, again = load_project(project), load_project(copy)
    boxes = {box.frame: box.box for box in first.boxes(1) if box.visible}
    assert {box.frame: box.box for box in again.boxes(1) if box.visible} == boxes


def test_what_other_tools_wrote_becomes_training_data(folder, tmp_path):
    run("data", "export", "jsonl", folder / "clip.mixformer.json", tmp_path / "b.jsonl")
    run("data", "import", "jsonl", tmp_path / "b.jsonl", tmp_path / "train", "--images", DEMO_CLIP)
    (sequence,) = read_sequences(tmp_path / "train")
    assert len(sequence.visible) == 12


def test_the_label_is_also_that_of_targets_of_a_project(folder, tmp_path):
    """It had no effect on them."""
    path, out = tmp_path / "clip.mixformer.json", tmp_path / "named.mixformer.json"
    for label, expected in (("", "dog"), ("cat", "cat")):
        save_project(change_target(load_project(folder / "clip.mixformer.json"), 1, label=label), path)
        words = ["--keys", str(path), "--label", "dog", "--project", str(out), "--overwrite", "--quiet"]
        assert main(["annotate", str(DEMO_CLIP), *words]) == 0
        assert load_project(out).target(1).label == expected


def test_track_takes_corrections(folder, tmp_path):
    said = run("track", DEMO_CLIP, "--targets", folder / "keys.csv", "--stop", "15", "--csv", tmp_path / "b.csv")
    assert "2 of them yours" in said
    rows = list(csv.DictReader((tmp_path / "b.csv").open()))
    assert [int(row["frame"]) for row in rows] == [*range(12)]
    assert (rows[8]["x"], rows[8]["w"]) == ("255.0", "44.0")


def test_again_tracks_the_boxes_of_a_project_anew(folder, tmp_path):
    """Also if the project holds the key boxes too."""
    path = tmp_path / "clip.mixformer.json"
    mark = TrackedBox(Box(1, 2, 3, 4), 0.5)
    save_project(set_tracked(load_project(folder / "clip.mixformer.json"), 1, 1, [mark] * 7, "joined"), path)
    words = ("annotate", DEMO_CLIP, "--keys", path, "--project", path, "--overwrite")
    run(*words)
    assert load_project(path).target(1).box_at(4).box == mark.box
    run(*words, "--again")
    assert load_project(path).target(1).box_at(4).box != mark.box


@pytest.fixture(scope="module")
def covered(tmp_path_factory):
    """Half a second of the demo clip, whose target is behind a block from frame 5 on."""
    path = tmp_path_factory.mktemp("covered") / "covered.mp4"
    with open_video(DEMO_CLIP, stop=12) as video, open_writer(path) as writer:
        for frame in video:
            image = frame.image.copy()
            image[:, 180:460] = image[:, 180:460] if frame.index < 5 else 128
            writer.write(image)
    return path


def test_a_corrected_track_says_where_the_target_is_lost_as_any_other(covered, tmp_path):
    (tmp_path / "boxes.csv").write_text("frame,id,x,y,w,h\n0,1,260,29,41,142\n2,1,254,33,45,136\n")
    said = {}
    for name, words in (("usual", ("--box", 260, 29, 41, 142)), ("keys", ("--targets", tmp_path / "boxes.csv"))):
        outputs = [word for kind in ("json", "csv", "mot") for word in (f"--{kind}", tmp_path / f"{name}.{kind}")]
        said[name] = run("track", covered, *words, *outputs)
    assert "the target was lost in frames 5 to 11" in said["usual"]
    assert "lost in frames 5 to 11" in " ".join(said["keys"].split())
    states = {}
    for name in said:
        rows = [json.loads(line) for line in (tmp_path / f"{name}.json").read_text().splitlines()]
        table = list(csv.DictReader((tmp_path / f"{name}.csv").open()))
        mot = [line.split(",")[8] for line in (tmp_path / f"{name}.mot").read_text().splitlines()]
        states[name] = [(row["frame"], row["status"]) for row in rows]
        assert states[name] == [(int(row["frame"]), row["status"]) for row in table]
        assert [number == "0" for number in mot] == [status == "lost" for _, status in states[name]]
    assert states["keys"] == states["usual"]


def test_track_goes_backward_and_both_ways(tmp_path):
    box = ("--box", 260, 29, 41, 142, "--start", 3)
    run("track", DEMO_CLIP, *box, "--backward", "--stop", 6, "--json", tmp_path / "back.jsonl")
    run("track", DEMO_CLIP, *box, "--both-ways", "--stop", 6, "--json", tmp_path / "both.jsonl")
    back, both = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("back.jsonl", "both.jsonl")
    )
    assert [row["frame"] for row in back] == [0, 1, 2, 3]
    assert [row["frame"] for row in both] == [0, 1, 2, 3, 4, 5]
    assert both[3]["box"] == [260, 29, 41, 142]
    assert "id" not in both[0]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["annotate", DEMO_CLIP, "--keys", "keys.csv"], "give --to FORMAT with --out FILE"),
        (["annotate", DEMO_CLIP, "--keys", "keys.csv", "--to", "cvta", "--out", "x"], "did you mean 'cvat'"),
        (["annotate", DEMO_CLIP, "--keys", "none.csv", "--to", "cvat", "--out", "x"], "cannot read"),
        (["data", "import", "yolo", "x", "out"], "give the video or their folder as --images"),
        (["data", "import", "yol", "x", "out"], "did you mean 'yolo'"),
        (["data", "export", "cvat", "none.mixformer.json", "x"], "cannot read none.mixformer.json"),
        (["track", DEMO_CLIP, "--box", 1, 1, 9, 9, "--backward", "--show"], "--show works for one pass forward"),
    ],
)
def test_wrong_usage_is_one_sentence(tmp_path, monkeypatch, words, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(DEMO_CLIP.parents[3]))
    (tmp_path / "keys.csv").write_text(KEYS)
    said = run(*words, code=2)
    assert reason in " ".join(said.split())
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.csv"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no key boxes"),
        ("0,1,5,5,9,9\n0,1,6,6,9,9\n", "line 2: target 1 has a key box in frame 0 already"),
        ("0,1,5,5,9\n", "line 1: 5 values do not make a target"),
        ("99,1,5,5,9,9\n", "line 1: the video has frames 0 to 49, and no frame 99"),
        ("0,0,5,5,9,9\n", "line 1: the id of a target must be a whole number from 1 to"),
        ("0,1,5,5,,9\n", "line 1: a box is four numbers"),
        ("0,1,1000,5,9,9\n", "line 1: .* outside the frame"),
        ('[{"frame": 0, "id": 1, "box": "x"}]', "entry 1"),
    ],
)
def test_key_files_say_where_they_are_wrong(tmp_path, text, reason):
    path = tmp_path / "keys.csv"
    path.write_text(text)
    with pytest.raises(BoxError, match=reason):
        read_keys(path, VIDEO)


def test_key_files_in_json_with_a_stop_and_what_is_hidden(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(
        '[{"id": 2, "box": [1, 2, 30, 40], "stop": 9, "occluded": true, "label": "dog"}, {"frame": 4, "box": null}]'
    )
    project = read_keys(path, VIDEO, label="thing")
    assert [target.label for target in project.targets] == ["thing", "dog"]
    assert [(key.frame, key.absent, key.occluded) for key in project.target(2).keys] == [
        (0, False, True),
        (9, True, False),
    ]
    assert project.target(1).keys[0].absent
