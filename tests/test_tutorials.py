"""The README and the tutorials do what they say: their commands and code run, in order, in one empty folder.

A block below `<!-- not run: REASON -->` is left out; one below `<!-- file: NAME -->` is the content of a file.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from mixformer.cli.main import main
from mixformer.video.demo import DEMO_CLIP

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs" / "tutorials").glob("*.md")), ROOT / "docs" / "coming_from.md"]
BLOCK = re.compile(r"(?:^<!-- ([^>]*) -->\n\n?)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILE = re.compile(r"`([\w/]+\.(?:csv|html|json|jsonl|mp4|onnx|txt|xml))`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "tutorial"}
    ran = 0
    for note, language, text in BLOCK.findall(page.read_text()):
        if note.startswith("file: "):
            Path(note.removeprefix("file: ")).write_text(text)
        elif note:
            assert note.startswith("not run: "), note
        elif language == "python":
            exec(compile(text, str(page), "exec"), names)
            ran += 1
        elif not language:
            for line in text.splitlines():
                run(line)
                ran += 1
    assert ran
    prose = BLOCK.sub("", page.read_text())
    for name in FILE.findall(prose):
        assert list(tmp_path.rglob(name)), f"the page speaks of {name}, which no command or code of it wrote"


def run(line):
    words = shlex.split(line, comments=True)
    if words[0] == "cp":
        shutil.copy(ROOT / words[1], words[2])
    elif words[0] == "mixformer":
        assert main(words[1:]) == 0, line
    else:
        assert words[:2] == ["pip", "install"], f"a kind of command that no test runs: {line}"


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
