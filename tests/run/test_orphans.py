"""Processes that were started by one that is killed end with it, whatever they do just then."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes through /proc")

_PROGRAM = """
import os, sys, time
from mixformer.run import ProcessExecutor

def load(path):
    open(path + ".new", "w").write(str(os.getpid()))
    os.rename(path + ".new", path)
    time.sleep(120)  # stands for libraries that take long

class Maker:
    def __init__(self, path): self.path = path
    def __reduce__(self): return load, (self.path,)

if __name__ == "__main__":
    list(ProcessExecutor(1).run(Maker(sys.argv[1]), [("a", 1)]))
"""


_LOADING = """
import multiprocessing, os, sys, time
from torch.utils.data import Dataset
from mixformer.data.sample_dataset import batches

class Slow(Dataset):
    def __getitem__(self, number):
        load(sys.argv[1])

def load(path):
    open(path + ".new", "w").write(str(os.getpid()))
    os.rename(path + ".new", path)
    time.sleep(120)  # stands for a batch that takes long

if __name__ == "__main__":
    multiprocessing.set_start_method(METHOD)
    next(iter(batches(Slow(), 1, 0, 2, 1)))
"""


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "program",
    [_PROGRAM, _LOADING.replace("METHOD", "'fork'"), _LOADING.replace("METHOD", "'forkserver'")],
    ids=["worker", "forked loader", "loader of a server"],
)
def test_a_process_that_is_busy_ends_with_its_parent(program, tmp_path):
    """A worker looked for its parent when its libraries were loaded, a loader between two batches.

    On a busy machine that took a minute.
    """
    (tmp_path / "program.py").write_text(program)
    path = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "program.py", str(path)], cwd=tmp_path, stderr=subprocess.DEVNULL) as parent:
        try:
            while not path.exists() and parent.poll() is None:
                time.sleep(0.05)
            worker = int(path.read_text())
        finally:
            parent.kill()
    until = time.monotonic() + 60
    while _runs(worker) and time.monotonic() < until:
        time.sleep(0.1)
    left = _runs(worker)
    if left:
        os.kill(worker, signal.SIGKILL)
    assert not left
