"""The server of the page: what passes its gate, and what it does."""

import io
import json
import os
import time
from urllib.parse import quote

import av
import numpy as np
import pytest
from PIL import Image
from starlette.websockets import WebSocketDisconnect

from mixformer.annotation import WebSettings, create_app, load_project, serve
from mixformer.cli import main
from mixformer.errors import ConfigError, SourceError
from mixformer.video import open_video
from mixformer.video.demo import DEMO_CLIP
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.web import HOST, TOKEN, bar_frame, bar_number, client_of, only_video

BOX = [10, 30, 20, 20]


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "videos"
    place.mkdir()
    write_clip(place / "clip.mp4", moving_square()[0])
    return place


@pytest.fixture
def client(folder):
    with client_of(folder) as made:
        yield made


def add_box(client, video, frame=0, **more):
    edits = [
        {"edit": "add_target", "id": 1, "label": "square"},
        {"edit": "set_key", "id": 1, "frame": frame, "box": BOX},
    ]
    return client.post(f"{video}/edits", json={"edit": {"edit": "together", "edits": edits}, **more})


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


# Safety


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8765"}, 200),
        ({"host": "evil.example:8765"}, 400),
        ({"host": "127.0.0.1.evil.example"}, 400),
        ({"host": "0.0.0.0:8765"}, 400),
        ({"host": ""}, 400),
        ({"origin": f"http://{HOST}"}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer é".encode()}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
    ],
)
def test_only_our_own_page_passes(client, headers, status):
    answer = client.get("/api/videos", headers=headers)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_answer_names_what_the_page_may_do(client):
    for address in ("/", "/static/main.js", "/static/nothing.js", "/api/videos", "/nothing"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "*" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    assert client.get("/static/main.js").headers["content-type"].startswith("text/javascript")


def test_a_get_changes_nothing(client, folder):
    video = only_video(client)
    add_box(client, video)
    before = client.get(f"{video}/project").json()
    for route in client.app.routes:
        if "GET" in (getattr(route, "methods", None) or ()) and "{" not in route.path:
            client.get(route.path)
    for address in (f"{video}/edits", f"{video}/tracking", f"{video}/exports", f"{video}/import", f"{video}/done"):
        assert client.get(address).status_code in (200, 405)
    assert client.get(f"{video}/project").json() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_form_of_another_page_is_no_edit(client, kind):
    """What a browser sends without asking first (no preflight) is never taken as JSON."""
    body = json.dumps({"edit": {"edit": "add_target"}})
    headers = {"content-type": kind} if kind else {}
    assert client.post(f"{only_video(client)}/edits", content=body, headers=headers).status_code == 422


@pytest.mark.parametrize("path", ["../pyproject.toml", "..%2f..%2fweb_app.py", "%2e%2e/web_app.py", "web_app.py", ""])
def test_no_file_outside_of_the_pages_own(client, path):
    assert client.get(f"/static/{path}").status_code == 404


def test_links_that_lead_out_are_not_there(client, folder, tmp_path):
    write_clip(tmp_path / "secret.mp4", moving_square()[0])
    (folder / "inner").mkdir()
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "inner" / "up").symlink_to(tmp_path)
    (folder / "inner" / "loop").symlink_to(folder)
    (folder / "fine.mp4").symlink_to(folder / "clip.mp4")
    names = [video["name"] for video in client.get("/api/videos").json()["videos"]]
    assert sorted(names) == ["clip.mp4", "fine.mp4"]


def test_a_video_that_becomes_a_link_out_is_gone(client, folder, tmp_path):
    video = only_video(client)
    assert client.get(f"{video}/frames/0").status_code == 200
    (folder / "clip.mp4").rename(tmp_path / "moved.mp4")
    (folder / "clip.mp4").symlink_to(tmp_path / "moved.mp4")
    assert client.get(f"{video}/frames/0").status_code == 404
    assert client.get("/api/videos/../../etc/passwd").status_code == 404
    assert client.get("/api/videos/..%2f..%2fetc%2fpasswd").status_code == 404


def test_bodies_are_bounded(client):
    video = only_video(client)
    big = {"edit": {"edit": "add_target", "label": "x" * 2_000_000}}
    assert client.post(f"{video}/edits", json=big).status_code == 413

    def endless():
        for _ in range(100):
            yield b"[" * 65536

    headers = {"content-type": "application/json"}
    answer = client.post(f"{video}/edits", content=endless(), headers=headers)
    assert answer.status_code in (400, 413, 422)


def test_another_address_needs_a_token(tmp_path):
    for token in (None, "short"):
        with pytest.raises(ConfigError, match="choose a token"):
            serve(tmp_path, WebSettings(host="0.0.0.0", token=token), browser=False)
    with pytest.raises(ConfigError, match="version 4"):
        serve(tmp_path, WebSettings(host="::1", token="x" * 20), browser=False)


def test_a_page_says_its_token_before_it_hears_news(client):
    video = only_video(client)
    origin = {"origin": f"http://{HOST}"}
    with client.websocket_connect(f"{video}/events", headers=origin) as socket:
        socket.send_json({"token": TOKEN})
        assert {socket.receive_json()["type"], socket.receive_json()["type"]} == {"state", "people"}
        add_box(client, video)
        assert socket.receive_json()["type"] == "state"

    def hears(headers, first):
        with client.websocket_connect(f"{video}/events", headers=headers) as socket:
            socket.send_json({"token": first})
            return socket.receive_json()

    for headers, first in (({}, TOKEN), ({"origin": "http://127.0.0.1:99"}, TOKEN), (origin, "wrong"), (origin, None)):
        with pytest.raises(WebSocketDisconnect) as closed:
            hears(headers, first)
        assert closed.value.code == 1008


# Frames


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


def test_a_folder_of_pictures_is_a_video(tmp_path):
    for number in range(4):
        Image.fromarray(bar_frame(number)).save(tmp_path / f"{number}.png")
    with client_of(tmp_path) as client:
        video = only_video(client)
        assert client.get(video).json()["frame_count"] == 4
        assert bar_number(np.asarray(Image.open(io.BytesIO(client.get(f"{video}/frames/2").content)))) == 2


# Projects


def test_edits_are_on_the_disk_and_can_be_undone(client, folder):
    video = only_video(client)
    state = add_box(client, video).json()
    assert [target["label"] for target in state["targets"]] == ["square"]
    boxes = client.get(f"{video}/targets/1/boxes").json()
    assert (boxes["kinds"][0], boxes["boxes"][0]) == ("k", BOX)
    assert client.get("/api/videos").json()["videos"][0]["state"] == "begun"
    assert client.post(f"{video}/edits", json={"edit": {"edit": "undo"}}).json()["targets"] == []
    assert client.post(f"{video}/edits", json={"edit": {"edit": "redo"}}).json()["undo"] == 1
    assert (folder / "clip.mp4.mixformer.json.journal").stat().st_size > 0


def test_two_people_do_not_overwrite_each_other(client):
    video = only_video(client)
    first = add_box(client, video).json()["revision"]
    move = {"edit": {"edit": "set_key", "id": 1, "frame": 3, "box": BOX}, "revision": first}
    assert client.post(f"{video}/edits", json=move).status_code == 200
    answer = client.post(f"{video}/edits", json=move)
    assert answer.status_code == 412
    assert "somebody else" in answer.json()["detail"]


@pytest.mark.parametrize(
    "edit",
    [
        {"edit": "fly"},
        {"edit": "set_key", "id": 7, "frame": 0, "box": BOX},
        {"edit": "set_key", "id": 1, "frame": 99, "box": BOX},
        {"edit": "set_key", "id": 1, "frame": 0, "box": [0, 0, -1, 5]},
        {"edit": "set_key", "id": 1, "frame": 0, "box": [0, 0, 5]},
        {"edit": "set_key", "id": 1},
        {"edit": "add_target", "label": "a\nb"},
        {"edit": "add_target", "color": "red"},
        {"edit": "together", "edits": [{"edit": "undo"}]},
        {"edit": "add_target", "path": "/etc/passwd"},
    ],
)
def test_wrong_edits_change_nothing(client, edit):
    video = only_video(client)
    before = add_box(client, video).json()
    answer = client.post(f"{video}/edits", json={"edit": edit})
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert client.get(f"{video}/project").json() == before


def test_a_project_is_open_in_one_program_at_a_time(client, folder):
    video = only_video(client)
    add_box(client, video)
    with client_of(folder) as other:
        assert other.get(f"{video}/frames/0").status_code == 200
        answer = other.get(f"{video}/project")
        assert answer.status_code == 409
        assert "another program" in answer.json()["detail"]


def test_a_damaged_project_is_said_and_kept(folder):
    path = folder / "clip.mp4.mixformer.json"
    path.write_text("{ no json")
    with client_of(folder) as client:
        answer = client.get(f"{only_video(client)}/project")
        assert answer.status_code == 422
        assert "clip.mp4.mixformer.json" in answer.json()["detail"]
        assert str(folder) not in answer.json()["detail"]
    assert path.read_text() == "{ no json"


def test_done_is_kept(client, folder):
    video = only_video(client)
    add_box(client, video)
    assert client.put(f"{video}/done", json={"done": True}).json()["done"]
    with client_of(folder) as other:
        assert other.get("/api/videos").json()["videos"][0]["state"] == "done"
        other.put(f"{video}/done", json={"done": False})
    assert client.get("/api/videos").json()["videos"][0]["state"] == "begun"


def test_tracking_is_one_step_and_says_how_far_it_is(client, tiny_model, folder):
    client.app.state.room.queue._model = str(tiny_model)
    video = only_video(client)
    before = add_box(client, video).json()
    assert client.post(f"{video}/tracking", json={"way": "forward", "frame": 0, "ids": [1]}).status_code == 202
    wait_until(lambda: client.get(f"{video}/tracking").json() == [])
    after = client.get(f"{video}/project").json()
    assert after["targets"][0]["tracked"] == 19
    assert after["undo"] == before["undo"] + 1
    kinds = client.get(f"{video}/targets/1/boxes").json()["kinds"]
    assert kinds[0] == "k"
    assert set(kinds[1:]) <= set("tul")
    line = client.get(f"{video}/targets/1/timeline", params={"bins": 10}).json()
    assert len(line["kinds"]) == len(line["scores"]) == 10
    again = client.post(f"{video}/tracking", json={"way": "forward", "frame": 0, "ids": [1]})
    wait_until(lambda: client.get(f"{video}/tracking").json() == [])
    assert again.status_code == 202  # and the news say that nothing is left to do
    undone = client.post(f"{video}/edits", json={"edit": {"edit": "undo"}}).json()
    assert undone["targets"][0]["tracked"] == 0


def test_exports_and_imports(client, folder):
    video = only_video(client)
    add_box(client, video)
    for name in [each["name"] for each in client.get("/api/formats").json()]:
        made = client.post(f"{video}/exports", json={"format": name}).json()
        wait_until(lambda made=made: client.get(f"/api/exports/{made['id']}").json()["state"] in ("done", "failed"))
        state = client.get(f"/api/exports/{made['id']}").json()
        assert state["state"] == "done", state
        file = client.get(f"/api/exports/{made['id']}/file")
        assert len(file.content) > 50
        assert "attachment" in file.headers["content-disposition"]
        if name in ("project", "cvat"):
            client.post(f"{video}/edits", json={"edit": {"edit": "remove_target", "id": 1}})
            headers = {"x-file-name": quote(state["name"])}
            taken = client.post(f"{video}/import", content=file.content, headers=headers)
            assert taken.status_code == 200, taken.text
            assert taken.json()["targets"][0]["keys"][0]["box"] == BOX
        assert client.delete(f"/api/exports/{made['id']}").json()["removed"]
    assert client.get("/api/exports/nothing/file").status_code == 404
    assert client.post(f"{video}/exports", json={"format": "nothing"}).status_code == 422


def test_wrong_imports_are_said(client, folder):
    video = only_video(client)
    before = add_box(client, video).json()
    for name in ("a.xml", "a.zip", "a.mixformer.json", "..%2F..%2Fa.json", "%00", ""):
        for content in (b"", b"no project", b"{}", b"PK\x03\x04broken", b"<annotations>"):
            answer = client.post(f"{video}/import", content=content, headers={"x-file-name": name})
            assert answer.status_code == 422, (name, content, answer.text)
    assert client.get(f"{video}/project").json() == before
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} <= {
        "clip.mp4", "clip.mp4.mixformer.json", "clip.mp4.mixformer.json.journal"
    }  # fmt: skip


# Uploads


def test_uploads_are_videos_of_a_bounded_size(folder):
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


def test_no_upload_beside_a_single_video(folder):
    with client_of(folder / "clip.mp4") as client:
        answer = client.post("/api/videos", content=b"x", headers={"x-file-name": "a.mp4"})
        assert answer.status_code == 403
        assert not client.get("/api/videos").json()["uploads"]


# The command


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    assert main(["web", str(tmp_path / "nothing.mp4"), "--no-browser"]) == 3
    assert "there is no file" in capsys.readouterr().err
    (tmp_path / "text.mp4").write_text("no video")
    assert main(["web", str(tmp_path / "text.mp4"), "--no-browser"]) == 3
    assert main(["web", str(tmp_path), "--no-browser", "--host", "0.0.0.0"]) == 2
    assert "--token" in capsys.readouterr().err
    with pytest.raises(SourceError):
        create_app(tmp_path / "nothing")


def test_an_annotated_video_has_the_boxes(tmp_path):
    with client_of(DEMO_CLIP) as client:
        room = client.app.state.room
        assert room.library.only == DEMO_CLIP
        from mixformer.annotation import AnnotationProject, add_target, look_at_video, set_key
        from mixformer.annotation.web.annotated_video import write_annotated

        project = add_target(AnnotationProject(look_at_video(DEMO_CLIP)), color="#ff0000", label="person")
        project = set_key(project, 1, 2, (260, 29, 41, 142))
        write_annotated(project, DEMO_CLIP, tmp_path / "drawn.mp4", lambda done, total: done < 4)
    with open_video(tmp_path / "drawn.mp4") as drawn, open_video(DEMO_CLIP, stop=4) as plain:
        changed = [
            np.abs(a.image.astype(int) - b.image)[100, 255:265].max() > 80 for a, b in zip(drawn, plain, strict=True)
        ]
    assert changed == [False, False, True, False]


def test_the_project_of_the_page_is_one_of_the_library(client, folder):
    add_box(client, only_video(client))
    client.app.state.room.close()
    assert load_project(folder / "clip.mp4.mixformer.json").target(1).label == "square"
