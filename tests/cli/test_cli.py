"""The command line as a person uses it: results, messages, exit codes."""

import json
import os
import pty
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer.cli import main
from mixformer.errors import CheckpointError, SourceError
from tests.helpers.clips import hear_interrupts, moving_square, write_clip

BOX = ["--box", "10", "30", "20", "20"]


def run(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "mixformer", *map(str, words)], capture_output=True, text=True, **options
    )


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_track_writes_what_is_asked_for(clip, tiny_model, tmp_path, capsys):
    out, boxes = tmp_path / "out.mp4", tmp_path / "boxes.jsonl"
    assert main(["track", str(clip), *BOX, "--model", str(tiny_model), "--out", str(out), "--json", str(boxes)]) == 0
    printed = capsys.readouterr().out
    assert "20 frames" in printed
    assert str(out) in printed
    lines = json_lines(boxes)
    assert [line["frame"] for line in lines] == list(range(20))
    assert lines[0]["box"] == [10, 30, 20, 20]
    assert lines[10]["time"] == pytest.approx(0.4)
    with mixformer.open_video(out) as video:
        assert len(list(video)) == 20


def test_the_default_output_is_a_video_here(clip, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["track", str(clip), *BOX, "--model", str(tiny_model), "--quiet"]) == 0
    assert (tmp_path / "clip_tracked.mp4").stat().st_size > 500


def test_start_and_stop(clip, tiny_model, tmp_path):
    boxes = tmp_path / "boxes.jsonl"
    words = ["track", str(clip), *BOX, "--model", str(tiny_model), "--json", str(boxes), "--start", "5", "--stop", "9"]
    assert main(words) == 0
    assert [line["frame"] for line in json_lines(boxes)] == [5, 6, 7, 8]


def test_a_folder_of_pictures(tiny_model, tmp_path):
    for index, frame in enumerate(moving_square(4)[0]):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    boxes = tmp_path / "boxes.csv"
    assert main(["track", str(tmp_path), *BOX, "--model", str(tiny_model), "--csv", str(boxes)]) == 0
    assert len(boxes.read_text().splitlines()) == 5


def test_rules_reach_the_tracker(clip, tiny_model, tmp_path):
    found = []
    for factor in ("4", "6"):
        boxes = tmp_path / f"{factor}.jsonl"
        words = ["track", str(clip), *BOX, "--model", str(tiny_model), "--json", str(boxes), "--search-factor", factor]
        assert main(words) == 0
        found.append([line["box"] for line in json_lines(boxes)])
    assert found[0] != found[1]


def test_the_box_is_asked_for_while_the_source_is_not_open(clip, tiny_model, tmp_path, monkeypatch):
    """A camera can be opened only once: `mixformer track 0` opened it, and then once more to show its first frame."""
    asked, opened = [], []

    def ask(source, start):
        asked.append((source, start, list(opened)))
        return mixformer.Box(10, 30, 20, 20)

    def open_video(*words, **options):
        opened.append(words[0])
        return reader(*words, **options)

    reader = mixformer.open_video
    monkeypatch.setattr("mixformer.video.reader.open_video", open_video)
    monkeypatch.setattr("mixformer.cli.track.ask_box", ask)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    words = ["track", str(clip), "--model", str(tiny_model), "--start", "2", "--stop", "4"]
    assert main([*words, "--json", str(tmp_path / "boxes.jsonl")]) == 0
    assert asked == [(str(clip), 2, [])]
    assert len(json_lines(tmp_path / "boxes.jsonl")) == 2


def test_the_preset_none_is_that_of_the_model(clip, tiny_model, tmp_path):
    """A message advises it, track-all took it, and track did not know it."""
    words = ["track", str(clip), *BOX, "--model", str(tiny_model), "--stop", "3", "--preset", "none"]
    assert main([*words, "--json", str(tmp_path / "boxes.jsonl")]) == 0
    assert len(json_lines(tmp_path / "boxes.jsonl")) == 3


def test_an_unreadable_frame_is_skipped_and_reported(tiny_model, tmp_path, capsys):
    for index, frame in enumerate(moving_square(6)[0]):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_bytes(b"nonsense")
    boxes = tmp_path / "boxes.jsonl"
    assert main(["track", str(tmp_path), *BOX, "--model", str(tiny_model), "--json", str(boxes)]) == 0
    assert [line["frame"] for line in json_lines(boxes)] == [0, 1, 2, 4, 5]
    assert "skipped 1 unreadable frame: 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["track", "missing.mp4", *BOX], 3, "no file or folder missing.mp4"),
        (["track", "text.mp4", *BOX], 3, "not a video"),
        (["track", "empty", *BOX], 3, "holds no pictures"),
        (["track", "clip.mp4", "--box", "500", "30", "20", "20"], 2, "outside the frame of 120 x 90"),
        (["track", "clip.mp4", "--box", "10", "30", "0", "20"], 2, "no area"),
        (["track", "clip.mp4"], 2, "--box X Y WIDTH HEIGHT"),
        (["track", "clip.mp4", *BOX, "--start", "99"], 3, "no frame 99"),
        (["track", "clip.mp4", *BOX, "--model", "nothing"], 5, "no model, folder or file named 'nothing'"),
        (["track", "clip.mp4", *BOX, "--model", "mixformerv2_b"], 5, "mixformer convert"),
        (["track", "clip.mp4", *BOX, "--device", "cuda:9"], 2, "no device"),
        (["track", "clip.mp4", *BOX, "--preset", "lasot"], 2, "no preset"),
        (["track", "clip.mp4", *BOX, "--update-interval", "-3"], 2, "update_interval"),
        (["track", "clip.mp4", *BOX, "--out", "text.mp4/x.mp4"], 4, "cannot write"),
        (
            ["track", "clip.mp4", *BOX, "--out", "out.xyz"],
            4,
            "out.xyz cannot be written, since .xyz is no video format; there are mp4",
        ),
        (["track", "clip.mp4", *BOX, "--out", "clip.mp4"], 4, "is the source itself"),
        (["track", "empty", *BOX, "--out", "empty"], 4, "is the source itself"),
        (["track", "clip.mp4", *BOX, "--json", "/dev/full"], 4, "No space left"),
        (["convert", "text.mp4", "--out", "x"], 5, "text.mp4"),
        (["train", "text.mp4", "--out", "x"], 2, "TOML"),
    ],
)
def test_what_goes_wrong_is_said_once(clip, tiny_model, tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("hello, this is text")
    (tmp_path / "empty").mkdir()
    if words[0] == "track" and "--model" not in words:
        words = [*words, "--model", str(tiny_model)]
    assert main(words) == code
    errors = capsys.readouterr().err
    assert message in " ".join(errors.split())
    assert errors.count("error:") == 1
    assert "Traceback" not in errors


def test_debug_shows_where_it_came_from(tmp_path):
    with pytest.raises(CheckpointError):
        main(["--debug", "convert", "nothing", "--out", str(tmp_path / "x")])
    with pytest.raises(SourceError, match="there is no file"):  # also an OSError, like one of standard output
        main(["--debug", "track", str(tmp_path / "nothing.mp4"), "--box", *"1234"])


@pytest.mark.parametrize(
    "words", [["track"], ["track", "a.mp4", "--box", "1", "2"], ["track", "a.mp4", "--box", "nan", *"123"], ["fly"]]
)
def test_wrong_usage_exits_with_2(words):
    answer = run(*words)
    assert answer.returncode == 2
    assert "usage" in answer.stderr.lower()


@pytest.mark.parametrize("verb", ["track", "demo", "models", "info", "inspect", "convert", "train"])
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out) > 80


def test_help_teaches():
    answer = run("--help")
    assert answer.returncode == 0
    assert "mixformer track clip.mp4 --box 260 29 41 142" in answer.stdout
    assert "exit codes" in answer.stdout


def test_models_and_info(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    for name in ("mixformerv2_b", "mixformerv2_s", "2 per multiply-add", "license", "bundled"):
        assert name in printed
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert mixformer.__version__ in printed
    assert "torch" in printed


def test_convert_there_and_back(tiny_model, tmp_path, capsys):
    official, back = tmp_path / "tiny.pth.tar", tmp_path / "back"
    assert main(["convert", str(tiny_model), "--out", str(official), "--to", "official"]) == 0
    assert main(["convert", str(official), "--out", str(back), "--heads", "2"]) == 0
    assert "wrote" in capsys.readouterr().out
    assert mixformer.load_model(back).config.replace(name="tiny") == mixformer.load_model(tiny_model).config


def test_ctrl_c_leaves_valid_files(tiny_model, tmp_path):
    write_clip(tmp_path / "long.mp4", moving_square(1200, step=0)[0])
    out, boxes = tmp_path / "out.mp4", tmp_path / "boxes.jsonl"
    words = ["track", tmp_path / "long.mp4", *BOX, "--model", tiny_model, "--out", out, "--json", boxes]
    process = subprocess.Popen(
        [sys.executable, "-m", "mixformer", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    growing = tmp_path / "boxes.partial.jsonl"
    while process.poll() is None and (not growing.exists() or growing.read_text().count("\n") < 30):
        pass
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.returncode == 130
    assert "valid" in errors
    assert "Traceback" not in errors
    count = len(json_lines(boxes))
    assert 30 <= count < 600
    with mixformer.open_video(out) as video:
        assert abs(len(list(video)) - count) <= 1


def test_without_a_box_the_terminal_is_asked(clip, tiny_model, tmp_path):
    """No display, but a terminal: the person types four numbers."""
    boxes = tmp_path / "boxes.jsonl"
    words = ["track", clip, "--model", tiny_model, "--json", boxes]
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    person, program = pty.openpty()
    command = [sys.executable, "-m", "mixformer", *map(str, words)]
    process = subprocess.Popen(command, stdin=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    os.write(person, b"10, 30 20 20\n")
    _, errors = process.communicate(timeout=60)
    os.close(person)
    os.close(program)
    assert process.returncode == 0, errors
    assert b"120 x 90" in errors
    assert json_lines(boxes)[0]["box"] == [10, 30, 20, 20]


def test_training_from_the_command_line(tmp_path, capsys):
    """The recipe's own model on two pictures: a few steps, a checkpoint, a model folder, and going on."""
    folder = tmp_path / "data" / "sequences" / "a"
    (folder / "img").mkdir(parents=True)
    frames, boxes = moving_square(3)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "img" / f"{index + 1:08d}.png")
    np.savetxt(folder / "groundtruth.txt", boxes, delimiter=",")
    (folder / "meta.json").write_text('{"dev_use": "train"}')
    (tmp_path / "recipe.toml").write_text(
        'model = "mixformerv2_dino_s8"\nmax_steps = 1\nbatch_size = 1\n'
        f'data_root = "{tmp_path / "data"}"\n[data]\nsets = [{{ root = "sequences" }}]\nworkers = 0\n'
        "[optimizer]\nwarmup_steps = 1\ndecay_steps = 1\nfreeze_blocks = 7\n"
    )
    words = ["train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main(words) == 0
    assert main([*words, "--set", "max_steps=2"]) == 0
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert main([*words, "--set", "max_steps"]) == 2
    assert main([*words, "--set", "data_root=nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
