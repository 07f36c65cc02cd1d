"""Each page does what it says: its commands and its Python run, in their order, in one folder, as a reader does it.

A block below `<!-- file: NAME -->` is the content of a file, which is there from the beginning. One below
`<!-- prints -->` is what was just printed, among other lines.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer.annotation import AnnotationProject, add_target, look_at_video, save_project, set_key
from mixformer.cli.main import main
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers import miniatures
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.page_table import NOT_RUN, SHORTER, SLOW, STAND_IN

ROOT = Path(__file__).parent.parent
PAGES = {
    page.relative_to(ROOT / "docs").with_suffix("").as_posix(): page.read_text()
    for page in sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")])
}
BLOCK = re.compile(r"(?:^<!-- (prints|file: \S+) -->\n\n?)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w/]+\.(?:csv|html|json|jsonl|mp4|onnx|txt|xml))`")
SERVER = re.compile(r"mixformer web |label_studio_backend")


def parts(page):
    """Commands, line by line, and blocks of Python of a page, in their order."""
    found = []
    for note, language, text in BLOCK.findall(PAGES[page]):
        if language == "python" or note == "prints":
            found.append((language, text))
        elif language in ("", "bash"):
            lines = text.replace("\\\n", "").splitlines()
            found += [("command", line) for line in lines if line.strip() and not line.startswith("#")]
    return found


def reason(table, page, text):
    """The row of a table that has this part, or None."""
    return next((row for row in table if row[0] in (page, "*") and row[1] in text), None)


def is_slow(page):
    return any(reason(SLOW, page, text) or text in dict(STAND_IN) for _, text in parts(page))


def files_of(pages):
    found = [(note, text) for page in pages for note, _, text in BLOCK.findall(PAGES[page])]
    return {note.removeprefix("file: "): text for note, text in found if note.startswith("file: ")}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """What a reader has: a checkout, videos, pictures, and annotated ones."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("mixformer", "examples", "recipes", "tools", "benchmarks", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in files_of(reversed(PAGES)).items():
        (folder / name).write_text(text)
    for name in ("clips", "frames"):
        (folder / name).mkdir()
    with mixformer.open_video(DEMO_CLIP, stop=20) as video:
        pictures = [frame.image for frame in video]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "frames" / f"{number:06d}.jpg")
    for name in ("clip.mp4", "park.mp4", "dog.mp4", "clips/park.mp4"):
        write_clip(folder / name, pictures)
    write_clip(folder / "street.mp4", moving_square(40)[0])
    (folder / "street_targets.csv").write_text("10,30,20,20\n")
    for root in ("my_videos", "other_videos"):
        for name in ("ball", "cat", "dog"):
            write_sequence(folder / root / name)
    miniatures.lasot(folder / "LaSOT")
    return folder


def write_sequence(folder):
    (folder / "img").mkdir(parents=True)
    frames, boxes = moving_square(24)
    for number, picture in enumerate(frames):
        Image.fromarray(picture).save(folder / "img" / f"{number + 1:08d}.png")
    np.savetxt(folder / "groundtruth.txt", boxes, "%d", ",")


def write_project(path):
    project = add_target(AnnotationProject(look_at_video("clip.mp4")), label="person")
    for frame in range(0, 20, 4):
        project = set_key(project, 1, frame, DEMO_BOX)
    save_project(project, path)


@pytest.fixture(scope="module")
def names():
    """What a reader has in hand: a frame, the next one, a tracker that follows the target, and detections."""
    with mixformer.open_video(DEMO_CLIP, stop=3) as video:
        frames = [each.image for each in video]
    tracker = mixformer.Tracker()
    tracker.init(frames[0], DEMO_BOX)
    detections = SimpleNamespace(xyxy=[[260, 29, 301, 171]], tracker_id=None)
    more = {"first_frame": frames[0], "frames": frames[1:], "frame": frames[0], "next_frame": frames[1]}
    return {"__name__": "page", "mixformer": mixformer, "tracker": tracker, "detections": detections, **more}


WHOLE = [pytest.param(page, True, marks=pytest.mark.sweep, id=f"{page}-whole") for page in PAGES if is_slow(page)]


@pytest.mark.parametrize(
    ("page", "whole"), [*(pytest.param(page, False, id=page) for page in PAGES if parts(page)), *WHOLE]
)
def test_a_page_does_what_it_says(page, whole, start, names, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("BROWSER", "true")
    shutil.copytree(start, ".", symlinks=True, dirs_exist_ok=True)
    if whole:
        shutil.copy(DEMO_CLIP, "clip.mp4")
    for name, text in files_of([page]).items():
        Path(name).write_text(text)
    if "clip.mixformer.json" in PAGES[page] and page in ("finetune", "integrations"):
        write_project(Path("clip.mixformer.json"))
    failed = list(faults(page, whole, dict(names), capsys))
    assert not failed, "\n\n".join(failed)
    if page.startswith("tutorials/") and (whole or not is_slow(page)):
        for name in FILE.findall(BLOCK.sub("", PAGES[page])):
            assert list(tmp_path.rglob(name)), f"the page speaks of {name}, which no command or code of it wrote"


def faults(page, whole, names, capsys):
    """Run a page, and yield what fails: what follows it may be sound."""
    for number, (kind, text) in enumerate(parts(page)):
        if reason(NOT_RUN, page, text) or (not whole and reason(SLOW, page, text)):
            continue
        for long, short in SHORTER if whole else [*SHORTER, *STAND_IN]:
            text = text.replace(long, short)
        try:
            if kind == "python":
                exec(compile(text, f"{page}.md, part {number}", "exec"), names)
            elif kind == "command":
                run(text)
            else:
                printed = capsys.readouterr().out
                assert text in printed, printed
        except (Exception, SystemExit) as error:
            yield f"{text}\n{error!r}"


def run(line):
    if SERVER.search(line):
        serve(line)
    elif line.startswith("mixformer ") and ">" not in line:
        assert main(shlex.split(line, comments=True)[1:]) == 0, line
    else:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def serve(line):
    """Start a server, fetch what it serves, and end it with Ctrl-C."""
    child = subprocess.Popen(
        ["bash", "-c", f"exec {line}" if line.startswith("mixformer") else line],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    said = ""
    try:
        while not (address := re.search(r"http://[\w.]+:\d+", said)):
            piece = child.stdout.readline()
            assert piece, f"{line}\n{said}"
            said += piece
        assert answers(address[0] + ("/health" if "studio" in line else "/")), line
    finally:
        os.killpg(child.pid, signal.SIGINT)
        child.communicate(timeout=60)
    assert child.returncode in (0, 130, -signal.SIGINT), line


def answers(address):
    """Wait for a server that has said its address and does not listen yet."""
    for _ in range(100):
        try:
            return urllib.request.urlopen(address).status == 200
        except urllib.error.URLError:
            time.sleep(0.2)
    return False


def test_every_row_of_the_tables_is_needed():
    rows = [*NOT_RUN, *SLOW]
    every = [(page, text) for page in PAGES for _, text in parts(page)]
    assert [row for row in rows if not any(reason([row], page, text) for page, text in every)] == []


def test_the_extras_that_pages_name_exist():
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {
        name
        for text in PAGES.values()
        for words in re.findall(r"mixformer\[([\w,]+)\]", text)
        for name in words.split(",")
    }
    assert named - extras == set()


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO_CLIP, "clip.mp4")
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for text in blocks:
        assert len(text.splitlines()) <= 5
        exec(text, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 53
    assert all(line.endswith("tracking") for line in lines)
