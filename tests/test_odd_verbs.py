"""Paths and values that the verbs of data and training, and the calls of Python, do not expect."""

import errno
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mixformer import (
    Runtime,
    create_engine,
    evaluate,
    export_model,
    load_dataset,
    load_model,
    open_video,
    save_model,
    track_video,
    train,
)
from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    add_target,
    change_target,
    clear_tracked,
    export_annotations,
    mark_absent,
    remove_key,
    remove_target,
    save_project,
    set_key,
    set_tracked,
    stale_stretches,
)
from mixformer.annotation.web.video_library import VideoLibrary
from mixformer.cli import main
from mixformer.cli.main import build_parser
from mixformer.data import DatasetOptions, read_any
from mixformer.errors import BoxError, CheckpointError, ConfigError, DataError, MixFormerError, OutputError, SourceError
from mixformer.evaluation import compare
from mixformer.files import foreign_text, make_folder, read_text_file
from mixformer.files.places import require_kind, require_place
from mixformer.imaging import parse_box
from mixformer.training import Recipe, calibrate, run_ablation, run_route
from mixformer.training.signals import only_writer
from mixformer.training.tiny import toy_sequences
from mixformer.video import open_writer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers.clips import moving_square


def test_data_that_is_a_circle_of_links_is_not_there(tmp_path, capsys):
    """`Path.resolve` raised a RuntimeError."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert main(["finetune", str(tmp_path / "a"), "--out", str(tmp_path / "mine")]) == 2
    assert "is not there; check the path" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "https://example.org/videos"],
        ["data", "pack", "lasot", "s3://bucket/lasot"],
        ["evaluate", "--root=gs://bucket/lasot"],
        ["finetune", "videos", "--out", "s3://bucket/mine"],
        ["train", "mixvit_stage1", "--out", "s3://bucket/run"],
    ],
)
def test_an_address_is_no_folder_of_this_machine(words, capsys, tmp_path, monkeypatch):
    """A folder `s3:` was made here, and the result called written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "takes a path on this machine, not the address " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_refused_in_our_words(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "a\udcff"])
    assert ended.value.code == 2
    assert "DIR holds bytes that are no UTF-8; rename the file" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_that_nobody_writes_into_does_not_hang(tmp_path, monkeypatch):
    pipe = tmp_path / "recipe.toml"
    os.mkfifo(pipe)
    monkeypatch.setattr(foreign_text, "_PATIENCE", 0.05)
    with pytest.raises(DataError, match="nobody wrote into this pipe"):
        read_text_file(pipe)
    with pytest.raises(CheckpointError, match="is a pipe or a device; give a model folder"):
        load_model(pipe)
    with subprocess.Popen(["sh", "-c", 'sleep 0.2; echo later > "$0"', pipe]):
        monkeypatch.setattr(foreign_text, "_PATIENCE", 60)
        assert read_text_file(pipe) == "later\n"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_folder_that_is_not_there_yet_is_followed(tmp_path):
    (tmp_path / "out").symlink_to("disk/runs")
    with only_writer(tmp_path / "out" / "one"):
        assert (tmp_path / "disk" / "runs" / "one" / "run.lock").is_file()
    make_folder(tmp_path / "out")
    assert (tmp_path / "disk" / "runs").is_dir()
    assert (tmp_path / "out").is_symlink()


def test_a_box_without_an_end_is_no_box():
    """It was read until the memory was full."""
    with pytest.raises(BoxError, match="a box is four numbers"):
        parse_box(itertools.count(1))


@pytest.mark.parametrize(
    "value", [np.array([1, 2]), np.array(["a"]), torch.zeros(2), torch.tensor(float("nan")), int, True, 1.0, "1"]
)
@pytest.mark.parametrize("name", ["start", "stop"])
def test_a_frame_that_is_no_whole_number_is_a_typed_error(name, value):
    with pytest.raises(SourceError, match=f"{name} is a whole number of a frame"):
        open_video(DEMO_CLIP, **{name: value})


@pytest.mark.parametrize("name", [None, 3, b"lasot", ["lasot"], np.array(["a", "b"]), torch.zeros(2)])
def test_a_data_set_whose_name_is_no_text_is_a_typed_error(name, tmp_path):
    with pytest.raises(MixFormerError, match="a data set has a name"):
        load_dataset(name, tmp_path)
    with pytest.raises(MixFormerError, match="is its name, a folder or a list of VideoSequence"):
        evaluate(Still(), name, out=tmp_path / "results")


@pytest.mark.parametrize("options", [3, "test", {"split": "test"}, [], float("nan"), np.zeros(2), torch.zeros(2)])
def test_options_of_another_type_are_a_typed_error(options, tmp_path):
    with pytest.raises(MixFormerError, match="DatasetOptions"):
        load_dataset("lasot", tmp_path, options)


@pytest.mark.parametrize("change", [{"split": []}, {"ids": 2**31}, {"chunks": np.zeros(2)}, {"keep_one_based": "no"}])
def test_options_of_a_data_set_have_types(change):
    with pytest.raises(MixFormerError, match=next(iter(change))):
        DatasetOptions(**change)
    assert DatasetOptions(ids="names.txt") == DatasetOptions(ids=Path("names.txt"))


@pytest.mark.parametrize("change", [{"split": []}, {"preset": b"none"}, {"name": 3}, {"only": "bird"}, {"only": [3]}])
def test_words_of_an_evaluation_are_texts(change, tmp_path):
    """`only="bird"` looked for the sequences b, i, r and d."""
    with pytest.raises(ConfigError, match=next(iter(change))):
        evaluate(Still(), [], out=tmp_path / "results", **change)


@pytest.mark.parametrize("change", [{"dataset": 3}, {"dataset": np.zeros(2)}, {"split": []}, {"convention": b"x"}])
def test_words_of_a_comparison_are_texts(change, tmp_path):
    with pytest.raises(ConfigError, match=f"{next(iter(change))} is a text"):
        compare(tmp_path, **change)
    with pytest.raises(ConfigError, match="results are a folder or several, not None"):
        compare(None)


@pytest.mark.parametrize("device", [None, -1, 1.5, "", "tpu", 10**30, [], np.zeros(2), torch.zeros(2)])
def test_a_device_that_is_none_is_a_typed_error(device, tmp_path):
    with pytest.raises(ConfigError, match="device"):
        train("mixvit_stage1", tmp_path / "run", device=device)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["1" * 5000, "a\0b"])
def test_a_path_that_cannot_be_is_a_typed_error(name, tmp_path):
    with pytest.raises(ConfigError):
        train(name, tmp_path / "run")
    with pytest.raises(OutputError, match="give another name"):
        train("mixvit_stage1", name)
    with pytest.raises(OutputError, match="give another name"):
        export_model("mixformerv2_dino_s8", name)


@pytest.mark.parametrize("change", [{"to": np.zeros(2)}, {"precision": []}, {"batch": "2"}, {"templates": 1.5}])
def test_settings_of_an_export_of_another_type_are_typed_errors(change, tmp_path):
    with pytest.raises(ConfigError):
        export_model("mixformerv2_dino_s8", tmp_path / "out", **change)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ablate v2-3d --scale tiny --seeds 0", "--seeds must be 1 or more"),
        ("data check --limit -1", "limit must be 0"),
        ("data check --factor 0", "factor above 0"),
    ],
)
def test_a_number_that_means_nothing_is_refused(words, said, tmp_path, capsys):
    """No seed wrote an empty table; a limit of -1 left the last sequence out."""
    where = ["--out", str(tmp_path / "out")] if words.startswith("ablate") else [str(tmp_path)]
    assert main([*words.split(), *where]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_choice_is_named_as_the_help_names_it(capsys):
    """It was called {bash,zsh,fish}."""
    with pytest.raises(SystemExit):
        main(["completion", "zzsh"])
    assert "SHELL takes bash or zsh or fish, not 'zzsh'; did you mean 'zsh'?" in capsys.readouterr().err


def test_a_sequence_that_calibration_leaves_out_is_named(tmp_path, tiny_model, caplog):
    """It was left out without a word."""
    frames, boxes = moving_square(3)
    for name, count in (("whole", 3), ("half", 2)):
        (tmp_path / name / "img").mkdir(parents=True)
        for number in range(count):
            Image.fromarray(frames[number]).save(tmp_path / name / "img" / f"{number}.png")
        np.savetxt(tmp_path / name / "groundtruth.txt", boxes, delimiter=",")
    with pytest.raises(DataError, match="1 of 1 sequences have scores"):
        calibrate(tiny_model, tmp_path / "out", tmp_path, diagram=False)
    assert "the sequence half is left out: " in caplog.text


@pytest.mark.parametrize("wrong", [None, 3, "clip.mixformer.json", [], float("nan"), np.zeros(2), torch.zeros(2)])
def test_what_is_no_project_is_a_typed_error(wrong, tmp_path):
    """It was an AttributeError from within."""
    for call in (
        lambda: add_target(wrong),
        lambda: remove_target(wrong, 1),
        lambda: change_target(wrong, 1),
        lambda: set_key(wrong, 1, 0, (1, 2, 3, 4)),
        lambda: mark_absent(wrong, 1, 0),
        lambda: remove_key(wrong, 1, 0),
        lambda: set_tracked(wrong, 1, 0, []),
        lambda: clear_tracked(wrong, 1),
        lambda: stale_stretches(wrong),
        lambda: save_project(wrong, tmp_path / "p.mixformer.json"),
        lambda: export_annotations(wrong, "mot", tmp_path / "out"),
    ):
        with pytest.raises(ConfigError, match=r"project must be a mixformer\.annotation\.AnnotationProject"):
            call()
    with pytest.raises(ConfigError, match=r"a key box must be a mixformer\.annotation\.KeyBox"):
        add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 64, 48, 5)), keys=[wrong])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [b"cpu?", -1, 1.5, [], 10**30])
def test_models_of_another_kind_are_typed_errors(wrong, tiny_model, tmp_path):
    with pytest.raises(ConfigError, match="unknown device"):
        load_model(tiny_model, device=wrong)
    with pytest.raises(ConfigError, match="dtype is a number format"):
        load_model(tiny_model, dtype=wrong)
    with pytest.raises(ConfigError, match="a model must be a name"):
        create_engine(wrong)
    with pytest.raises(ConfigError, match="model must be a network"):
        save_model(wrong, tmp_path / "out")


@pytest.mark.parametrize("fps", [float("nan"), float("inf"), "25", b"25", -1, [25], np.zeros(2), torch.zeros(2), True])
def test_a_rate_that_is_no_number_is_a_typed_error(fps, tmp_path):
    with pytest.raises(ConfigError, match="fps must be a number"):
        open_writer(tmp_path / "a.mp4", fps)
    assert not list(tmp_path.iterdir())


def test_settings_that_hold_themselves_are_a_typed_error():
    endless = []
    endless.append(endless)
    with pytest.raises(ConfigError, match="device is nested too deeply"):
        Runtime(device=endless)


@pytest.mark.parametrize("name", [None, 3, [], np.zeros(2)])
def test_a_route_whose_name_is_no_text_is_a_typed_error(name, tmp_path):
    with pytest.raises(ConfigError, match="there is no route"):
        run_route(name, tmp_path / "out")


def test_a_wrong_folder_to_validate_on_is_noticed_before_the_work(tmp_path):
    recipe = Recipe("mixformerv2_s", val_interval=1, val_data=str(tmp_path / "gone"))
    with pytest.raises(DataError, match="gone"):
        train(recipe, tmp_path / "run", dry_run=True)
    assert not list(tmp_path.iterdir())


def test_outputs_and_trackers_of_another_type_are_typed_errors(tmp_path):
    for outputs in (None, "boxes.jsonl", ["boxes.jsonl"], np.zeros(2), torch.zeros(2)):
        with pytest.raises(ConfigError, match="outputs are paths by format"):
            track_video(DEMO_CLIP, DEMO_BOX, outputs)
    for tracker in (Still(), "mixformerv2_dino_s8", 0, False):
        with pytest.raises(ConfigError, match=r"tracker must be a mixformer\.MultiTracker"):
            track_video(DEMO_CLIP, DEMO_BOX, {"json": tmp_path / "r.jsonl"}, tracker=tracker)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "pipe", "circle"])
def test_a_folder_of_stages_that_cannot_be_is_a_typed_error(kind, tmp_path):
    """It was an OSError of Python's."""
    place = tmp_path / "out"
    if kind == "file":
        place.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("out")
    with pytest.raises(OutputError):
        run_route("v2-s", place, scale="tiny")
    with pytest.raises(OutputError):
        run_ablation("v2-1", place, scale="tiny", seeds=[1])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_in_a_circle_hides_no_video(tmp_path):
    """The page did not start, or showed the videos before it alone."""
    for folder in (tmp_path, tmp_path / "more"):
        folder.mkdir(exist_ok=True)
        (folder / "b.mp4").symlink_to("b.mp4")
        for name in ("a.mp4", "c.mp4"):
            shutil.copy(DEMO_CLIP, folder / name)
    names = [video.name for video in VideoLibrary(tmp_path).videos()]
    assert names == ["a.mp4", "c.mp4", "more/a.mp4", "more/c.mp4"]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="is a pipe or a device"):
        VideoLibrary(tmp_path / "pipe")


@pytest.mark.parametrize("word", ["~", "null", "Null", "NULL"])
def test_a_path_may_have_the_name_of_nothing(word):
    """`--results null` read no results, and `--json null` wrote none."""
    settings = build_parser("track").parse_args(["track", "clip.mp4", "--json", word])
    assert settings["track"]["json"] == Path(word)


def test_wrong_held_out_sequences_are_noticed_before_the_work(tmp_path):
    """All rows were trained first."""
    toy_sequences(tmp_path / "train", count=1, frames=2)
    with pytest.raises(DataError, match="gone"):
        run_ablation("v2-1", tmp_path / "out", scale="tiny", seeds=[1], data=tmp_path / "train", test=tmp_path / "gone")
    assert not (tmp_path / "out").exists()


def test_what_may_not_be_looked_at_is_a_typed_error(tmp_path, monkeypatch):
    """It was a PermissionError of Python's."""

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "secret")

    monkeypatch.setattr(Path, "iterdir", refuse)
    for call in (lambda: require_place(tmp_path), lambda: require_kind(tmp_path, ["a"], "run")):
        with pytest.raises(OutputError, match="this user may not write there"):
            call()
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match=r"cannot read .*: Permission denied"):
        VideoLibrary(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match="cannot be read by this user"):
        read_any(tmp_path)


class Still:
    """A tracker that finds nothing new."""

    def init(self, frame, box):
        self.box = box

    def update(self, frame):
        return self.box
