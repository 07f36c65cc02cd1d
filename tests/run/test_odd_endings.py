"""Videos that end while others go on, while the caller leaves, or by an error of their own."""

import os
import time
from contextlib import closing

import pytest
from PIL import Image

from mixformer import Box, MultiTracker, Runtime
from mixformer.errors import OutputError
from mixformer.run import Completed, Failed, Progressed, VideoJob, track_video, track_videos
from mixformer.run.resuming import ResumeFile
from mixformer.video import Target
from tests.helpers.clips import moving_square, write_clip

SQUARE = Target(1, Box(10, 30, 20, 20))


@pytest.fixture
def tracker(tiny_model):
    return MultiTracker(tiny_model, runtime=Runtime(device="cpu", engine="torch", threads=1))


@pytest.mark.parametrize("steps", [25, 50])  # the last second is whole, or no second is begun
def test_one_who_leaves_after_the_end_finds_all_as_it_was_finished(tracker, tmp_path, steps):
    """It was marked incomplete, and the same call failed by a KeyError from then on."""
    source = write_clip(tmp_path / "clip.mp4", moving_square(steps, step=0)[0])
    job = VideoJob("clip", str(source), (SQUARE,), tmp_path / "clip")
    with closing(track_videos([job], tracker=tracker)) as events:
        for event in events:
            if isinstance(event, Progressed) and event.steps >= steps - 2:
                break
        for _ in range(1000):  # the other threads finish it meanwhile
            if job.complete():
                break
            time.sleep(0.01)
    assert job.complete()
    assert {path.name for path in job.folder.iterdir()} == {"boxes.jsonl", "done.json"}
    assert any(isinstance(event, Completed) for event in track_videos([job], tracker=tracker))


def test_a_frame_that_cannot_be_used_ends_its_own_video_alone(tracker, tmp_path):
    """A tracker that takes one size of frames ended all videos at the first frame of another size."""
    pictures = moving_square(6)[0]
    for number, picture in enumerate(pictures):
        path = tmp_path / "sizes" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture if number < 3 else picture[:80]).save(path)
    clip = write_clip(tmp_path / "clip.mp4", pictures)
    jobs = [
        VideoJob(name, str(source), (SQUARE,), tmp_path / "out" / name)
        for name, source in (("sizes", path.parent), ("clip", clip))
    ]
    ends = {event.name: event for event in track_videos(jobs, tracker=tracker) if isinstance(event, Completed | Failed)}
    assert ends["clip"].result.frames == 6
    assert "the frames changed from 120 x 90 to 120 x 80" in ends["sizes"].message
    assert len((tmp_path / "out" / "sizes" / "boxes.jsonl").read_text().splitlines()) == 3
    assert len(tracker) == 0


def test_a_source_that_was_whole_later_is_tracked_again(tracker, tmp_path):
    """The result of half a copy counted as complete for ever."""
    data = write_clip(tmp_path / "whole.mkv", moving_square(20)[0]).read_bytes()
    source = tmp_path / "clip.mkv"
    source.write_bytes(data[: len(data) * 2 // 3])
    job = VideoJob("clip", str(source), (SQUARE,), tmp_path / "clip")
    counts = []
    for _ in range(2):
        counts += [
            event.result.frames for event in track_videos([job], tracker=tracker) if isinstance(event, Completed)
        ]
        assert job.complete()
        source.write_bytes(data)
        assert job.complete() == (counts[-1] == 20)
    assert counts[0] < counts[1] == 20
    source.unlink()
    assert job.complete()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_that_nobody_writes_to_does_not_delay_the_others(tracker, tmp_path):
    """The others waited until it was given up."""
    os.mkfifo(tmp_path / "pipe")
    clip = write_clip(tmp_path / "clip.mp4", moving_square(6)[0])
    jobs = [
        VideoJob(name, str(source), (SQUARE,), tmp_path / "out" / name, opening={"timeout": 8})
        for name, source in (("pipe", tmp_path / "pipe"), ("clip", clip))
    ]
    events = track_videos(jobs, tracker=tracker)
    ends = [event for event in events if isinstance(event, Completed | Failed)]
    assert [(event.name, type(event)) for event in ends] == [("clip", Completed), ("pipe", Failed)]


class _StopError(Exception):
    pass


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_may_be_stopped_twice_in_its_first_second(tracker, tmp_path, killed, monkeypatch):
    """The first one's result was in its place, and the same call was refused from the third time on."""
    source = write_clip(tmp_path / "clip.mp4", moving_square(12)[0])
    result = tmp_path / "boxes.jsonl"

    def run(last=None):
        def on_frame(tracked):
            if tracked.frame.index == last:
                raise _StopError

        outputs = {"json": result}
        return track_video(source, SQUARE.box, outputs, tracker=tracker, on_frame=on_frame, pipeline=False)

    with pytest.raises(_StopError):
        run(last=5)
    with monkeypatch.context() as patched:
        if killed:
            patched.setattr(ResumeFile, "stop", lambda self, drafts: None)
        with pytest.raises(_StopError):
            run(last=3)
    assert len(result.read_text().splitlines()) == 6
    assert run().frames == 12
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "boxes.jsonl"}
    with pytest.raises(OutputError, match="exists already"):
        run()
