"""The work on a video is found again when the video has another name or place, and no other file is taken for it."""

import shutil

import pytest

from mixformer.annotation import (
    AnnotationProject,
    add_target,
    is_same_video,
    load_project,
    look_at_video,
    save_project,
    set_key,
)
from mixformer.annotation.web import project_places
from mixformer.errors import SourceError
from mixformer.video.demo import DEMO_CLIP
from tests.helpers.web import BOX, add_box, client_of, only_video

PROJECT = "clip.mp4.mixformer.json"


def begin(folder):
    with client_of(folder) as client:
        video = only_video(client)
        add_box(client, video)
        client.put(f"{video}/done", json={"done": True})


@pytest.mark.parametrize("place", ["new name.mp4", "sub/clip.mp4"])
def test_a_video_that_was_renamed_or_moved_keeps_its_work(folder, place):
    """It was a new video to the page, and its boxes seemed lost."""
    begin(folder)
    new = folder / place
    new.parent.mkdir(exist_ok=True)
    (folder / "clip.mp4").rename(new)
    with client_of(folder) as client:
        (listed,) = client.get("/api/videos").json()["videos"]
        assert (listed["name"], listed["state"], listed["keys"]) == (place, "begun", 1)
        state = client.get(f"/api/videos/{listed['id']}/project").json()
        assert state["targets"][0]["keys"] == [{"frame": 0, "box": BOX, "occluded": False}]
        assert client.get("/api/videos").json()["videos"][0]["state"] == "done"
        undone = client.post(f"/api/videos/{listed['id']}/edits", json={"edit": {"edit": "undo"}}).json()
        assert undone["targets"] == []
        client.post(f"/api/videos/{listed['id']}/edits", json={"edit": {"edit": "redo"}})
    found = load_project(new.with_name(f"{new.name}.mixformer.json"))
    assert found.video.path == new.name  # which the commands look for
    assert found.target(1).keys[0].box == tuple(BOX)
    assert [each.name for each in folder.glob("*clip*.json*")] == []


def test_a_video_that_is_renamed_while_it_is_open(client, folder):
    add_box(client, video := only_video(client))
    (folder / "clip.mp4").rename(folder / "other.mp4")
    assert client.post(f"{video}/edits", json={"edit": {"edit": "undo"}}).status_code == 404
    state = client.get(f"{only_video(client)}/project").json()
    assert [target["label"] for target in state["targets"]] == ["square"]
    assert not (folder / PROJECT).exists()


def test_both_renamed_by_hand(folder):
    begin(folder)
    (folder / "clip.mp4").rename(folder / "other.mp4")
    (folder / PROJECT).rename(folder / "other.mp4.mixformer.json")
    with client_of(folder) as client:
        assert len(client.get(f"{only_video(client)}/project").json()["targets"]) == 1
    assert load_project(folder / "other.mp4.mixformer.json").video.path == "other.mp4"


def test_the_project_of_a_command_goes_on_in_the_page(folder):
    """As in the documents: `mixformer annotate clip.mp4 --project clip.mixformer.json`, then the page."""
    path = folder / "clip.mixformer.json"
    project = AnnotationProject(look_at_video(folder / "clip.mp4", path))
    save_project(set_key(add_target(project, label="dog"), 1, 0, BOX), path)
    with client_of(folder) as client:
        video = only_video(client)
        assert client.get("/api/videos").json()["videos"][0]["state"] == "begun"
        client.post(f"{video}/edits", json={"edit": {"edit": "set_key", "id": 1, "frame": 3, "box": BOX}})
    assert len(load_project(path).target(1).keys) == 2
    assert not (folder / PROJECT).exists()


def test_a_video_with_the_longest_name(folder):
    """Downloads have such names. No video of the folder could be listed, since a project had no place."""
    long = folder / f"{'長' * 83}n.mp4"  # 254 bytes
    (folder / "clip.mp4").rename(long)
    shutil.copy(DEMO_CLIP, folder / "a.mp4")

    def keys(client):
        return [video["keys"] for video in client.get("/api/videos").json()["videos"]]

    with client_of(folder) as client:
        assert keys(client) == [0, 0]
        add_box(client, f"/api/videos/{client.get('/api/videos').json()['videos'][1]['id']}")
    with client_of(folder) as client:
        assert keys(client) == [0, 1]
    long.rename(folder / "short.mp4")
    with client_of(folder) as client:
        video = client.get("/api/videos").json()["videos"][1]["id"]
        assert client.get(f"/api/videos/{video}/project").json()["undo"] == 1
    assert load_project(folder / "short.mp4.mixformer.json").video.path == "short.mp4"


def test_a_video_that_cannot_be_read_hides_no_other(folder, monkeypatch):
    """Beside the project of a video that is gone, all were compared with that one, and the list failed."""
    begin(folder)
    (folder / "clip.mp4").rename(folder / "new.mp4")
    shutil.copy(DEMO_CLIP, folder / "a.mp4")

    def refused(known, video):
        if video.name == "a.mp4":
            raise SourceError("cannot read a.mp4: permission denied")
        return is_same_video(known, video)

    monkeypatch.setattr(project_places, "is_same_video", refused)
    with client_of(folder) as client:
        listed = client.get("/api/videos").json()["videos"]
        assert [(video["name"], video["keys"]) for video in listed] == [("a.mp4", 0), ("new.mp4", 1)]


def test_what_is_of_another_video_is_left_alone(folder):
    begin(folder)
    shutil.copy(folder / PROJECT, folder / "copy of mine.mixformer.json")
    (folder / "other.mixformer.json").write_text("no project")
    shutil.copy(DEMO_CLIP, folder / "other.mp4")
    (folder / "clip.mp4").unlink()
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    with client_of(folder) as client:
        assert client.get(f"{only_video(client)}/project").json()["targets"] == []
    assert before.items() <= {path.name: path.read_bytes() for path in folder.glob("*.json")}.items()
