"""Cameras and streams that stall, crawl, cut and lie (findings C1, B5, B9)."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest

from mixformer import Box, MultiTracker, track_video
from mixformer.cli import main
from mixformer.cli.ask import spread_box
from mixformer.engines import Runtime
from mixformer.errors import ConfigError, SourceError
from mixformer.run import Completed, VideoJob, track_videos
from mixformer.video import Target, open_video
from tests.helpers.clips import hear_interrupts, moving_square, write_clip
from tests.helpers.servers import HTTP, crawl, cut, paced, server, stall


@pytest.fixture(scope="module")
def ts(tmp_path_factory):
    return write_clip(
        tmp_path_factory.mktemp("live") / "clip.ts", moving_square(100)[0], codec="mpeg2video"
    ).read_bytes()


@pytest.mark.parametrize("behavior", ["silent", "header", "headers", "crawl"])
def test_an_address_that_does_not_answer_is_an_error_in_time(ts, behavior):
    """C1: never answers; stalls in the container's or in HTTP's headers; sends a trickle."""
    behave = {
        "silent": stall(b""),
        "header": stall(ts[:10]),
        "headers": stall(b"", HTTP[:20]),
        "crawl": crawl(ts),
    }[behavior]
    scheme = "http" if behavior == "headers" else "tcp"
    with server(behave) as port:
        begin = time.monotonic()
        with pytest.raises(SourceError, match="did not send a video within 1 s"):
            open_video(f"{scheme}://127.0.0.1:{port}", timeout=1)
        assert time.monotonic() - begin < 3


def test_a_stall_in_the_middle_ends_the_video_and_says_so(ts, caplog):
    """C1, B9: what came before is given, the end is said and can be seen."""
    with (
        server(stall(ts[: len(ts) // 2])) as port,
        open_video(f"tcp://127.0.0.1:{port}", timeout=1, reconnects=0) as video,
    ):
        frames = list(video)
        assert video.live
        assert 0 < len(frames) + video.passed_over < 100
        assert "no data came for 1 s" in video.cut_short
    assert "ended after" in caplog.text


def test_a_connection_that_is_cut_is_made_again(ts, caplog):
    """C1: bounded, said, and the frame numbers go on."""
    half = ts[: len(ts) // 2]
    with (
        server(cut(half), cut(half), stall(b"")) as port,
        open_video(f"tcp://127.0.0.1:{port}", timeout=1, reconnects=2, every_frame=True) as video,
    ):
        indices = [frame.index for frame in video]
    assert indices == list(range(len(indices)))
    assert len(indices) > 50  # more than one half holds
    assert "connecting again (1 of 2)" in caplog.text
    assert "connecting again (2 of 2)" in caplog.text
    assert video.cut_short


def test_the_newest_frame_wins(ts):
    """B5: a slow reader of a live source is never late; the numbers tell what it missed."""
    with server(paced(ts, 4)) as port, open_video(f"tcp://127.0.0.1:{port}", timeout=2, reconnects=0) as video:
        indices = []
        for frame in video:
            indices.append(frame.index)
            time.sleep(0.3)
    assert len(indices) < 40
    assert indices == sorted(set(indices))
    assert video.passed_over >= 50
    assert indices[-1] >= 95
    assert len(indices) + video.passed_over == indices[-1] + 1


def test_every_frame_of_a_live_source_if_asked_for(ts):
    """B5: the option."""
    with (
        server(paced(ts, 1)) as port,
        open_video(f"tcp://127.0.0.1:{port}", timeout=2, reconnects=0, every_frame=True) as video,
    ):
        indices = [frame.index for frame in video if not time.sleep(0.02)]
    assert indices == list(range(100))
    assert video.passed_over == 0


def test_leaving_a_stalled_source_takes_no_time(ts):
    with server(stall(ts[: len(ts) // 2])) as port:
        video = open_video(f"tcp://127.0.0.1:{port}", timeout=8)
        begin = time.monotonic()
        next(iter(video))
        video.close()
        assert time.monotonic() - begin < 2


def test_another_thread_ends_the_waiting(ts):
    """C1: what `track-all` needs, where the source is read in a thread."""
    over = threading.Event()
    threading.Timer(0.5, over.set).start()
    with server(stall(b"")) as port:
        begin = time.monotonic()
        with pytest.raises(SourceError):
            open_video(f"tcp://127.0.0.1:{port}", timeout=30, over=over)
        assert time.monotonic() - begin < 2


_WAIT = (
    "import sys, mixformer\nfor frame in mixformer.open_video(sys.argv[1], timeout=60): print(frame.index, flush=True)"
)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_one_ctrl_c_ends_it(ts, share):
    """C1: while it opens, and in the middle."""
    with server(stall(ts[: int(share * len(ts))])) as port:
        command = [sys.executable, "-c", _WAIT, f"tcp://127.0.0.1:{port}"]
        child = subprocess.Popen(command, preexec_fn=hear_interrupts, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if share:
            child.stdout.readline()
        else:
            time.sleep(3)
        begin = time.monotonic()
        os.kill(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        assert time.monotonic() - begin < 2
        assert b"KeyboardInterrupt" in errors


def test_a_pipe_that_nobody_writes_to(tmp_path):
    """C1: a named pipe keeps one waiting like a network does."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="did not send a video within"):
        open_video(tmp_path / "pipe", timeout=0.5)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "x"])
def test_a_time_out_is_a_number_above_zero(timeout):
    with pytest.raises(ConfigError, match="time-out"):
        open_video("tcp://127.0.0.1:1", timeout=timeout)


def test_a_file_on_a_web_server_is_no_live_source(tmp_path):
    """B5: no frame of a file is left out, wherever it lies."""
    content = write_clip(tmp_path / "clip.mkv", moving_square(60)[0]).read_bytes()
    header = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    with server(cut(content, header)) as port, open_video(f"http://127.0.0.1:{port}/clip.mkv", timeout=3) as video:
        assert not video.live
        assert [frame.index for frame in video if not time.sleep(0.01)] == list(range(60))


def test_dropped_videos_close_what_they_hold(tmp_path):
    """C13: neither begun nor finished, and never closed."""
    path = write_clip(tmp_path / "long.mp4", moving_square(120, step=0)[0])
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        next(iter(open_video(path)))
        open_video(path)
    gc.collect()
    end = time.monotonic() + 5
    while (threading.active_count() > threads or len(os.listdir("/proc/self/fd")) > files) and time.monotonic() < end:
        time.sleep(0.05)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) <= files


def test_a_stalled_source_does_not_hold_up_the_others(ts, tmp_path, tiny_model):
    """C1: one never answers, one stalls in the middle; a file is tracked to its end meanwhile."""
    clip = write_clip(tmp_path / "clip.mp4", moving_square(20)[0])
    with server(stall(b"")) as silent, server(stall(ts[: len(ts) // 2])) as half:
        sources = {"silent": f"tcp://127.0.0.1:{silent}", "half": f"tcp://127.0.0.1:{half}", "clip": str(clip)}
        target = Target(1, Box(10, 30, 20, 20))
        jobs = [VideoJob(name, source, (target,), tmp_path / name) for name, source in sources.items()]
        tracker = MultiTracker(str(tiny_model), runtime=Runtime(device="cpu", engine="torch"), on_resize="rescale")
        begin = time.monotonic()
        with closing(track_videos(jobs, tracker=tracker, concurrent_videos=3)) as events:
            done = next(event for event in events if isinstance(event, Completed))
        assert done.name == "clip"
        assert time.monotonic() - begin < 8  # the time-out is 10 s; leaving takes no time either


def test_the_command_line_ends_in_time_and_says_why(tmp_path, capsys):
    """C1: exit code 3."""
    with server(stall(b"")) as port:
        command = [
            "track",
            f"tcp://127.0.0.1:{port}",
            "--box",
            "1,2,30,40",
            "--timeout",
            "1",
            "--out",
            str(tmp_path / "a.mp4"),
        ]
        assert main(command) == 3
    assert "did not send a video within 1 s" in capsys.readouterr().err


def test_a_file_cut_short_has_an_exit_code_of_its_own(tmp_path, tiny_model, capsys):
    """B9: what is there is tracked and written, both numbers are said, and a script can see it."""
    whole = write_clip(tmp_path / "whole.mkv", moving_square(60)[0])
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    command = ["track", "--box", "10,30,20,20", "--model", str(tiny_model), "--engine", "torch", "--device", "cpu"]
    assert main([*command, str(whole), "--json", str(tmp_path / "whole.jsonl")]) == 0
    assert main([*command, str(tmp_path / "cut.mkv"), "--json", str(tmp_path / "cut.jsonl")]) == 3
    lines = len((tmp_path / "cut.jsonl").read_text().splitlines())
    assert 10 < lines < 60
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(rf"is cut short: {lines} of about (59|60|61|62|63) frames", said)


@pytest.mark.parametrize(
    "words", [["260,29,41,142"], ["260,", "29,", "41,", "142"], ['{"frame": 0, "box": [260, 29, 41, 142]}']]
)
def test_a_box_on_the_command_line(words):
    """B10: as people and our own files write it."""
    for form in (["--box", *words], [f"--box={words[0]}", *words[1:]]):
        assert spread_box(["track", *form, "o.mp4"]) == ["track", "--box", "260", "29", "41", "142", "o.mp4"]


@pytest.fixture
def web(tmp_path):
    """A folder on a web server, with a clip that has sound; gives its address."""
    write_clip(tmp_path / "clip.mp4", moving_square(20)[0], sound=True)
    with HTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/clip.mp4"
        http.shutdown()


@pytest.mark.parametrize(("outputs", "said"), [({"video": "a.mp4"}, True), ({"json": "a.jsonl"}, False)])
def test_the_sound_of_an_address_is_not_dropped_without_a_word(web, tmp_path, tiny_model, caplog, outputs, said):
    """D: the annotated video of a stream has no sound; that is said, and how to keep it."""
    runtime = Runtime(device="cpu", engine="torch")
    tracker = MultiTracker(str(tiny_model), runtime=runtime)
    track_video(web, [(10, 30, 20, 20)], {name: tmp_path / place for name, place in outputs.items()}, tracker=tracker)
    assert ("sound, if it has any, is not written" in caplog.text) is said


def test_track_all_waits_for_sources_as_long_as_it_is_told(ts, tmp_path, tiny_model, capsys):
    """C1: --timeout and --every-frame, and the numbers of cameras, in lists of videos."""
    with server(stall(b"")) as silent, server(paced(ts, 0.2)) as lively:
        rows = [f"tcp://127.0.0.1:{silent},silent", f"tcp://127.0.0.1:{lively},lively", "97,camera"]
        lines = "".join(f"{source},10 30 20 20,{name},20\n" for source, name in (row.split(",") for row in rows))
        (tmp_path / "jobs.csv").write_text(f"source,box,name,stop\n{lines}")
        words = ["--model", str(tiny_model), "--engine", "torch", "--device", "cpu", "--out", str(tmp_path / "out")]
        assert main(["track-all", str(tmp_path / "jobs.csv"), *words, "--timeout", "1", "--every-frame"])
    said = " ".join(capsys.readouterr().err.split())
    assert "did not send a video within 1 s" in said
    assert "there is no camera /dev/video97" in said or sys.platform != "linux"
    lines = (tmp_path / "out" / "lively" / "boxes.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame"] for line in lines] == list(range(20))


def test_track_all_refuses_a_time_out_of_no_seconds(tmp_path, capsys):
    """C1."""
    (tmp_path / "jobs.csv").write_text("source,box\na.mp4,1 2 30 40\n")
    assert main(["track-all", str(tmp_path / "jobs.csv"), "--timeout", "0"]) == 2
    assert "number of seconds above 0" in capsys.readouterr().err
