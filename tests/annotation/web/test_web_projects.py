"""Projects over HTTP: edits, two people, damaged files."""

import pytest

from mixformer.annotation import autosave, load_project
from mixformer.errors import OutputError
from tests.helpers.web import BOX, add_box, client_of, only_video


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
