"""Every kind of source, whole and broken."""

import struct
import threading

import av
import numpy as np
import pytest
from PIL import Image

from mixformer.data.frame_storage import ClipFrame, read_frame
from mixformer.errors import DataError, SourceError
from mixformer.video import cameras, open_video
from mixformer.video.sound import Sound
from mixformer.video.source_look import look_of
from mixformer.video.video_formats import VIDEO_FORMATS
from tests.helpers.clips import moving_square, write_clip


def read(source, **kwargs):
    with open_video(source, **kwargs) as video:
        return list(video), video


def test_a_file(clip):
    frames, video = read(clip)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time for f in frames] == pytest.approx([i / 25 for i in range(20)])
    assert video.fps == pytest.approx(25)
    assert video.frame_count == 20
    expected = moving_square()[0][7].astype(int)
    assert frames[7].image.dtype == np.uint8
    assert np.abs(frames[7].image.astype(int) - expected).mean() < 15
    assert frames[7].image[40, 40].tolist()[0] > 180  # red, not blue: RGB order


def test_start_and_stop(clip):
    frames, _ = read(clip, start=5, stop=9)
    assert [f.index for f in frames] == [5, 6, 7, 8]
    with pytest.raises(SourceError, match="no frame 50"):
        read(clip, start=50)
    with pytest.raises(SourceError, match="no frames to read"):
        open_video(clip, start=5, stop=5)


def test_a_folder_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        Image.new("RGB", (20, 10), (number, 0, 0)).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    frames, video = read(tmp_path)
    assert [f.image[0, 0, 0] for f in frames] == [1, 9, 10]
    assert video.fps is None
    assert frames[0].time is None


def test_grey_palette_and_alpha_pictures(tmp_path):
    Image.new("L", (8, 6), 77).save(tmp_path / "a.png")
    Image.new("RGBA", (8, 6), (1, 2, 3, 0)).save(tmp_path / "b.png")
    Image.new("P", (8, 6)).save(tmp_path / "c.png")
    frames, _ = read(tmp_path)
    assert [f.image.shape for f in frames] == [(6, 8, 3)] * 3
    assert frames[0].image[0, 0].tolist() == [77, 77, 77]


def test_one_picture(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "one.jpg")
    frames, _ = read(tmp_path / "one.jpg")
    assert len(frames) == 1


def test_a_broken_picture_is_skipped_and_reported(tmp_path):
    for number in range(4):
        Image.new("RGB", (20, 10)).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"nonsense")
    frames, video = read(tmp_path)
    assert [f.index for f in frames] == [0, 1, 3]
    assert video.skipped == [2]


def test_a_folder_of_broken_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="none of its 1 frames"):
        read(tmp_path)


def test_a_cut_file_gives_what_is_left(tmp_path):
    path = write_clip(tmp_path / "whole.mkv", moving_square(40)[0])
    content = path.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) * 6 // 10])
    frames, _ = read(tmp_path / "cut.mkv")
    assert 10 < len(frames) < 40
    assert [f.index for f in frames] == list(range(len(frames)))


def test_damage_in_the_middle_does_not_end_the_video(tmp_path):
    path = write_clip(tmp_path / "whole.mkv", moving_square(60)[0])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = b"\x00" * 200
    (tmp_path / "damaged.mkv").write_bytes(content)
    frames, video = read(tmp_path / "damaged.mkv")
    assert len(frames) + len(video.skipped) >= 45
    assert frames[-1].index >= 45


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "no file or folder"),
        ("text.mp4", b"hello, this is text", "not a video"),
        ("empty.mp4", b"", "not a video"),
    ],
)
def test_not_a_video(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_video(path)


def test_a_file_with_sound_only(tmp_path):
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\x00" * 8000)
    with pytest.raises(SourceError, match="no video track"):
        open_video(path)


def test_an_empty_folder_and_a_camera_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="no pictures"):
        open_video(tmp_path)
    with pytest.raises(SourceError, match="no camera"):
        open_video("97")


def test_a_stream_that_is_not_there():
    with pytest.raises(SourceError, match=r"rtsp://127\.0\.0\.1"):
        open_video("rtsp://127.0.0.1:1/none")


def test_leaving_early_ends_the_thread(tmp_path):
    path = write_clip(tmp_path / "long.mp4", moving_square(120, step=0)[0])
    before = threading.active_count()
    with open_video(path) as video:
        for frame in video:
            if frame.index == 3:
                break
    assert threading.active_count() == before


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "webm", "ts", "mov"])
@pytest.mark.parametrize("sound", [False, True])
def test_a_whole_file_is_not_called_cut_short(tmp_path, ending, sound, caplog):
    """B9: no false alarm, in any container."""
    if sound and ending in ("webm", "avi"):
        pytest.skip("these do not take the tone's AAC")
    codec = "libvpx" if ending == "webm" else "libx264"
    path = write_clip(tmp_path / f"whole.{ending}", moving_square(40)[0], sound=sound, codec=codec)
    frames, video = read(path)
    assert len(frames) == 40
    assert not video.cut_short
    assert "cut short" not in caplog.text


def test_a_downloaded_part_of_an_mp4_is_cut_short(tmp_path, caplog):
    """B9: with its index in front, it opens as if all were there."""
    whole = write_clip(tmp_path / "whole.mp4", moving_square(60)[0])
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "fast.mp4"), "w", options={"movflags": "faststart"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    content = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    frames, video = read(tmp_path / "cut.mp4")
    assert 5 < len(frames) < 50
    assert "of 60 frames" in video.cut_short
    assert "of 60 frames" in caplog.text


def test_a_cover_is_not_the_video(tmp_path):
    """B: the main video track is tracked, not a picture that is attached."""
    clip = write_clip(tmp_path / "clip.mp4", moving_square(5)[0])
    Image.new("RGB", (64, 64), (0, 0, 200)).save(tmp_path / "cover.png")
    with (
        av.open(str(clip)) as source,
        av.open(str(tmp_path / "cover.png")) as cover,
        av.open(str(tmp_path / "both.mp4"), "w") as out,
    ):
        first = out.add_stream_from_template(cover.streams.video[0])
        first.disposition = av.stream.Disposition.attached_pic
        second = out.add_stream_from_template(source.streams.video[0])
        for container, stream in ((cover, first), (source, second)):
            for packet in container.demux(container.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    frames, _ = read(tmp_path / "both.mp4")
    assert [frame.image.shape for frame in frames] == [(90, 120, 3)] * 5


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("-", "standard input"),
        ("img_%05d.jpg", "looks like a pattern; give the folder"),
        ("frames/*.jpg", "give the folder of the pictures: frames"),
        (float("nan"), "not float"),
        (None, "not NoneType"),
        (True, "not bool"),
        (-1, "numbered from 0"),
        ("a\0b", "empty"),
        ("x" * 5000, "cannot be read|no file"),
    ],
)
def test_what_is_no_source(source, message):
    """B11, C10, D: a word that says what to give instead."""
    with pytest.raises(SourceError, match=message):
        open_video(source)


@pytest.mark.parametrize(("start", "stop"), [([], None), ("x", None), (0, "[red]"), (0, 1.5), (True, None)])
def test_what_is_no_frame_number(clip, start, stop):
    """C10: typed errors."""
    with pytest.raises(SourceError, match="whole number"):
        open_video(clip, start=start, stop=stop)


def test_a_size_change_is_said(tmp_path, caplog):
    """C7, D: once for each change."""
    for number in range(6):
        Image.new("RGB", (20, 10) if number < 3 else (40, 20)).save(tmp_path / f"{number}.png")
    assert len(read(tmp_path)[0]) == 6
    assert caplog.text.count("frame 3 is 40 x 20, not 20 x 10 as before") == 1


def test_a_latin_title_is_read(tmp_path):
    """C12: a stranger's bytes are replaced."""
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as out:
        out.metadata["title"] = "Cafe Munchen"
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 120, 90, "yuv420p"
        for frame in moving_square(5)[0]:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        out.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"Cafe Munchen", b"Caf\xe9 M\xfcnchen"))
    assert len(read(path)[0]) == 5


@pytest.mark.parametrize(
    ("text", "platform", "expected"),
    [
        ("0", "darwin", ("0:none", "avfoundation")),
        ("video=USB Camera", "win32", ("video=USB Camera", "dshow")),
        ("/dev/null", "linux", ("/dev/null", "v4l2")),
    ],
)
def test_cameras_of_each_system(text, platform, expected):
    """C14: what FFmpeg is asked for."""
    assert cameras.camera_input(text, platform)[:2] == expected


def test_cameras_of_windows_have_names(monkeypatch):
    """C14: a number is looked up in the list of names."""
    monkeypatch.setattr(cameras, "_windows_cameras", lambda: ["Front", "Rear"])
    assert cameras.camera_input("1", "win32").address == "video=Rear"
    with pytest.raises(SourceError, match="found: Front, Rear"):
        cameras.camera_input("2", "win32")
    with pytest.raises(SourceError, match="cameras have numbers on macOS"):
        cameras.camera_input("/dev/video0", "darwin")


@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.mpd", "a.ffconcat", "a.sdp", "a"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0">'
        "<BaseURL>{clip}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9999 RTP/AVP 96\n",
    ],
    ids=["hls", "concat", "dash", "sdp"],
)
def test_a_list_of_other_files_is_no_video(clip, tmp_path, name, text):
    """Torture row 3: a play-list, under any name, reads no other file, as a source, a data set's clip or for sound."""
    path = tmp_path / name
    path.write_text(text.format(clip=clip.name if name == "a" else clip))
    (tmp_path / clip.name).write_bytes(clip.read_bytes())
    for address in (path, f"file://{path}"):
        with pytest.raises(SourceError, match="list of other files" if address is path else "not a video"):
            open_video(address)
    with pytest.raises(DataError, match="list of other files"):
        read_frame(ClipFrame(path, 0))
    assert look_of(path) is None
    assert not list(Sound(path, VIDEO_FORMATS[".mkv"]).until(1.0))


@pytest.mark.parametrize("name", ["12:30.mp4", "data:a.mp4", "concat:a|b.mp4", "a%03d.mp4", "clip.mp3"])
def test_names_that_look_like_protocols(clip, tmp_path, name, monkeypatch):
    """Torture row 3: a file's name is a name, not an address that FFmpeg reads something else from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert len(read(name)[0]) == 20


def test_a_clip_of_a_phone_stands_upright_in_data_sets_too(clip, tmp_path):
    """Finding B2: tracking, training and evaluation see one picture."""
    with av.open(str(clip)) as source, av.open(str(tmp_path / "turned.mp4"), "w") as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    data = bytearray((tmp_path / "turned.mp4").read_bytes())
    upright = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    place = data.rindex(upright)  # of the track, behind that of the movie
    data[place : place + 36] = turned
    (tmp_path / "turned.mp4").write_bytes(data)
    shown = read(tmp_path / "turned.mp4")[0][3].image
    assert shown.shape[:2] == read(clip)[0][3].image.shape[:2][::-1]
    assert (read_frame(ClipFrame(tmp_path / "turned.mp4", 3)) == shown).all()
