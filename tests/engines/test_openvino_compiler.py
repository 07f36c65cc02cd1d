"""Compiled graphs are kept between runs, and never get in the way."""

import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import openvino_compiler as openvino_core
from mixformer.engines.graph_cache import forget_old, keep, read_kept
from mixformer.engines.openvino_compiler import Compiler
from mixformer.optional import CACHE_VARIABLE, cache_folder
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
    (kept,) = folder.glob("*.blob")
    monkeypatch.setattr(Compiler, "_read", lambda self, file: pytest.fail("read again"))
    np.testing.assert_array_equal(remember(), fresh)
    assert list(folder.glob("*.blob")) == [kept]


def test_a_damaged_file_is_replaced(folder):
    fresh = remember()
    (kept,) = folder.glob("*.blob")
    size = kept.stat().st_size
    for content in (b"", kept.read_bytes()[: size // 2], b"something else" * 1000):
        kept.write_bytes(content)
        np.testing.assert_array_equal(remember(), fresh)
        assert kept.stat().st_size == pytest.approx(size, rel=0.01)  # not the same bytes each time
        assert read_kept(kept)  # whole, by its checksum


def test_b7_one_changed_byte_is_noticed(folder):
    """B7: seven of eight such changes gave other boxes without a word."""
    fresh = remember()
    (kept,) = folder.glob("*.blob")
    content = bytearray(kept.read_bytes())
    for place in range(len(content) // 9, len(content), len(content) // 3):
        content[place] ^= 1
        kept.write_bytes(content)
        with pytest.raises(ValueError, match="checksum"):
            read_kept(kept)
    np.testing.assert_array_equal(remember(), fresh)
    assert read_kept(kept)


def test_b7_exchanged_files_are_noticed(tmp_path):
    """B7: one graph was run in the place of another."""
    first, second = tmp_path / "first.blob", tmp_path / "second.blob"
    for path in (first, second):
        keep(path, path.name.encode() * 100_000, limit=10_000_000)
    pairs = [(path, path.with_name(path.name + ".sum")) for path in (first, second)]
    for mine, other in zip(*pairs, strict=True):  # each with its checksum
        aside = mine.rename(tmp_path / "aside")
        other.rename(mine)
        aside.rename(other)
    for path in (first, second):
        with pytest.raises(ValueError, match="checksum"):
            read_kept(path)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_b7_the_folder_is_for_its_owner_alone(tmp_path):
    """B7: the folder has mode 0700; one that holds something else is not ours to close."""
    mine, shared = tmp_path / "new" / "mine", tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "notes.txt").touch()
    for folder in (mine, shared):
        keep(folder / "a.blob", b"graph", limit=100)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (mine, shared)] == [0o700, 0o755]
    mine.chmod(0o755)
    keep(mine / "b.blob", b"graph", limit=100)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700


def test_b7_what_killed_processes_left_is_removed_when_it_is_old(tmp_path):
    """B7: folders tmp* stayed for ever. Those of a process at work are young."""
    for age, name in ((0, "young"), (7200, "old")):
        (tmp_path / f"tmp{name}").mkdir()
        (tmp_path / f"tmp{name}" / "graph.bin").touch()
        (tmp_path / f".{name}.blob.1234.partial").touch()
        for path in (tmp_path / f"tmp{name}", tmp_path / f".{name}.blob.1234.partial"):
            os.utime(path, (time.time() - age,) * 2)
    keep(tmp_path / "a.blob", b"graph", limit=100)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".young.blob.1234.partial", "a.blob", "a.blob.sum", "tmpyoung"]


def test_a_given_number_of_threads_is_not_pinned_to_the_first_cores(folder):
    """Or one worker beside another would get nothing from a second core."""
    compiled = Compiler(find_folder(DEFAULT_MODEL).graphs, "float32", 1).remember(SHAPE)
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert not compiled.get_property("ENABLE_CPU_PINNING")


def test_precisions_are_kept_apart(folder):
    assert not np.array_equal(remember("int8"), remember())
    assert len(list(folder.glob("*.blob"))) == 2


def test_it_can_be_switched_off_and_need_not_be_writable(folder, monkeypatch, tmp_path):
    folder.write_text("a file where the folder should be")
    expected = remember()
    monkeypatch.setenv(CACHE_VARIABLE, "off")
    assert cache_folder() is None
    np.testing.assert_array_equal(remember(), expected)


def test_the_oldest_go(folder):
    folder.mkdir()
    for age, name in enumerate(("new", "old", "older")):
        (folder / f"{name}.blob").write_bytes(bytes(100))
        os.utime(folder / f"{name}.blob", (1000 - age, 1000 - age))
    forget_old(folder, 200)
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
    monkeypatch.setattr("sys.platform", system)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
