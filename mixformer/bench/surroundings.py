"""What goes on beside a measurement: the threads it may use, and another process that wants the processor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from mixformer.optional import installed

_BUSY = """
import os, sys
if "pinned" in sys.argv and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print("busy", flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""


def torch_threads(count: int) -> AbstractContextManager[None]:
    """PyTorch, where it is installed, on this many threads for a while."""
    if not installed("torch"):
        return nullcontext()
    from mixformer.engines.torch_engine import using_threads

    return using_threads(count)


@contextmanager
def busy_core(*, pinned: bool = True) -> Iterator[None]:
    """Another process computes on one core for a while. It ends by itself when this process is gone.

    Args:
        pinned: it stays on the last core, where the system lets it choose; else the system moves it about.
    """
    words = [sys.executable, "-c", _BUSY, str(os.getpid()), *(["pinned"] if pinned else [])]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None  # it is a pipe
        child.stdout.readline()
        yield
    finally:
        child.kill()
        child.communicate()
