"""Ctrl-C while the command still imports its modules."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.clips import hear_interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
_INTERRUPTING = "import os, signal; os.kill(os.getpid(), signal.SIGINT); TYPE_CHECKING = False"
"""A `typing` that stands for the first import of all: Ctrl-C comes there."""


def _interrupted(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "typing.py").write_text(_INTERRUPTING)
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, preexec_fn=hear_interrupts
    )


def test_the_command_says_one_line_and_its_code(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")
    done = _interrupted(tmp_path, "-m", "mixformer", "models")
    assert (done.returncode, done.stderr, done.stdout) == (130, "stopped\n", "")
    script = tmp_path / "mixformer"
    script.write_text("import sys\nfrom mixformer.__main__ import run\nsys.exit(run())\n")
    done = _interrupted(tmp_path, str(script), "models")
    assert (done.returncode, done.stderr) == (130, "stopped\n")


def test_a_program_that_imports_the_package_hears_it_as_usual(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")
    done = _interrupted(tmp_path, "-c", "try: import mixformer\nexcept KeyboardInterrupt: print('heard')")
    assert (done.returncode, done.stdout) == (0, "heard\n")


def test_ctrl_c_while_python_ends_shows_no_traceback(tmp_path, monkeypatch):
    """Libraries clear up then; a traceback of theirs was shown."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    script = "import atexit, os, signal, sys; atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
    script += "from mixformer.__main__ import run\nsys.exit(run())\n"
    done = subprocess.run(
        [sys.executable, "-c", script, "models"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=hear_interrupts,
    )
    assert (done.returncode, done.stderr) == (130, "stopped\n")
    assert "mixformerv2_dino_s8" in done.stdout
