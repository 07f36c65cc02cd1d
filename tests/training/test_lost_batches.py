"""Loader processes that cannot hand over what they made."""

import subprocess
import sys

import pytest

from tests.torture.material import RECIPE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")


def test_a_batch_that_cannot_be_handed_over_is_an_error_and_no_hang(tmp_path):
    """Its shared memory counts as a file that may not be longer than 1 kB; the run waited for it for ever."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = f"train {tmp_path}/recipe.toml --out {tmp_path}/run --dry-run --device cpu --set data.workers=1"
    command = f"ulimit -f 1; exec {sys.executable} -m mixformer {words} 2>&1 | cat"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    assert "cannot hand over a batch: unable to resize file" in done.stdout
    assert "error: a loader process ended" in done.stdout
    assert "data.workers lower" in done.stdout
