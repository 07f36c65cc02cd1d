"""`track_video` and the table of output formats."""

import json
import threading

import numpy as np
import pytest

import mixformer
from mixformer.cli import main
from mixformer.engines import Runtime
from mixformer.errors import BoxError, ConfigError, OutputError, SourceError
from mixformer.run import Failed, VideoJob, read_jobs, track_videos
from mixformer.tracking import MultiTracker
from mixformer.video import OUTPUT_FORMATS, OutputFormat, Target

SQUARE = (10, 30, 20, 20)


@pytest.fixture
def tracker(tiny_model):
    return MultiTracker(tiny_model, runtime=Runtime(device="cpu", engine="torch"), on_resize="rescale")


@pytest.fixture
def toy(monkeypatch):
    """A format as a user would add it: one entry in the table."""

    def line(result, id):
        return f"{result.frame} {id}"

    made = OutputFormat("toy", "boxes.toy", "boxes as toys", line, lambda ids: f"toys {ids}", "toy-file")
    monkeypatch.setitem(OUTPUT_FORMATS, "toy", made)


def test_a_new_format_is_known_to_python_and_to_both_commands(toy, clip, tracker, tiny_model, tmp_path, capsys):
    lines = ["toys True", *(f"{index} {id}" for index in range(2) for id in (1, 2))]
    targets = [SQUARE, (60, 50, 30, 20)]
    mixformer.track_video(clip, targets, {"toy": tmp_path / "a.toy"}, tracker=tracker, stop=2)
    assert (tmp_path / "a.toy").read_text().splitlines() == lines

    (tmp_path / "targets.txt").write_text("10 30 20 20\n60 50 30 20\n")
    words = ["--model", str(tiny_model), "--engine", "torch", "--device", "cpu"]
    options = ["--targets", str(tmp_path / "targets.txt"), "--stop", "2", "--toy-file", str(tmp_path / "b.toy")]
    assert main(["track", str(clip), *options, *words]) == 0
    assert (tmp_path / "b.toy").read_text().splitlines() == lines

    (tmp_path / "jobs.csv").write_text(f"source,targets,stop\n{clip},targets.txt,2\n")
    out = tmp_path / "out"
    assert main(["track-all", str(tmp_path / "jobs.csv"), "--out", str(out), "--write", "toy", *words]) == 0
    assert (out / "clip" / "boxes.toy").read_text().splitlines() == lines
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["track", "--help"])
    assert "--toy-file PATH" in capsys.readouterr().out


def test_one_box_has_no_id_and_a_summary(clip, tracker, tmp_path):
    seen = []
    outputs = {"json": tmp_path / "b.jsonl", "video": tmp_path / "o.mp4"}
    summary = mixformer.track_video(clip, np.array(SQUARE), outputs, tracker=tracker, start=3, on_frame=seen.append)
    rows = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(3, 20)) == [each.frame.index for each in seen]
    assert "id" not in rows[0]
    assert summary.frames == 17
    assert summary.mean_score == pytest.approx(np.mean([row["score"] for row in rows[1:]]), abs=1e-5)
    assert summary.skipped == ()
    assert summary.fps == pytest.approx(17 / summary.seconds)
    assert len(tracker) == 0


def test_several_targets_without_ids_are_all_drawn(clip, tracker, tmp_path):
    """It was a ValueError of Python's."""
    outputs = {"video": tmp_path / "frames", "json": tmp_path / "b.jsonl"}
    targets = [SQUARE, (60, 50, 30, 20)]
    summary = mixformer.track_video(clip, targets, outputs, tracker=tracker, stop=3, ids=False)
    lines = (tmp_path / "b.jsonl").read_text().splitlines()
    assert (summary.frames, len(lines), "id" in json.loads(lines[0])) == (3, 6, False)


@pytest.mark.parametrize("number", [0, -1, 1.5, None, "2"])
def test_no_videos_at_a_time_are_refused(clip, tracker, tmp_path, number):
    """With 0, nothing was tracked, without a word."""
    job = VideoJob("clip", str(clip), (Target(1, mixformer.Box(*SQUARE)),), tmp_path / "clip")
    with pytest.raises(ConfigError, match="concurrent_videos must be a whole number, 1 or more"):
        list(track_videos([job], tracker=tracker, concurrent_videos=number))


@pytest.mark.parametrize("pipeline", [True, False])
def test_it_stops_where_the_caller_says(clip, tracker, tmp_path, pipeline):
    def until_five(tracked):
        assert tracked.picture is not None
        return tracked.frame.index < 5

    before = threading.active_count()
    json_file = tmp_path / "b.jsonl"
    summary = mixformer.track_video(
        clip, SQUARE, {"json": json_file}, tracker=tracker, pipeline=pipeline, pictures=True, on_frame=until_five
    )
    assert summary.frames == len(json_file.read_text().splitlines()) >= 6
    assert threading.active_count() == before
    assert len(tracker) == 0


def test_a_target_that_starts_late_needs_no_result_before(clip, tracker, tmp_path):
    target = Target(7, mixformer.Box(*SQUARE), start=2, stop=4)
    outputs = {"json": tmp_path / "b.jsonl", "video": tmp_path / "o.mp4"}
    assert mixformer.track_video(clip, [target], outputs, tracker=tracker, stop=6).frames == 6
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("source", "box", "outputs", "error", "message"),
    [
        ("nothing.mp4", SQUARE, {}, SourceError, "no file or folder"),
        ("clip", (500, 30, 20, 20), {}, BoxError, "outside the frame"),
        ("clip", [], {}, BoxError, "no targets"),
        ("clip", SQUARE, {"gif": "a.gif"}, ConfigError, "cannot write gif; there are: video, json"),
        ("clip", SQUARE, {"json": "same", "csv": "same"}, OutputError, "json and csv would both be written"),
        ("clip", SQUARE, {"video": "clip"}, OutputError, "is the source itself"),
        ("clip", SQUARE, {"json": "/dev/full"}, OutputError, "No space left"),
    ],
)
def test_errors_keep_their_kind(clip, tracker, tmp_path, monkeypatch, source, box, outputs, error, message):
    monkeypatch.chdir(tmp_path)
    outputs = {name: str(clip) if path == "clip" else path for name, path in outputs.items()}
    with pytest.raises(error, match=message):
        mixformer.track_video(clip if source == "clip" else source, box, outputs, tracker=tracker)
    assert len(tracker) == 0


def test_the_old_column_of_a_list_of_videos_is_still_read(clip, tracker, tmp_path):
    (tmp_path / "targets.txt").write_text("10 30 20 20\n")
    (tmp_path / "jobs.csv").write_text(f"source,boxes,name\n{clip},targets.txt,a\nnone.mp4,targets.txt,b\n")
    with pytest.warns(DeprecationWarning, match="the column boxes is now called targets") as warned:
        jobs = read_jobs(tmp_path / "jobs.csv", tmp_path / "out")
    assert len(warned) == 1
    ends = {event.name: event for event in track_videos(jobs, tracker=tracker) if hasattr(event, "result")}
    assert ends["a"].result.frames == 20
    (failed,) = (event for event in track_videos(jobs[1:], tracker=tracker) if isinstance(event, Failed))
    assert "Traceback" in failed.trace
