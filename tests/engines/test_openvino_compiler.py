"""Compiled graphs are kept between runs, and never get in the way."""

import os
from pathlib import Path

import numpy as np
import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import openvino_compiler as openvino_core
from mixformer.engines.openvino_compiler import CACHE_VARIABLE, Compiler, cache_folder
from mixformer.weights.model_folder import find_folder
from tests.helpers.shipped import seen

SHAPE = (1, 2, 98, 98, 3)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


def remember(precision="float32"):
    """First memory tensor of the demo's templates from a compiler of its own."""
    request = Compiler(find_folder(DEFAULT_MODEL).graphs, precision, 1).remember(SHAPE).create_infer_request()
    request.get_input_tensor().data[...] = seen().templates
    request.infer()
    return request.get_tensor("memory.0").data.copy()


def test_what_was_compiled_is_used_again(folder, monkeypatch):
    fresh = remember()
    (kept,) = folder.iterdir()
    monkeypatch.setattr(Compiler, "_read", lambda self, file: pytest.fail("read again"))
    np.testing.assert_array_equal(remember(), fresh)
    assert list(folder.iterdir()) == [kept]


def test_a_damaged_file_is_replaced(folder):
    fresh = remember()
    (kept,) = folder.iterdir()
    size = kept.stat().st_size
    for content in (b"", kept.read_bytes()[: size // 2], b"something else" * 1000):
        kept.write_bytes(content)
        np.testing.assert_array_equal(remember(), fresh)
        assert kept.stat().st_size == size


def test_a_given_number_of_threads_is_not_pinned_to_the_first_cores(folder):
    """Or one worker beside another would get nothing from a second core."""
    compiled = Compiler(find_folder(DEFAULT_MODEL).graphs, "float32", 1).remember(SHAPE)
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert not compiled.get_property("ENABLE_CPU_PINNING")


def test_precisions_are_kept_apart(folder):
    assert not np.array_equal(remember("int8"), remember())
    assert len(list(folder.iterdir())) == 2


def test_it_can_be_switched_off_and_need_not_be_writable(folder, monkeypatch, tmp_path):
    folder.write_text("a file where the folder should be")
    expected = remember()
    monkeypatch.setenv(CACHE_VARIABLE, "off")
    assert cache_folder() is None
    np.testing.assert_array_equal(remember(), expected)


def test_the_oldest_go(folder, monkeypatch):
    folder.mkdir()
    for age, name in enumerate(("new", "old", "older")):
        (folder / f"{name}.blob").write_bytes(bytes(100))
        os.utime(folder / f"{name}.blob", (1000 - age, 1000 - age))
    monkeypatch.setattr(openvino_core, "_CACHE_LIMIT", 200)
    openvino_core._forget_old(folder)
    assert sorted(file.stem for file in folder.iterdir()) == ["new", "old"]


def test_large_weights_are_not_kept(folder, monkeypatch):
    monkeypatch.setattr(openvino_core, "_CACHE_LIMIT", 1_000_000)
    remember()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/mixformer/openvino"),
        ("linux", {"XDG_CACHE_HOME": "", "HOME": "/home/a"}, "/home/a/.cache/mixformer/openvino"),
        ("darwin", {"HOME": "/home/a"}, "/home/a/Library/Caches/mixformer/openvino"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/mixformer/openvino"),
    ],
)
def test_the_users_cache_folder(monkeypatch, system, variables, expected):
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setattr(openvino_core.sys, "platform", system)  # type: ignore[attr-defined]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
