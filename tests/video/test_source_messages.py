"""What is said of sources that cannot be read: why, once, and what to do."""

import struct
import threading

import av
import numpy as np
import pytest
from PIL import Image

from mixformer.errors import SourceError
from mixformer.imaging.containers import explain
from mixformer.video import open_video, open_writer
from mixformer.video.live import LiveStream
from tests.helpers.clips import moving_square, write_clip


def wide(kind, content):
    """Write a part of an MP4 file whose length has 64 bits."""
    return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content


def test_an_mp4_file_without_its_index_is_called_incomplete(tmp_path):
    """Half a download was called no video, with the advice to give an MP4 file."""
    whole = write_clip(tmp_path / "clip.mp4", moving_square(20)[0]).read_bytes()
    assert whole.index(b"mdat") < whole.index(b"moov")
    (tmp_path / "half.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    (tmp_path / "long.mp4").write_bytes(whole[:32] + wide(b"mdat", b"1234"))
    for name in ("half.mp4", "long.mp4"):
        with pytest.raises(
            SourceError, match=r"incomplete MP4 or MOV file: its index.*copy, download or record it again"
        ):
            open_video(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 4000, struct.pack(">I4s", 8, b"free") * 2000])
def test_other_files_are_not_called_incomplete(tmp_path, content):
    (tmp_path / "no.mp4").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        open_video(tmp_path / "no.mp4")
    assert "incomplete" not in str(caught.value)


def test_an_address_is_named_once():
    address = "rtsp://127.0.0.1:9/stream"
    with pytest.raises(av.FFmpegError) as caught:
        av.open(address)
    assert explain(address, caught.value) == (
        f"{address} cannot be opened: Connection refused; check the address, and that the server is running"
    )


def test_tries_to_connect_again_name_the_address_once(caplog):
    class Ended:
        fps, skipped, broke_off = None, [], ""

        def frames(self, start):
            return iter(())

        def close(self):
            pass

    def refuse(wanted):
        raise SourceError("tcp://camera cannot be opened: Connection refused; check the address")

    LiveStream("tcp://camera", refuse, Ended(), 2)._connect_again("the connection was closed", 0)
    assert [each.getMessage() for each in caplog.records] == [
        "tcp://camera: the connection was closed; connecting again (1 of 2)",
        "tcp://camera: cannot be opened: Connection refused; check the address; connecting again (2 of 2)",
    ]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_nothing_is_said_of_the_sound_of_a_picture(tmp_path, caplog, ending):
    picture = tmp_path / f"one.{ending}"
    Image.fromarray(moving_square(1)[0][0]).save(picture)
    with open_video(picture) as video, open_writer(tmp_path / "out.mp4", video.fps, picture) as writer:
        for frame in video:
            writer.write(frame.image)
    assert not caplog.records
    with open_video(tmp_path / "out.mp4") as video:
        (frame,) = video
    np.testing.assert_allclose(frame.image.mean((0, 1)), moving_square(1)[0][0].mean((0, 1)), atol=6)


def test_a_source_that_was_read_to_its_end_has_no_more_frames(tmp_path):
    """To iterate again waited for ever; to go on after leaving the loop is allowed."""
    path = write_clip(tmp_path / "clip.mp4", moving_square(6)[0])
    with open_video(path) as video:
        first = next(iter(video)).index
        numbers = [[frame.index for frame in video] for _ in range(2)]
        assert (first, numbers, video.ready()) == (0, [[1, 2, 3, 4, 5], []], True)
    found = []
    with open_video(path, start=90) as video, pytest.raises(SourceError, match="no frame 90"):
        list(video)
    again = threading.Thread(target=lambda: found.append(list(video)), daemon=True)
    again.start()
    again.join(5)
    assert found == [[]]
