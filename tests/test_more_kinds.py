"""Kinds of faults that strangers to the package tried: pipes, damaged zip files, projects of another video."""

import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from mixformer import Box, track_video
from mixformer.annotation import (
    AnnotatedVideo,
    import_annotations,
    load_project,
    look_at_video,
    read_keys,
    save_project,
)
from mixformer.annotation.edits import set_tracked
from mixformer.annotation.tracked_rows import TrackedBox
from mixformer.cli import main
from mixformer.data.archives import ZipArchive
from mixformer.errors import ConfigError, DataError
from mixformer.evaluation.runs import sequence_names
from mixformer.files import parse_json
from mixformer.run import check_outputs
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.vot.session import load_refiner
from mixformer.weights.catalog import files_of_model

BOXES = "frame,id,x,y,w,h\n" + "".join(f"{frame},1,10,20,{30 + frame},40\n" for frame in range(20))


def test_a_key_that_is_there_twice_is_found_in_no_time_among_many():
    """Each key was compared with all before it: a file of one MB took minutes."""
    keys = ",".join(f'"{number}":1' for number in range(300_000))
    start = time.monotonic()
    with pytest.raises(DataError, match="'299999' is there twice"):
        parse_json(f'{{{keys},"299999":2}}', "many.json")
    assert time.monotonic() - start < 20


def test_two_sequences_of_one_name_are_found_in_no_time_among_many():
    class Named:
        def __init__(self, name):
            self.name = name

    names = [f"{number:06d}" for number in range(100_000)]
    start = time.monotonic()
    with pytest.raises(ConfigError, match="'099999'"):
        sequence_names([Named(name) for name in [*names, names[-1]]])
    assert time.monotonic() - start < 20


def test_damaged_zip_files_of_any_method_are_typed_errors(tmp_path):
    """LZMA has an error of its own, which is of no usual kind."""
    whole, damaged, seen = tmp_path / "whole.zip", tmp_path / "damaged.zip", 0
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("boxes.csv", BOXES)
    content = whole.read_bytes()
    video = look_at_video(DEMO_CLIP)
    for place in range(38, content.index(b"PK\x01\x02"), 3):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        for read in (lambda: import_annotations(damaged, "csv", video), lambda: ZipArchive(damaged).read("boxes.csv")):
            try:
                read()
            except DataError:
                seen += 1
    assert seen > 20


def test_targets_of_a_pipe_are_read_once_and_used_often(tmp_path, tiny_model):
    """`--targets <(...)` and `/dev/stdin` were empty when they were read again."""
    out = tmp_path / "boxes.jsonl"
    words = ["track", str(DEMO_CLIP), "--targets", "/dev/stdin", "--stop", "3", "--json", str(out), "--quiet"]
    given = "frame,id,x,y,w,h\n0,1,260,29,41,142\n0,2,120,60,50,120\n"
    command = [sys.executable, "-m", "mixformer", *words, "--model", str(tiny_model)]
    ran = subprocess.run(command, input=given, text=True, capture_output=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(out.read_text().splitlines()) == 6


@pytest.fixture
def another_clip(tmp_path):
    """The demo clip in a file of other bytes, with as many frames of the same size."""
    path = tmp_path / "another.mp4"
    path.write_bytes(DEMO_CLIP.read_bytes() + bytes([0, 0, 0, 8]) + b"free")
    return path


def _tracked_project(path):
    (path.parent / "keys.csv").write_text("0,1,260,29,41,142\n")
    project = read_keys(path.parent / "keys.csv", look_at_video(DEMO_CLIP, path))
    save_project(set_tracked(project, 1, 1, [TrackedBox(Box(5, 5, 20, 20), 0.9)] * 52), path)


def test_boxes_of_another_video_are_not_taken_for_those_of_this_one(tmp_path, another_clip, tiny_model, capsys):
    """A project of another video of the same size gave its boxes, and no word was said."""
    keys, out = tmp_path / "clip.mixformer.json", tmp_path / "out.mixformer.json"
    _tracked_project(keys)
    words = ["--keys", str(keys), "--project", str(out), "--model", str(tiny_model), "--quiet"]
    assert main(["annotate", str(another_clip), *words]) == 0
    assert "is of another file than" in capsys.readouterr().err
    boxes = [box.box for box in load_project(out).boxes(1, 1, 53)]
    assert not any(box is not None and tuple(box) == (5, 5, 20, 20) for box in boxes)
    assert main(["annotate", str(DEMO_CLIP), *words, "--overwrite"]) == 0
    assert "of another file" not in capsys.readouterr().err
    assert tuple(next(load_project(out).boxes(1, 1, 2)).box) == (5, 5, 20, 20)


def test_pictures_of_another_video_are_not_exported_without_a_word(tmp_path, another_clip, capsys):
    project = tmp_path / "clip.mixformer.json"
    _tracked_project(project)
    assert main(["data", "export", "yolo", str(project), str(tmp_path / "one"), "--video", str(DEMO_CLIP)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["data", "export", "yolo", str(project), str(tmp_path / "two"), "--video", str(another_clip)]) == 0
    assert "another file than was annotated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "out", "project", "said"),
    [
        ("csv", "one.csv", "./one.csv", "would both be written to"),
        ("csv", "one.partial.csv", "one.csv", "would both be written to"),
        ("mot", "folder", "folder/one.mixformer.json", "would be in the folder"),
    ],
)
def test_project_and_export_have_places_of_their_own(form, out, project, said, tmp_path, monkeypatch, capsys):
    """The export took the place of the project, or was refused when all was tracked."""
    monkeypatch.chdir(tmp_path)
    Path("keys.csv").write_text("0,1,260,29,41,142\n")
    words = ["--keys", "keys.csv", "--to", form, "--out", out, "--project", project, "--overwrite"]
    assert main(["annotate", str(DEMO_CLIP), *words]) == 4
    assert said in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["keys.csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--quiet track a.mp4 --box 1 2 3 4", "--quiet goes behind the command: mixformer track ... --quiet"),
        ("data --overwrite import coco x y", "mixformer data import ... --overwrite"),
        ("data --pictures=yes export yolo a b", "mixformer data export ... --pictures"),
    ],
)
def test_options_before_the_command_are_explained(capsys, words, said):
    with pytest.raises(SystemExit):
        main(words.split())
    assert said in " ".join(capsys.readouterr().err.split())


def test_options_after_two_dashes_are_explained(capsys):
    with pytest.raises(SystemExit):
        main(["track", "--", "-clip.mp4", "--box", "1", "2", "3", "4"])
    assert "--box comes after --, behind which nothing is an option" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"json": None}, "the result json is written to a path, not to None"),
        ({"json": b"boxes.jsonl"}, "written to a path"),
        ({"json": ""}, "written to a path, not to ''"),
        ({"json": 3}, "written to a path, not to 3"),
        ({1: "boxes.jsonl"}, "cannot write 1; there are"),
        ({None: "boxes.jsonl"}, "cannot write None; there are"),
        (["boxes.jsonl"], "outputs are paths by format"),
    ],
)
def test_outputs_of_another_type(outputs, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (lambda: track_video(DEMO_CLIP, DEMO_BOX, outputs), lambda: check_outputs(outputs, [])):
        with pytest.raises(ConfigError, match=said):
            call()
    assert not list(Path().iterdir())


@pytest.mark.parametrize("kind", ["jobs", "targets", "done"])
def test_track_all_does_not_replace_what_it_reads(kind, tmp_path, capsys):
    """Results of `track-all` take the places of earlier ones without being asked."""
    home = tmp_path / "out" / "clip"
    home.mkdir(parents=True)
    boxes, jobs = home / "boxes.csv", tmp_path / "jobs.csv"
    job = {"source": str(DEMO_CLIP), "name": "clip", "stop": 3, "box": list(DEMO_BOX)}
    if kind == "targets":
        boxes.write_text("0,1,260,29,41,142\n")
        jobs.write_text(f"source,targets,name\n{DEMO_CLIP},out/clip/boxes.csv,clip\n")
    else:
        jobs = boxes if kind == "jobs" else home / "done.json"
        jobs.write_text(json.dumps([job]))
    before = {path.name: path.read_text() for path in home.iterdir()}
    assert main(["track-all", str(jobs), "--out", str(tmp_path / "out"), "--write", "csv"]) == 4
    assert "which is read" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in home.iterdir()} == before


@pytest.mark.parametrize(
    "words",
    [
        ["track", str(DEMO_CLIP), "--box", *map(str, DEMO_BOX), "--json"],
        ["bench", "--models", "tiny", "--json"],
        ["annotate", str(DEMO_CLIP), "--keys", "keys.csv", "--project"],
        ["convert", "tiny", "--to", "official", "--out"],
    ],
)
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_no_result_takes_the_place_of_the_model(words, file, tmp_path, tiny_model, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "tiny")
    Path("keys.csv").write_text("0,1,260,29,41,142\n")
    before = Path("tiny", file).read_bytes()
    model = ["--model", "tiny"] if words[0] in ("track", "annotate") else []
    assert main([*words, f"tiny/{file}", *model, "--overwrite"]) == 4
    assert "is the source itself" in capsys.readouterr().err
    assert Path("tiny", file).read_bytes() == before


def test_no_model_is_converted_over_itself(tmp_path, tiny_model, monkeypatch):
    """Its weights of full precision were gone, and graphs of them stayed."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "tiny")
    before = Path("tiny", "model.safetensors").read_bytes()
    assert main(["convert", "tiny", "--out", "tiny", "--overwrite", "--precision", "float16"]) == 4
    assert Path("tiny", "model.safetensors").read_bytes() == before


def test_a_result_beside_the_model_can_be_written_again(tmp_path, tiny_model):
    """Any XML there was taken for a graph of OpenVINO, which has a BIN file of its name."""
    folder = shutil.copytree(tiny_model, tmp_path / "tiny")
    for name in ("annotations.xml", "locate.xml", "locate.bin"):
        (folder / name).touch()
    assert folder / "annotations.xml" not in files_of_model(folder)
    assert {folder / "locate.xml", folder / "locate.bin"} <= set(files_of_model(folder))


def test_any_path_is_one_of_a_result(tmp_path):
    class Place:
        def __fspath__(self):
            return str(tmp_path / "boxes.jsonl")

    track_video(DEMO_CLIP, DEMO_BOX, {"json": Place()}, stop=2)
    assert (tmp_path / "boxes.jsonl").is_file()


def test_no_submission_takes_the_place_of_a_result(tmp_path, capsys):
    result = tmp_path / "GOT-10k_Test_000001.txt"
    result.write_text("1,2,3,4\n")
    assert main(["submit", "got10k", str(tmp_path), str(result), "--part", "--overwrite"]) == 4
    assert "is the source itself" in capsys.readouterr().err
    assert result.read_text() == "1,2,3,4\n"


def test_the_next_export_removes_what_a_killed_one_left(tmp_path):
    """The folder of a killed export, with the pictures of a whole video, stayed for ever."""
    project, out = tmp_path / "clip.mixformer.json", tmp_path / "yolo"
    _tracked_project(project)
    words = ["data", "export", "yolo", str(project), str(out), "--video", str(DEMO_CLIP)]
    killed = (
        f"import os, sys; from mixformer.cli import main; from mixformer.annotation.formats import exchange; "
        f"exchange._put = lambda *_: os.kill(os.getpid(), 9); main({words!r})"
    )
    assert subprocess.run([sys.executable, "-c", killed], timeout=120).returncode == -9
    assert len(list(tmp_path.glob(".yolo.*"))) == 1
    assert main(words) == 0
    assert not list(tmp_path.glob(".yolo.*"))


def test_a_key_box_in_each_frame_of_a_long_video_is_read_in_no_time(tmp_path):
    """Each line made a copy of its target: those of an hour of video took longer than anybody waits."""
    keys = tmp_path / "keys.csv"
    keys.write_text("frame,id,x,y,w,h\n" + "".join(f"{frame},1,{frame % 100},2,3,4\n" for frame in range(60_000)))
    start = time.monotonic()
    project = read_keys(keys, AnnotatedVideo("clip.mp4", 640, 360, frame_count=100_000))
    assert len(project.target(1).keys) == 60_000
    assert time.monotonic() - start < 20


def _yolo(path, frames):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.yaml", "names: {0: a, 1: b}\n")
        for number, lines in enumerate(frames):
            archive.writestr(f"labels/train/frame_{number:06d}.txt", "".join(f"{line}\n" for line in lines))
    return path


def test_many_boxes_without_ids_are_linked_in_time(tmp_path):
    """All pairs of two frames were listed: some hundred boxes a frame took minutes, some thousand all memory."""
    video = AnnotatedVideo("clip.mp4", 640, 360, frame_count=6)
    line = "0 0.5 0.5 0.1 0.1"
    start = time.monotonic()
    project = import_annotations(_yolo(tmp_path / "many.zip", [[line] * 500] * 5), "yolo", video)
    assert time.monotonic() - start < 20
    assert len(project.targets) == 500
    with pytest.raises(DataError, match="frame 1 holds 30000 boxes"):
        import_annotations(_yolo(tmp_path / "more.zip", [[line], [line] * 30_000]), "yolo", video)


def test_boxes_without_ids_go_on_as_the_track_they_overlap_most(tmp_path):
    frames = [
        ["0 0.2 0.5 0.1 0.1", "0 0.25 0.5 0.1 0.1", "1 0.2 0.5 0.1 0.1"],
        ["1 0.2 0.5 0.1 0.1", "0 0.24 0.5 0.1 0.1", "0 0.21 0.5 0.1 0.1", "0 0.9 0.5 0.1 0.1"],
    ]
    video = AnnotatedVideo("clip.mp4", 1000, 100, frame_count=2)
    project = import_annotations(_yolo(tmp_path / "few.zip", frames), "yolo", video)
    found = [[None if box.box is None else box.box.x for box in project.boxes(t.id, 0, 2)] for t in project.targets]
    assert found == [[150, 160], [200, 190], [None, 850], [150, 150]]
    assert [target.label for target in project.targets] == ["a", "a", "a", "b"]


def test_messages_about_a_zip_file_name_it(tmp_path):
    source = _yolo(tmp_path / "wrong.zip", [["0 nan 0.5 0.1 0.1"]])
    with pytest.raises(DataError, match=r"wrong\.zip") as caught:
        import_annotations(source, "yolo", AnnotatedVideo("clip.mp4", 640, 360, frame_count=2))
    assert "mixformer-" not in str(caught.value)


def test_seeds_and_rows_of_an_ablation_are_looked_at_before_anything_is_made(tmp_path, capsys):
    out = tmp_path / "out"
    for words, said in (
        (["--seeds", "99999999999"], "up to 1000 seeds"),
        (["--seeds", "9" * 30, "--list"], "up to 1000 seeds"),
        (["--only", "99"], "there is no row 99"),
    ):
        assert main(["ablate", "v2-3d", "--out", str(out), "--scale", "tiny", *words]) == 2
        assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_change_of_a_recipe_that_is_no_number_is_named(capsys, tmp_path):
    words = ["train", "mixvit_stage1", "--out", str(tmp_path / "run"), "--set", "optimizer.lr=1e999"]
    assert main(words) == 2
    assert "the value of 'optimizer.lr' is not readable JSON" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["os:system", "os:getcwd", "os:nope", "os:", ":os", ".:x", "json:loads", "sys:exit"])
def test_a_refiner_that_cannot_be_made_is_a_typed_error(name):
    with pytest.raises(ConfigError, match="mask refiner"):
        load_refiner(name)


def test_a_reader_that_ends_is_no_matter_of_free_space(tmp_path, tiny_model):
    """`track --json /dev/stdout | head -1` was advised to check free space and permissions."""
    words = ["track", str(DEMO_CLIP), "--box", *map(str, DEMO_BOX), "--json", "/dev/stdout", "--quiet"]
    command = [sys.executable, "-m", "mixformer", *words, "--model", str(tiny_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        assert ran.stderr is not None
        assert ran.stdout.readline().startswith('{"frame": 0')
        ran.stdout.close()
        said = ran.stderr.read()
    assert ran.returncode == 4
    assert "the program that reads it has ended" in said
