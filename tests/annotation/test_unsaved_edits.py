"""Edits that a program wrote to the journal of a project, and did not save before it was killed."""

import csv
import os
import subprocess
import sys

import pytest

from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    OpenProject,
    add_target,
    autosave,
    journal,
    load_project,
    project_files,
    save_project,
    set_key,
)
from mixformer.cli.main import main
from mixformer.errors import OutputError

EMPTY = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, 60, 25.0))
CODE = """
import os, signal, sys
from mixformer.annotation import OpenProject
file = OpenProject(sys.argv[1])
file.do({"edit": "set_key", "id": 1, "frame": 3, "box": [5, 6, 30, 40]})
file.do({"edit": "set_key", "id": 1, "frame": 9, "box": [7, 8, 30, 40]})
file.do({"edit": "undo"})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path):
    """The file of a project whose program was killed after three edits."""
    path = tmp_path / "clip.mixformer.json"
    save_project(set_key(add_target(EMPTY, label="dog"), 1, 0, (1, 2, 30, 40)), path)
    subprocess.run([sys.executable, "-c", CODE, str(path)], env={**os.environ}, check=False)
    assert path.with_name(f"{path.name}.journal").is_file()
    return path


def test_a_project_is_loaded_with_them(killed):
    assert [key.frame for key in load_project(killed).target(1).keys] == [0, 3]
    assert killed.with_name(f"{killed.name}.journal").is_file()  # reading changes nothing


def test_edits_that_are_saved_while_a_project_is_read_are_in_it(killed, monkeypatch):
    """The file was read before it was saved, and its journal after, so neither had them."""
    read = project_files.load_revision

    def slow(path):
        found = read(path)
        monkeypatch.undo()
        with OpenProject(path) as file:
            file.do({"edit": "set_key", "id": 1, "frame": 5, "box": [5, 6, 30, 40]})
            file.save()
        return found

    monkeypatch.setattr(journal, "load_revision", slow)
    assert [key.frame for key in load_project(killed).target(1).keys] == [0, 3, 5]


def test_an_export_holds_them(killed, tmp_path):
    out = tmp_path / "boxes.csv"
    assert main(["data", "export", "csv", str(killed), str(out)]) == 0
    with out.open() as file:
        assert [row["frame"] for row in csv.DictReader(file) if row["origin"] == "person"] == ["0", "3"]


def test_an_edit_that_cannot_be_saved_is_not_made(tmp_path, monkeypatch):
    """Where the journal is long, the edit was made all the same, and refused when a person tried again."""
    path = tmp_path / "clip.mixformer.json"
    file = OpenProject.create(path, EMPTY)
    file.do({"edit": "add_target", "id": 1})
    monkeypatch.setattr(autosave, "_FOLD", 10)
    save_project(EMPTY, path)  # by another program
    with pytest.raises(OutputError, match="another program"):
        file.do({"edit": "add_target", "id": 2})
    assert [target.id for target in file.project.targets] == [1]


def test_edits_after_a_journal_that_cannot_be_begun_are_refused(tmp_path):
    """They were an error of the program."""
    path = tmp_path / "clip.mixformer.json"
    file = OpenProject.create(path, EMPTY)
    journal = tmp_path / "clip.mixformer.json.journal"
    journal.unlink()
    journal.mkdir()
    for act in (file.save, lambda: file.do({"edit": "add_target"})):
        with pytest.raises(OutputError):
            act()
    assert file.project.targets == ()


def test_a_journal_with_another_head_does_not_stop_a_project_from_being_saved(tmp_path):
    path = tmp_path / "clip.mixformer.json"
    (tmp_path / "clip.mixformer.json.journal").write_text('{"journal":1,"revision":"two"}\n')
    save_project(EMPTY, path)
    assert load_project(path) == EMPTY


def test_another_project_of_that_name_does_not_get_them(killed):
    other = set_key(add_target(EMPTY, label="cat"), 1, 20, (1, 2, 30, 40))
    save_project(other, killed)
    assert load_project(killed) == other
    with OpenProject(killed) as file:
        assert file.project == other


def test_a_project_that_takes_the_place_of_another_is_whole_at_any_time(killed, monkeypatch):
    """A program that was killed before it had written the new one left the old one without its edits."""
    old = load_project(killed)

    def dies(project, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(autosave, "save_project", dies)
    with pytest.raises(KeyboardInterrupt):
        OpenProject.create(killed, EMPTY)
    assert load_project(killed) == old
    monkeypatch.undo()
    with OpenProject.create(killed, EMPTY) as file:
        assert file.project == EMPTY
