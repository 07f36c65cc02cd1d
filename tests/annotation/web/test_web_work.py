"""Tracking, exports and imports over HTTP."""

from dataclasses import replace
from urllib.parse import quote

import numpy as np

from mixformer.annotation import (
    ANNOTATION_FORMATS,
    AnnotationProject,
    add_target,
    look_at_video,
    save_project,
    set_key,
)
from mixformer.annotation.web.annotated_video import write_annotated
from mixformer.video import open_video
from mixformer.video.demo import DEMO_CLIP
from tests.helpers.web import BOX, add_box, client_of, only_video, wait_until


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
    formats = {each["name"]: each for each in client.get("/api/formats").json()}
    for name, known in ANNOTATION_FORMATS.items():
        assert formats[name] == {"name": name, "title": known.title, "text": known.help}
        assert not known.help.startswith(known.title)
    for name in formats:
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


def test_a_project_of_a_video_of_another_size_is_refused(client, folder, tmp_path):
    """Its boxes are in pixels of that video, and were taken as they are."""
    video = only_video(client)
    before = add_box(client, video).json()
    project = AnnotationProject(replace(look_at_video(folder / "clip.mp4"), width=2000, height=1000))
    save_project(set_key(add_target(project), 1, 0, BOX), tmp_path / "large.mixformer.json")
    content = (tmp_path / "large.mixformer.json").read_bytes()
    answer = client.post(f"{video}/import", content=content, headers={"x-file-name": "large.mixformer.json"})
    assert answer.status_code == 422
    assert "2000 x 1000" in answer.json()["detail"]
    assert client.get(f"{video}/project").json() == before


def test_an_annotated_video_has_the_boxes(tmp_path):
    with client_of(DEMO_CLIP) as client:
        room = client.app.state.room
        assert room.library.only == DEMO_CLIP
        project = add_target(AnnotationProject(look_at_video(DEMO_CLIP)), color="#ff0000", label="person")
        project = set_key(project, 1, 2, (260, 29, 41, 142))
        write_annotated(project, DEMO_CLIP, tmp_path / "drawn.mp4", lambda done, total: done < 4)
    with open_video(tmp_path / "drawn.mp4") as drawn, open_video(DEMO_CLIP, stop=4) as plain:
        changed = [
            np.abs(a.image.astype(int) - b.image)[100, 255:265].max() > 80 for a, b in zip(drawn, plain, strict=True)
        ]
    assert changed == [False, False, True, False]
