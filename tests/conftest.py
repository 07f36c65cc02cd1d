"""Small clips and models that several tests use."""

import faulthandler
import io
import os
import sys
from pathlib import Path

import pytest

from tests.helpers.clips import moving_square, write_clip

LONG = ("torture/", "test_pages.py", "annotation/", "examples/", "run/", "test_privacy.py")  # below tests/

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a shared machine


@pytest.fixture(scope="session", autouse=True)
def _compiled_graphs(tmp_path_factory):
    """Compiled graphs of this run are kept for this run alone, not in the user's cache folder."""
    os.environ["MIXFORMER_CACHE"] = str(tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def clip(tmp_path) -> Path:
    """A 20-frame clip of a moving square, 120 x 90, 25 FPS, with sound."""
    return write_clip(tmp_path / "clip.mp4", moving_square()[0], sound=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """Folder of a tiny network with random weights: good for the plumbing, not for tracking."""
    import torch

    from mixformer.configs.model import ModelConfig
    from mixformer.models import build_model
    from mixformer.weights.load_save import save_model

    torch.manual_seed(0)
    config = ModelConfig("tiny", depth=2, dim=64, heads=2, patch_size=16, search_size=64, template_size=32, bins=16)
    return save_model(build_model(config), tmp_path_factory.mktemp("model") / "tiny")


def pytest_configure(config):
    """Let pytest-xdist give files to its workers in their order: else the few long tests of a file come last."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Begin with the files that take minutes, so that no worker waits for another at the end.

    Workers must know a test by the same name, so none may hold an address of memory.
    """
    if strange := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"each process would name this test in another way: {strange[0]}")
    items.sort(
        key=lambda item: next((k for k, name in enumerate(LONG) if item.nodeid.startswith(f"tests/{name}")), len(LONG))
    )


def pytest_sessionfinish(session):
    """A process of the tests that does not come to its end says where its threads are, and is ended."""
    if hasattr(session.config, "workerinput"):
        faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__)


def pytest_terminal_summary(terminalreporter, config):
    """After a run with `--cov --cov-report=`, print the total alone and not a table of 200 files."""
    plugin = config.pluginmanager.getplugin("_cov")
    if plugin and plugin.cov_controller and not plugin.cov_report.getvalue():
        total = plugin.cov_controller.cov.report(file=io.StringIO(), ignore_errors=True)
        terminalreporter.write_line(f"coverage: {total:.1f} % of the lines of mixformer")
