"""Frames and uploads over HTTP."""

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import av
import numpy as np
import pytest
from PIL import Image

from mixformer.annotation.web import frame_store
from mixformer.annotation.web.frame_store import FrameStore
from mixformer.video import FrameReader
from tests.annotation.web.conftest import write_bars
from tests.helpers.web import bar_frame, bar_number, client_of, only_video


def test_frames_are_those_of_the_reader(tmp_path):
    """Frame by frame, forward, backward and at random, in files with and without an index."""
    for ending, gop in ((".mp4", 30), (".mkv", 250), (".avi", 30)):
        path = tmp_path / f"bars{ending}"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"bf": "2", "g": str(gop), "crf": "12"})
            stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
            for number in range(150):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(bar_frame(number))))
            out.mux(stream.encode(None))
        with client_of(path) as client:
            video = only_video(client)
            assert client.get(video, params={"wait": True}).json()["frame_count"] == 150
            for number in (0, 1, 2, 140, 139, 138, 60, 61, 5, 149, 75):
                answer = client.get(f"{video}/frames/{number}", params={"viewer": "a"})
                picture = np.asarray(Image.open(io.BytesIO(answer.content)))
                assert answer.headers["content-type"] == "image/jpeg"
                assert bar_number(picture) == number, ending
            for number in (150, 10**9):
                assert client.get(f"{video}/frames/{number}").status_code == 404
            assert client.get(f"{video}/frames/-1").status_code == 422
            small = Image.open(io.BytesIO(client.get(f"{video}/frames/3", params={"width": 80}).content))
            assert small.size == (80, 48)


def test_near_a_frame_is_its_key_frame(bars, monkeypatch):
    monkeypatch.setattr("mixformer.video.stream.go_on", None)  # no other frame is decoded
    with client_of(bars) as client:
        video = only_video(client)
        client.get(video, params={"wait": True})
        for number, key in ((59, 0), (60, 60), (97, 60)):
            answer = client.get(f"{video}/frames/{number}", params={"near": True})
            assert answer.headers["x-frame"] == str(key)
            assert bar_number(np.asarray(Image.open(io.BytesIO(answer.content)))) == key
        assert client.get(f"{video}/frames/120", params={"near": True}).status_code == 404


def test_frames_that_take_long_do_not_hold_up_the_page(bars, monkeypatch):
    """Eight people who seek have some fifty requests on their way; an edit waited for them."""
    come, go = threading.Semaphore(0), threading.Event()

    def jpeg(*_):
        come.release()
        go.wait(60)
        return b""

    monkeypatch.setattr(FrameStore, "jpeg", jpeg)
    with client_of(bars) as client, ThreadPoolExecutor(50) as people:
        video = only_video(client)
        frames = [people.submit(client.get, f"{video}/frames/{number}") for number in range(50)]
        came = all(come.acquire(timeout=10) for _ in frames)
        answer = client.get(f"{video}/project") if came else None
        go.set()
    assert answer.status_code == 200
    assert {frame.result().status_code for frame in frames} == {200}


def test_nothing_of_a_file_that_has_changed_meanwhile_is_kept(tmp_path, monkeypatch):
    """A picture or an index that was on its way was taken for one of the new file."""
    place, new, store = write_bars(tmp_path / "bars.mp4", 40), tmp_path / "new.mp4", FrameStore()
    encode = frame_store.encode

    def change(count):
        monkeypatch.undo()
        write_bars(new, count).replace(place)
        store.forget(place)
        return store.facts(place, wait=True).frame_count

    class Slow(FrameReader):
        def make_index(self):
            count = super().make_index()
            assert change(20) == 20
            return count

    assert store.facts(place, wait=True).frame_count == 40
    monkeypatch.setattr(frame_store, "encode", lambda *given: change(60) and encode(*given))
    old = store.jpeg(place, 39)
    assert store.jpeg(place, 39) is not old
    store.forget(place)
    monkeypatch.setattr(frame_store, "open_frames", Slow)
    assert store.facts(place, wait=True).frame_count == 20
    store.close()


def test_a_folder_of_pictures_is_a_video(tmp_path):
    for number in range(4):
        Image.fromarray(bar_frame(number)).save(tmp_path / f"{number}.png")
    with client_of(tmp_path) as client:
        video = only_video(client)
        assert client.get(video).json()["frame_count"] == 4
        assert bar_number(np.asarray(Image.open(io.BytesIO(client.get(f"{video}/frames/2").content)))) == 2


def test_uploads_are_videos_of_a_bounded_size(folder, monkeypatch):
    monkeypatch.delattr(os, "link")  # which some disks and network folders refuse
    content = (folder / "clip.mp4").read_bytes()
    with client_of(folder, largest_upload=len(content)) as client:

        def upload(name, data):
            return client.post("/api/videos", content=data, headers={"x-file-name": quote(name)})

        assert upload("second.mp4", content).status_code == 201
        assert upload("../../third.mp4", content).json()["name"] == "third.mp4"
        assert upload("second.mp4", content).status_code == 422
        assert upload("large.mp4", content + b"x").status_code == 413
        for name, data in (("page.html", content), ("text.mp4", b"hello"), ("", content), ("CON", b"")):
            assert upload(name, data).status_code == 422
        assert upload("<img src=x onerror=alert(1)>.mp4", content).status_code == 201
    assert len(os.listdir(folder)) == 4


@pytest.mark.parametrize("name", ["長い名前" * 40, "a." + "x" * 115])
def test_an_upload_with_a_long_name(folder, name):
    """Letters of three bytes were too many for the header, or for the disk; a cut name could begin with a full stop."""
    content = (folder / "clip.mp4").read_bytes()
    with client_of(folder) as client:
        answer = client.post("/api/videos", content=content, headers={"x-file-name": quote(f"{name}.mp4")})
        assert answer.status_code == 201, answer.text
        listed = {each["name"] for each in client.get("/api/videos").json()["videos"]}
        assert listed == {"clip.mp4", answer.json()["name"]}


def test_no_upload_beside_a_single_video(folder):
    with client_of(folder / "clip.mp4") as client:
        answer = client.post("/api/videos", content=b"x", headers={"x-file-name": "a.mp4"})
        assert answer.status_code == 403
        assert not client.get("/api/videos").json()["uploads"]
