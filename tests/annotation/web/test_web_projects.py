"""Projects over HTTP: edits, two people, damaged files."""

import threading
from contextlib import ExitStack

import pytest

from mixformer.annotation import autosave, load_project
from mixformer.annotation.web.project_desk import ProjectDesk
from mixformer.annotation.web.video_library import VideoLibrary
from mixformer.errors import OutputError
from tests.helpers.web import BOX, HOST, TOKEN, add_box, client_of, only_video, wait_until


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


def test_two_undo_at_the_same_moment(folder, monkeypatch):
    """One looked for its step while the other took it away, and failed."""
    desk, steps = ProjectDesk(folder / "clip.mp4", folder / "clip.mixformer.json"), ProjectDesk._steps
    desk.edit({"edit": "add_target"})
    other = threading.Thread(target=desk.edit, args=({"edit": "undo"},))

    def slow(*given):
        found = steps(*given)
        monkeypatch.undo()
        other.start()
        other.join(0.3)
        return found

    monkeypatch.setattr(ProjectDesk, "_steps", slow)
    assert desk.edit({"edit": "undo"})["targets"] == []
    other.join()
    desk.close()


def test_undo_takes_back_ones_own_step(client):
    """It took back the last step, which may have been another person's."""
    video = only_video(client)

    def does(person, **edit):
        return client.post(f"{video}/edits", json={"edit": edit}, headers={"x-person": person})

    with ExitStack() as here:
        for name in ("ann", "bob"):
            news = client.websocket_connect(f"{video}/events", headers={"origin": f"http://{HOST}"})
            socket = here.enter_context(news)
            socket.send_json({"token": TOKEN, "person": name})
            socket.receive_json()
        does("ann", edit="add_target", id=1)
        does("bob", edit="add_target", id=2)
        assert does("ann", edit="set_key", id=2, frame=0, box=BOX).json()["undo"] == 2
        refused = does("bob", edit="undo")
        assert (refused.status_code, "somebody has changed target 2" in refused.json()["detail"]) == (422, True)
        assert does("ann", edit="undo").json()["targets"][1]["keys"] == []
        state = does("bob", edit="undo").json()
        assert ([each["id"] for each in state["targets"]], state["undo"], state["redo"]) == ([1], 0, 1)
        assert does("bob", edit="undo").json()["targets"] == state["targets"]
    wait_until(lambda: client.get(f"{video}/project", headers={"x-person": "bob"}).json()["undo"] == 1)  # of ann, gone
    assert does("bob", edit="undo").json()["targets"] == []


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


def test_two_videos_are_called_done_at_the_same_moment(folder, monkeypatch):
    """The mark of one of them was lost."""
    library, done = VideoLibrary(folder), VideoLibrary.done
    other = threading.Thread(target=library.set_done, args=("b.mp4", True))

    def slow(self):
        found = done(self)
        monkeypatch.undo()
        other.start()
        other.join(0.3)
        return found

    monkeypatch.setattr(VideoLibrary, "done", slow)
    library.set_done("a.mp4", True)
    other.join()
    assert library.done() == {"a.mp4", "b.mp4"}


def test_the_project_of_the_page_is_one_of_the_library(client, folder):
    add_box(client, only_video(client))
    client.app.state.room.close()
    assert load_project(folder / "clip.mp4.mixformer.json").target(1).label == "square"


def test_a_disk_that_is_full_at_the_end_costs_nothing(client, folder, monkeypatch):
    """The server ended in a traceback, and the projects after that one were not closed."""
    add_box(client, only_video(client))
    with monkeypatch.context() as full:
        full.setattr(autosave, "save_project", raising(OutputError("no space left")))
        client.app.state.room.close()
    with client_of(folder) as again:
        assert len(again.get(f"{only_video(again)}/project").json()["targets"]) == 1


def raising(error):
    def fail(*_):
        raise error

    return fail


def test_the_server_holds_to_its_schema(client):
    """Found by schemathesis: a number was taken for a mark, and Allow named only the first method of an address."""
    video = only_video(client)
    assert client.put(f"{video}/done", json={"done": 0}).status_code == 422
    for address, methods in (("/api/videos", "GET, POST"), (f"{video}/tracking", "DELETE, GET, POST"), ("/", "GET")):
        answer = client.request("PATCH", address)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
