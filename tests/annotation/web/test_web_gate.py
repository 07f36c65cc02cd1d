"""What passes the gate of the page's server, and what does not."""

import asyncio
import json

import pytest
from starlette.websockets import WebSocketDisconnect

from mixformer.annotation import WebSettings, create_app, serve
from mixformer.annotation.web.project_routes import _pass_on, _put
from mixformer.annotation.web.request_guard import RequestGuard
from mixformer.cli import main
from mixformer.errors import ConfigError, SourceError
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.web import HOST, TOKEN, add_box, only_video


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
    for token in ("Schlüssel " * 3, " before and behind ", "two\nlines and more"):
        with pytest.raises(ConfigError, match="ASCII"):
            serve(tmp_path, WebSettings(host="0.0.0.0", token=token), browser=False)


@pytest.mark.parametrize(("host", "named"), [("0.0.0.0", "Anna-Mac.local"), ("Anna-Mac.local", "other")])
def test_a_name_with_capitals_is_the_same_name(monkeypatch, host, named):
    """Browsers write names of hosts in small letters, so the page could not be opened by such a name."""
    monkeypatch.setattr("socket.gethostname", lambda: named)
    guard = RequestGuard(None, host, TOKEN)
    assert guard.knows_host("anna-mac.local:8765")
    assert not guard.knows_host("anna-pc.local:8765")


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


class SleepingPage:
    """A connection that takes nothing until `awake` is set."""

    def __init__(self):
        self.awake, self.heard, self.closed = asyncio.Event(), [], asyncio.Event()

    async def send_json(self, message):
        await self.awake.wait()
        self.heard.append(message)

    async def receive_text(self):
        await self.closed.wait()
        raise WebSocketDisconnect

    async def close(self, code):
        self.closed.set()


def test_a_page_that_has_slept_connects_anew():
    """What it could not take was left out, such as the end of tracking, and it waited for that for ever."""

    async def sleep():
        news, page = asyncio.Queue(2), SleepingPage()
        passing = asyncio.create_task(_pass_on(page, news, {"type": "state", "revision": 0}))
        for number in range(1, 9):
            await asyncio.sleep(0)
            _put(news, {"type": "state", "revision": number})
        page.awake.set()
        await asyncio.wait_for(passing, 20)
        return page

    page = asyncio.run(sleep())
    assert page.closed.is_set()
    assert all(message["type"] == "state" for message in page.heard)


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    assert main(["web", str(tmp_path / "nothing.mp4"), "--no-browser"]) == 3
    assert "there is no file" in capsys.readouterr().err
    (tmp_path / "text.mp4").write_text("no video")
    assert main(["web", str(tmp_path / "text.mp4"), "--no-browser"]) == 3
    assert main(["web", str(tmp_path), "--no-browser", "--host", "0.0.0.0"]) == 2
    assert "--token" in capsys.readouterr().err
    with pytest.raises(SourceError):
        create_app(tmp_path / "nothing")
