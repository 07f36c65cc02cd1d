"""An interrupted `track` goes on: rows A1 and A5 of the findings."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress

import av
import pytest

import mixformer
from mixformer.cli import main
from mixformer.errors import OutputError
from mixformer.run import Progressed, VideoJob, VideoWork, track_video, track_videos
from mixformer.tracking import TrackerFactory
from mixformer.video import Target
from tests.helpers.clips import hear_interrupts, moving_square, write_clip

BOX = ["--box", "10", "30", "20", "20"]
LENGTH = 260


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", moving_square(LENGTH, step=0)[0], sound=True)


@pytest.fixture
def words(tiny_model):
    return ["--model", str(tiny_model), "--engine", "torch", "--device", "cpu", "--threads", "1", "--quiet"]


def video(path):
    """Times and pictures, and the packets of the sound."""
    if path.is_dir():
        return [(item.name, item.read_bytes()) for item in sorted(path.iterdir())]
    with av.open(str(path)) as one, av.open(str(path)) as two:
        pictures = [(f.pts, hashlib.md5(f.to_ndarray().tobytes()).hexdigest()) for f in one.decode(video=0)]
        return pictures, [(p.pts, bytes(p)) for p in two.demux(audio=0)] if two.streams.audio else []


def command(long, folder, ending, words):
    out = folder / (f"a.{ending}" if ending else "frames")
    texts = ["--json", folder / "a.jsonl", "--csv", folder / "a.csv", "--mot", folder / "a.txt"]
    return [str(word) for word in ["track", long, *BOX, "--out", out, *texts, *words]]


def interrupt(command, number, part, lines, cwd=None):
    """Run it, and send a signal when so many lines are there."""
    process = subprocess.Popen([sys.executable, "-m", "mixformer", *command], preexec_fn=hear_interrupts, cwd=cwd)
    end = time.monotonic() + 400
    while process.poll() is None and time.monotonic() < end:
        if part.exists() and part.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.005)
    process.send_signal(number)
    return process.wait(200)


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        *((signal.SIGKILL, ending) for ending in ("mp4", "mkv", "avi", "webm", "mov", "")),
        *((signal.SIGTERM, ending) for ending in ("mp4", "avi", "")),
        (signal.SIGINT, "mp4"),
    ],
)
def test_a5_the_same_command_goes_on_as_if_nothing_had_happened(long, words, tmp_path, number, ending, capsys):
    """Row A5: after any end, at most a second of video is missing, no line of text, and the same command completes."""
    whole, folder = tmp_path / "whole", tmp_path / "folder"
    assert main(command(long, whole, ending, words)) == 0
    same = command(long, folder, ending, words)
    for lines in (60, 120):  # twice
        code = interrupt(same, number, folder / "a.partial.jsonl", lines)
        if code == 0:
            pytest.skip("it was faster than the signal")
        part = ".partial" if code < 0 else ""
        text = (folder / f"a{part}.jsonl").read_bytes()
        assert text == (whole / "a.jsonl").read_bytes()[: len(text)]
        assert text.count(b"\n") >= lines
    assert main([word for word in same if word != "--quiet"]) == 0
    assert "resumed after the first" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.iterdir():
        if path.suffix in (".jsonl", ".csv", ".txt"):
            assert (folder / path.name).read_bytes() == path.read_bytes()
        else:
            assert video(folder / path.name) == video(path)


def stopped_at(count, *arguments, **options):
    """Track a video until so many frames are written."""

    def on_frame(frame):
        if frame.frame.index + 1 == count:
            raise _StopError

    with suppress(_StopError):
        return track_video(*arguments, on_frame=on_frame, pipeline=False, **options)


@pytest.mark.parametrize("ending", ["mp4", "avi", ""])
def test_a_run_stopped_before_its_first_second_begins_anew(long, tiny_model, tmp_path, ending):
    runtime = mixformer.Runtime(device="cpu", engine="torch", threads=1)
    outputs = {"json": tmp_path / "a.jsonl", "video": tmp_path / (f"a.{ending}" if ending else "pictures")}

    def run(box, stop_at=None):
        tracker = mixformer.MultiTracker(str(tiny_model), runtime=runtime)
        stopped_at(stop_at, long, [Target(1, mixformer.Box(*box))], outputs, tracker=tracker, stop=40)
        return (tmp_path / "a.jsonl").read_text().count("\n")

    assert run((10, 30, 20, 20), stop_at=8) == 8
    with pytest.raises(OutputError, match="overwrite"):
        run((10, 30, 20, 21))  # another run does not replace it
    assert run((10, 30, 20, 20)) == 40
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in outputs.values()}


def test_a_stopped_run_claims_only_what_it_put_in_its_place(long, tiny_model, tmp_path):
    result = tmp_path / "a.jsonl"
    result.write_text("of another day\n")
    runtime = mixformer.Runtime(device="cpu", engine="torch", threads=1)

    def run(**options):
        tracker = mixformer.MultiTracker(str(tiny_model), runtime=runtime)
        target = Target(1, mixformer.Box(10, 30, 20, 20))
        stopped_at(1, long, [target], {"json": result}, tracker=tracker, **options)

    run(overwrite=True)
    assert result.read_text() == "of another day\n"
    with pytest.raises(OutputError, match="overwrite"):
        run()
    assert result.read_text() == "of another day\n"


def test_a_gif_begins_anew_and_says_so(long, words, tmp_path, capsys):
    same = [*command(long, tmp_path / "b", "gif", words), "--stop", "150"]
    assert main([*command(long, tmp_path / "a", "gif", words), "--stop", "150"]) == 0
    assert interrupt(same, signal.SIGKILL, tmp_path / "b" / "a.partial.jsonl", 100) < 0
    assert main(same) == 0
    assert "begins anew" in " ".join(capsys.readouterr().err.split())
    assert video(tmp_path / "b" / "a.gif") == video(tmp_path / "a" / "a.gif")
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"a.gif", "a.jsonl", "a.csv", "a.txt"}


@pytest.mark.parametrize("change", [["--stop", "20"], ["--box", "10", "30", "20", "21"], ["--set", "search_factor=5"]])
def test_another_command_does_not_go_on_with_it(long, words, tmp_path, change):
    same = ["track", str(long), *BOX, "--json", str(tmp_path / "a.jsonl"), *words]
    assert interrupt(same, signal.SIGKILL, tmp_path / "a.partial.jsonl", 60) < 0
    other = [*same, *change] if change[0] == "--stop" else same
    if change[0] == "--box":
        other = ["track", str(long), *change, "--stop", "40", *same[7:]]
    if change[0] == "--set":
        other = [*same, "--stop", "40", "--search-factor", "5"]
    assert main(other) == 0
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(len(rows)))
    assert len(rows) in (20, 40)
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl"}


def test_a_stopped_result_is_replaced_by_its_own_command_alone(long, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    same = ["track", str(long), *BOX, "--out", "a.mp4", "--json", "a.jsonl", *words]
    if interrupt(same, signal.SIGTERM, tmp_path / "a.partial.jsonl", 60) != 143:
        pytest.skip("it was faster than the signal")
    before = (tmp_path / "a.jsonl").read_bytes()
    assert main([*same, "--start", "1"]) == 4
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "a.jsonl").read_bytes() == before
    with (tmp_path / "a.jsonl").open("ab") as file:  # somebody's own work
        file.write(b"mine\n")
    assert main(same) == 4
    assert (tmp_path / "a.jsonl").read_bytes() == before + b"mine\n"


def test_the_default_name_goes_on_too(long, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    same = ["track", str(long), *BOX, *words]
    process = subprocess.Popen([sys.executable, "-m", "mixformer", *same], preexec_fn=hear_interrupts)
    while process.poll() is None and not (tmp_path / ".long_tracked.mp4.resume").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    if process.wait(200) != 143:
        pytest.skip("it was faster than the signal")
    assert {path.name for path in tmp_path.iterdir()} == {"long_tracked.mp4", ".long_tracked.mp4.resume"}
    assert main(["track", str(long), "--box", "12", "30", "20", "20", "--stop", "3", *words]) == 0
    assert main(same) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"long_tracked.mp4", "long_tracked_2.mp4"}
    with mixformer.open_video(tmp_path / "long_tracked.mp4") as found:
        assert len(list(found)) == LENGTH


class _StopError(Exception):
    pass


def test_python_goes_on_with_targets_that_come_and_go(long, tiny_model, tmp_path):
    runtime = mixformer.Runtime(device="cpu", engine="torch", threads=1)

    def run(folder, stop_at=None):
        outputs = {"json": folder / "a.jsonl", "video": folder / "frames"}
        targets = [
            Target(7, mixformer.Box(10, 30, 20, 20)),
            Target(9, mixformer.Box(40, 30, 20, 20), start=30, stop=130),
            Target(3, mixformer.Box(60, 30, 20, 20), start=110),
        ]
        tracker = mixformer.MultiTracker(str(tiny_model), runtime=runtime, on_resize="rescale")

        def on_frame(tracked):
            if tracked.frame.index == stop_at:
                raise _StopError

        return track_video(long, targets, outputs, tracker=tracker, stop=160, on_frame=on_frame, pipeline=False)

    whole = run(tmp_path / "a")
    for stop_at in (60, 120):
        with pytest.raises(_StopError):
            run(tmp_path / "b", stop_at)
    again = run(tmp_path / "b")
    assert (again.frames, again.mean_score, whole.kept) == (whole.frames, pytest.approx(whole.mean_score), 0)
    assert again.kept == 100
    rows = [[json.loads(line) for line in (tmp_path / f / "a.jsonl").read_text().splitlines()] for f in "ab"]
    assert [(row["frame"], row["id"]) for row in rows[0]] == [(row["frame"], row["id"]) for row in rows[1]]
    for one, two in zip(*rows, strict=True):  # a batch in another order may round differently
        assert one["box"] == pytest.approx(two["box"], abs=0.01)
    assert len(list((tmp_path / "b" / "frames").iterdir())) == 160


def test_a_run_stopped_at_its_very_end_goes_on(long, tiny_model, tmp_path):
    """With --stop, the same command failed from then on: there are no frames from 50 to before 50."""
    runtime = mixformer.Runtime(device="cpu", engine="torch", threads=1)
    outputs = {"json": tmp_path / "a.jsonl", "video": tmp_path / "a.mp4"}

    def run(last=None):
        def on_frame(tracked):
            if tracked.frame.index == last:
                raise _StopError

        tracker = mixformer.MultiTracker(str(tiny_model), runtime=runtime)
        return track_video(long, (10, 30, 20, 20), outputs, tracker=tracker, stop=50, on_frame=on_frame, pipeline=False)

    with pytest.raises(_StopError):
        run(last=49)
    again = run()
    assert (again.frames, again.kept, {path.name for path in tmp_path.iterdir()}) == (50, 50, {"a.jsonl", "a.mp4"})
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == len(video(tmp_path / "a.mp4")[0]) == 50


@pytest.mark.parametrize("here", [True, False])
def test_many_videos_in_python_go_on_without_settings(long, tiny_model, tmp_path, monkeypatch, here):
    """A5 and A1: as `track-all`, here and in a worker."""
    monkeypatch.setattr("mixformer.run.video_run._SAVE_EVERY", 0.0)
    runtime = mixformer.Runtime(device="cpu", engine="torch", threads=1)
    factory = TrackerFactory(str(tiny_model), mixformer.MultiTracker(str(tiny_model), runtime=runtime).config, runtime)

    def job(folder):
        return VideoJob("long", str(long), (Target(1, mixformer.Box(10, 30, 20, 20)),), folder, stop=120)

    def run(folder, stop_at=None):
        if here:
            tracker = mixformer.MultiTracker(str(tiny_model), runtime=runtime, on_resize="rescale")
            with closing(track_videos([job(folder)], tracker=tracker)) as events:
                for event in events:
                    if stop_at and isinstance(event, Progressed) and event.steps > stop_at:
                        return None
            return event.result

        def report(frames):
            if stop_at and frames > stop_at:
                raise _StopError

        return VideoWork(factory)(0)(job(folder), report)

    whole = run(tmp_path / "whole")
    with suppress(_StopError):
        assert run(tmp_path / "folder", stop_at=80) is None
    assert not job(tmp_path / "folder").complete()
    again = run(tmp_path / "folder")
    assert (again.frames, whole.kept) == (120, 0)
    assert again.kept == 75  # to the last second that was whole
    assert job(tmp_path / "folder").complete()
    texts = [(tmp_path / folder / "boxes.jsonl").read_bytes() for folder in ("whole", "folder")]
    assert texts[0] == texts[1]


def test_a_damaged_resume_file_is_not_used(long, words, tmp_path):
    same = ["track", str(long), *BOX, "--json", str(tmp_path / "a.jsonl"), "--stop", "90", *words]
    (tmp_path / ".a.jsonl.resume").write_bytes(os.urandom(500))
    (tmp_path / "a.partial.jsonl").write_text("half a li")
    assert main(same) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl"}
    with pytest.raises(OutputError):
        track_video(long, (10, 30, 20, 20), {"json": tmp_path / "a.jsonl"}, stop=5)
