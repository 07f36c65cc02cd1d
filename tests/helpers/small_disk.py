"""Disks that are soon full: small file systems in memory, which only root can make, and files that may not grow."""

import contextlib
import subprocess
import tempfile

import pytest


@contextlib.contextmanager
def small_disk(place, kilobytes):
    """Mount an empty disk of so many kilobytes at `place`; a page of 4 kB is its unit."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], check=True, capture_output=True
    )
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False, capture_output=True)


@contextlib.contextmanager
def largest_file(size):
    """Files of this process may have so many bytes, as after `ulimit -f`."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def can_mount():
    """Tell whether a small disk can be made here."""
    refused = (OSError, subprocess.CalledProcessError)
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(*refused), small_disk(place, 64):
        return True
    return False


def need_small_disks():
    """Skip a test where no disk can be mounted."""
    if not can_mount():
        pytest.skip("no small disk can be mounted here: that needs root, on Linux")
