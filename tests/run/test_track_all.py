"""`mixformer track --targets` and `mixformer track-all`: results, restarts, failures, workers."""

import errno
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import mixformer
from mixformer.cli import main
from mixformer.engines import Runtime
from mixformer.imaging.containers import explain
from mixformer.run.jobs import read_jobs
from mixformer.tracking import Tracker
from tests.helpers.clips import hear_interrupts, moving_square, write_clip

SQUARE, CORNER = (10, 30, 20, 20), (60, 50, 30, 20)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def boxes_of(found, number):
    return np.array([line["box"] for line in found if line.get("id", 1) == number])


@pytest.fixture
def common(tiny_model):
    return ["--model", str(tiny_model), "--engine", "torch", "--device", "cpu", "--update-interval", "5"]


def alone(tiny_model, clip, box, start=0, stop=None):
    """What a tracker of its own finds."""
    tracker = Tracker(str(tiny_model), runtime=Runtime(device="cpu", engine="torch"))
    tracker.config = tracker.config.replace(update_interval=5)
    with mixformer.open_video(clip, start, stop) as video:
        frames = [frame.image for frame in video]
    return np.array([tracker.init(frames[0], box).box] + [tracker.update(frame).box for frame in frames[1:]])


def test_targets_that_come_and_go(clip, tiny_model, common, tmp_path, capsys):
    targets = tmp_path / "targets.csv"
    targets.write_text("frame,id,x,y,w,h,stop\n0,7,10,30,20,20,\n4,3,60,50,30,20,12\n90,5,1,1,30,30,\n")
    names = {"out": "out.mp4", "json": "b.jsonl", "csv": "b.csv", "mot": "b.txt"}
    outputs = [word for option, name in names.items() for word in (f"--{option}", str(tmp_path / name))]
    assert main(["track", str(clip), "--targets", str(targets), *common, *outputs]) == 0
    assert "ended before these targets began: 5 (frame 90)" in " ".join(capsys.readouterr().err.split())
    found = lines(tmp_path / "b.jsonl")
    assert [line["frame"] for line in found if line["id"] == 7] == list(range(20))
    assert [line["frame"] for line in found if line["id"] == 3] == list(range(4, 12))
    np.testing.assert_allclose(boxes_of(found, 7), alone(tiny_model, clip, SQUARE), atol=2e-3)
    np.testing.assert_allclose(boxes_of(found, 3), alone(tiny_model, clip, CORNER, 4, 12), atol=2e-3)
    rows = (tmp_path / "b.csv").read_text().splitlines()
    assert rows[0] == "frame,id,time,x,y,w,h,score,status"
    mot = [line.split(",") for line in (tmp_path / "b.txt").read_text().splitlines()]
    assert [(int(row[0]) - 1, int(row[1])) for row in mot] == [(line["frame"], line["id"]) for line in found]
    assert len(rows) - 1 == len(mot) == len(found) == 28
    with mixformer.open_video(tmp_path / "out.mp4") as video:
        assert len(list(video)) == 20


def test_with_and_without_the_pipeline_all_files_are_the_same(clip, common, tmp_path):
    (tmp_path / "targets.txt").write_text("10 30 20 20\n60 50 30 20\n")
    written = []
    for name, words in (("with", []), ("without", ["--no-pipeline"])):
        folder = tmp_path / name
        outputs = ["--out", str(folder / "out.mp4"), "--json", str(folder / "b.jsonl"), "--mot", str(folder / "b.txt")]
        assert main(["track", str(clip), "--targets", str(tmp_path / "targets.txt"), *common, *outputs, *words]) == 0
        written.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert written[0] == written[1]
    assert len(written[0]) == 3


def test_masks_of_several_targets(clip, common, tmp_path):
    pytest.importorskip("cv2", reason="pip install 'mixformer[masks]'")
    (tmp_path / "targets.txt").write_text("0,1,10,30,20,20\n0,4,60,50,30,20\n")
    words = [
        "--targets",
        str(tmp_path / "targets.txt"),
        "--masks",
        str(tmp_path / "m"),
        "--out",
        str(tmp_path / "o.mp4"),
    ]
    assert main(["track", str(clip), *common, *words, "--stop", "3"]) == 0
    names = sorted(str(path.relative_to(tmp_path / "m")) for path in (tmp_path / "m").rglob("*.png"))
    assert names == [f"{number}/{index:08d}.png" for number in (1, 4) for index in range(3)]


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("1,2,3\n", [], "targets.csv, line 1: 3 values"),
        ("0,1,10,30,20,20\n3,2,500,30,20,20\n", [], "targets.csv, line 2: box x=500 y=30 w=20 h=20 lies outside"),
        ("0,1,10,30,20,20\n", ["--start", "2"], "begins in frame 0, before --start 2"),
        ("50,1,10,30,20,20\n", [], "the video ends before a target begins: 1 (frame 50)"),
        ("10,30,20,20\n", ["--box", "10", "30", "20", "20"], "--box and --targets both name targets"),
    ],
)
def test_what_cannot_be_tracked(clip, common, tmp_path, capsys, text, words, message):
    (tmp_path / "targets.csv").write_text(text)
    out = ["--json", str(tmp_path / "b.jsonl")]
    assert main(["track", str(clip), "--targets", str(tmp_path / "targets.csv"), *common, *out, *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def jobs(tmp_path):
    """Two good videos of different lengths and sizes, a broken one, and one whose target is outside."""
    write_clip(tmp_path / "a.mp4", moving_square(14)[0])
    write_clip(tmp_path / "b.mp4", moving_square(9, height=70, width=150)[0])
    (tmp_path / "broken.mp4").write_text("no video")
    (tmp_path / "targets.csv").write_text("0,1,10,30,20,20\n3,2,60,40,30,20\n")
    (tmp_path / "jobs.csv").write_text(
        "source,box,targets,start,stop,name\n"
        "a.mp4,10 30 20 20,,,,\n"
        "broken.mp4,10 30 20 20,,,,\n"
        "a.mp4,500 30 20 20,,,,outside\n"
        "b.mp4,,targets.csv,,,\n"
        "a.mp4,60 50 30 20,,4,12,part\n"
    )
    return tmp_path / "jobs.csv"


def test_a1_exit_codes(clip, common, tmp_path, capsys):
    """0: all is tracked; 4: all that failed could not be written; 1: something else failed too."""
    shutil.copy(clip, tmp_path / "a.mp4")
    out = tmp_path / "tracked"
    out.mkdir()
    words = ["track-all", str(tmp_path / "jobs.csv"), "--out", str(out), *common]

    def run(*names):
        rows = [f"{source}.mp4,10 30 20 20,3,{name}\n" for source, name in names]
        (tmp_path / "jobs.csv").write_text("source,box,stop,name\n" + "".join(rows))
        code, told = main(words), capsys.readouterr()
        return code, " ".join(f"{told.out} {told.err}".split())

    (out / "taken").write_text("a file where a folder should be")
    assert run(("a", "good"))[0] == 0
    code, told = run(("a", "good"), ("a", "taken"))
    assert code == 4
    assert "0 videos tracked, 0 frames, 1 were complete" in told
    assert "1 video failed" in told
    code, told = run(("a", "taken"), ("none", "missing"))
    assert code == 1
    assert "2 videos failed" in told
    assert run(("none", "missing"))[0] == 1
    assert (out / "taken").read_text() == "a file where a folder should be"


@pytest.mark.parametrize(
    "how", [["--concurrent-videos", "3"], ["--concurrent-videos", "1"], ["--workers", "1"]], ids=" ".join
)
def test_many_videos(jobs, tiny_model, common, tmp_path, capsys, how):
    out = tmp_path / "tracked"
    words = ["track-all", str(jobs), "--out", str(out), *common, "--write", "json", "video", *how]
    assert main(words) == 1
    captured = capsys.readouterr()
    errors = " ".join(captured.err.split())
    assert "3 videos tracked, 31 frames" in captured.out
    assert "2 videos failed" in errors
    assert "broken: " in errors
    assert "broken.mp4 is not a video that can be read" in errors
    assert f"outside: {jobs}, line 4: box x=500" in errors
    expected = {
        ("a", 1): alone(tiny_model, tmp_path / "a.mp4", SQUARE),
        ("b", 1): alone(tiny_model, tmp_path / "b.mp4", SQUARE),
        ("b", 2): alone(tiny_model, tmp_path / "b.mp4", (60, 40, 30, 20), 3),
        ("part", 1): alone(tiny_model, tmp_path / "a.mp4", CORNER, 4, 12),
    }
    for (name, number), boxes in expected.items():
        np.testing.assert_allclose(boxes_of(lines(out / name / "boxes.jsonl"), number), boxes, atol=2e-3)
        with mixformer.open_video(out / name / "annotated.mp4") as video:
            assert len(list(video)) == {"a": 14, "b": 9, "part": 8}[name]
    done = json.loads((out / "b" / "done.json").read_text())
    assert done["frames"] == 9
    assert 0 <= done["mean_score"] <= 1
    assert not (out / "outside" / "done.json").exists()
    if how == ["--concurrent-videos", "1"]:
        _once_more(jobs, out, words, capsys)


def _once_more(jobs, out, words, capsys):
    """What is complete is kept; what was changed or damaged is done again."""
    before = (out / "a" / "boxes.jsonl").stat().st_mtime_ns
    (out / "part" / "done.json").write_text("{")
    jobs.write_text(jobs.read_text().replace("500 30", "50 30").replace("broken.mp4", "b.mp4,10 30 20 20,,,,again#"))
    jobs.write_text("\n".join(line.split("#")[0] for line in jobs.read_text().splitlines()))
    assert main(words) == 0
    assert "3 videos tracked, 31 frames, 2 were complete" in capsys.readouterr().out
    assert (out / "a" / "boxes.jsonl").stat().st_mtime_ns == before
    assert main([*words, "--search-factor", "4"]) == 0
    assert "5 videos tracked" in capsys.readouterr().out
    assert main([*words, "--search-factor", "4"]) == 0
    assert "0 videos tracked, 0 frames, 5 were complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("source,box\na.mp4,1 2 3\n", [], "jobs.csv, line 2: a box is four numbers"),
        ("source,box\na.mp4,\n", [], "jobs.csv, line 2: a video needs its source, and either box or targets"),
        ("source,box,targets\na.mp4,1 2 3 4,b.csv\n", [], "either box or targets"),
        ("source,targets\na.mp4,none.csv\n", [], "jobs.csv, line 2: cannot read"),
        ("source,box,color\na.mp4,1 2 3 4,red\n", [], "there is no column color"),
        ("source,box\na.mp4,1,2,3,4\n", [], "jobs.csv, line 2: there is no column (too many values)"),
        ("source,box\na.mp4,1 2 3 4\nx/a.mp4,1 2 3 4\n", [], "line 3: there is a video called 'a' already"),
        ("source,box,start\na.mp4,1 2 3 4,soon\n", [], "line 2: start must be a whole number"),
        ("source,box,name\na.mp4,1 2 3 4,a/b\n", [], "becomes a folder, which 'a/b' cannot be"),
        ("source,box\n", [], "holds no videos"),
        ("[1, 2]", [], "cannot be read"),
        ('[{"source": "a.mp4", "box": [1, 2, 3]}]', [], "jobs.csv, entry 1: a box is four numbers"),
        ("source,box\na.mp4,1 2 3 4\n", ["--write", "gif"], "cannot write gif; there are: video, json"),
        ("source,box\na.mp4,1 2 3 4\n", ["--concurrent-videos", "0"], "--concurrent-videos must be 1 or more"),
        ("source,box\na.mp4,1 2 3 4\n", ["--executor", "ray"], "a Ray cluster needs --workers"),
    ],
)
def test_lists_of_jobs_that_cannot_be_used(tmp_path, tiny_model, capsys, text, words, message):
    (tmp_path / "jobs.csv").write_text(text)
    out = ["--out", str(tmp_path / "out"), "--model", str(tiny_model)]
    assert main(["track-all", str(tmp_path / "jobs.csv"), *out, *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_valid_files_and_the_rest_is_done_later(common, tmp_path):
    write_clip(tmp_path / "a.mp4", moving_square(500, step=0)[0])
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "jobs.csv").write_text("source,box\na.mp4,10 30 20 20\nb.mp4,60 50 30 20\n")
    out = tmp_path / "out"
    words = ["track-all", tmp_path / "jobs.csv", "--out", out, *common, "--write", "json", "video"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mixformer", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    seen = out / "b" / "boxes.partial.jsonl"
    while process.poll() is None and (not seen.exists() or seen.read_text().count("\n") < 20):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.returncode == 130
    assert "Traceback" not in errors
    for name in "ab":
        count = len(lines(out / name / "boxes.jsonl"))
        assert 20 <= count < 480
        with mixformer.open_video(out / name / "annotated.mp4") as video:
            assert abs(len(list(video)) - count) <= 1
        assert not (out / name / "done.json").exists()


@pytest.mark.parametrize("damaged", ["[]", "3", '{"job": {', "[" * 5000, "\xff"])
def test_a_damaged_mark_means_that_a_job_is_not_complete(tmp_path, damaged):
    """C10: a list in done.json ended in an AttributeError, a deep one in a RecursionError."""
    (tmp_path / "jobs.csv").write_text("source,box\na.mp4,10 30 20 20\n")
    (job,) = read_jobs(tmp_path / "jobs.csv", tmp_path / "out")
    job.finish({})
    job.outputs["json"].touch()
    assert job.complete()
    (job.folder / "done.json").write_text(damaged, encoding="latin-1")
    assert not job.complete()


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (8 * ["rtsp://127.0.0.1:9/{}"], [], "8 cameras may never end, and only 4 videos are tracked at a time"),
        (2 * ["rtsp://127.0.0.1:9/{}"] + ["a.mp4"], ["--workers", "2"], "give --workers 3, or a stop"),
        (8 * ["rtsp://127.0.0.1:9/{}"], ["--concurrent-videos", "8"], None),
        (3 * ["rtsp://127.0.0.1:9/{}"] + 9 * ["{}.mp4"], [], None),  # one place is left for the files
    ],
)
def test_videos_that_would_wait_for_cameras_for_ever(rows, words, message, common, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mixformer.cli.track_all._events", lambda *_: (event for event in ()))
    lines = "".join(f"{source.format(number)},10 30 20 20,v{number}\n" for number, source in enumerate(rows))
    (tmp_path / "jobs.csv").write_text(f"source,box,name\n{lines}")
    main(["track-all", str(tmp_path / "jobs.csv"), "--out", str(tmp_path / "out"), *common, *words])
    said = " ".join(capsys.readouterr().err.split())
    assert (message in said) if message else "never" not in said


@pytest.mark.parametrize(("limit", "code"), [("-n", 2), ("-S -n", 0)])
def test_many_videos_at_a_time_need_open_files(jobs, common, tmp_path, limit, code):
    """The soft limit is raised; a hard one is named before anything is tracked."""
    rows = "".join(f"{jobs.parent / 'a.mp4'},10 30 20 20,0,2,v{number}\n" for number in range(30))
    (tmp_path / "many.csv").write_text(f"source,box,start,stop,name\n{rows}")
    words = ["track-all", str(tmp_path / "many.csv"), "--out", str(tmp_path / "out"), *common, "--write", "json", "mot"]
    command = [sys.executable, "-m", "mixformer", *words, "--concurrent-videos", "50"]
    done = subprocess.run(
        ["bash", "-c", f'ulimit {limit} 128; exec "$@"', "bash", *command], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == code, done.stderr
    if code:
        assert "30 videos at a time may need 288 open files, but the system allows 128" in " ".join(done.stderr.split())
        assert not list((tmp_path / "out").glob("*"))
    else:
        assert len(list((tmp_path / "out").glob("*/done.json"))) == 30


def test_too_many_open_files_are_not_called_a_broken_video():
    said = explain("a.mp4", OSError(errno.EMFILE, "Too many open files"))
    assert "too many files are open" in said
    assert "permissions" not in said
