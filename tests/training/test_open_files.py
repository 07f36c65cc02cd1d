"""C9: a training whose loader processes cannot open their files."""

import subprocess
import sys

import pytest

from tests.torture.material import RECIPE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")


@pytest.mark.parametrize(("limit", "workers", "code"), [(24, 2, 2), (24, 0, 0)])
def test_c9_too_few_open_files_are_an_error_and_no_hang(tmp_path, limit, workers, code):
    """It waited for ever for loader processes that had died."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = f"train {tmp_path}/recipe.toml --out {tmp_path}/run --dry-run --device cpu --set data.workers={workers}"
    command = f"ulimit -n {limit}; exec {sys.executable} -m mixformer {words}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    if code:
        assert "loader processes need 88 open files, but the system allows 24; raise the limit" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_soft_limit_is_raised(tmp_path):
    """C9: what the system allows is taken, without a word."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = f"train {tmp_path}/recipe.toml --out {tmp_path}/run --dry-run --device cpu --set data.workers=1"
    command = f"ulimit -S -n 24; exec {sys.executable} -m mixformer {words}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
