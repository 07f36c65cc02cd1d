"""No public name, command or flag vanishes without a word, and public types say what they should."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.release.surface import FILE, surface

HERE = Path(__file__).parent


def test_nothing_that_others_use_has_vanished():
    """To take something away, keep its old name for a release with a warning, and then strike it off surface.txt."""
    assert sorted(set(FILE.read_text().splitlines()) - set(surface())) == []


def test_types_from_outside(tmp_path):
    """A strict program of others has no mistake but those that are marked, checked outside the checkout."""
    pytest.importorskip("mypy", reason="pip install mypy")
    for name in ("typed_client.py", "wrong_client.py"):
        shutil.copy(HERE / name, tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "typed_client.py", "wrong_client.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    found = [line.split(": error")[0] for line in run.stdout.splitlines() if ": error" in line]
    lines = (HERE / "wrong_client.py").read_text().splitlines()
    marked = [f"wrong_client.py:{number}" for number, line in enumerate(lines, 1) if line.endswith("# mistake")]
    assert found == marked, run.stdout + run.stderr
