"""An engine that is installed but cannot run: "auto" takes the next one and says so; a named engine fails."""

import logging
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest
from PIL import Image

from mixformer import Tracker, evaluate
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import ENGINES, Runtime, create, create_engine, select_engine, selection
from mixformer.errors import CheckpointError, MissingDependencyError
from mixformer.evaluation.manifest import read_manifest
from mixformer.tracking import TrackerFactory
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.catalog import shipped_folder

CPU = Runtime(device="cpu")
TABLE = "mixformer.engines.engine_table"


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(selection, "_left_out", {})
    monkeypatch.setattr(create, "_made", set())


def failing(error):
    def fail(*_):
        raise error

    return fail


def test_openvino_without_this_processor_gives_way(monkeypatch, caplog):
    monkeypatch.setattr(f"{TABLE}.openvino_precisions", failing(RuntimeError("Device with CPU name is not registered")))
    assert select_engine(DEFAULT_MODEL, CPU).engine == "torch"
    assert "the engine openvino cannot run here (Device with CPU name" in caplog.text
    caplog.clear()
    engine = create_engine(DEFAULT_MODEL, runtime=CPU)
    assert type(engine).__name__ == "TorchEngine"
    assert caplog.text == ""  # said once
    with open_video(DEMO_CLIP, 0, 2) as video:
        images = [frame.image for frame in video]
    tracker = Tracker(engine)
    tracker.init(images[0], DEMO_BOX)
    assert tracker.update(images[1]).status == "tracking"


def test_openvino_that_does_not_load_gives_way(tmp_path):
    """In a process of its own, since a library that is loaded cannot be taken away."""
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("raise ImportError('libopenvino.so: cannot open')")
    code = f"import mixformer; print(type(mixformer.Tracker({DEFAULT_MODEL!r}).engine).__name__)"
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": paths}
    )
    assert done.stdout.strip() == "TorchEngine"
    assert "the engine openvino cannot run here (libopenvino.so: cannot open)" in done.stderr


def test_an_engine_that_fails_when_it_is_made_gives_way(monkeypatch, caplog):
    spec = ENGINES["openvino"]
    monkeypatch.setitem(ENGINES, "openvino", _with(spec, make=failing(OSError("libtbb.so.12: cannot open"))))
    with caplog.at_level(logging.WARNING):
        assert type(create_engine(DEFAULT_MODEL, runtime=CPU)).__name__ == "TorchEngine"
    assert "libtbb.so.12" in caplog.text
    with pytest.raises(OSError, match="libtbb"):  # asked for by name: no other one
        create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="openvino"))


def uncompilable(monkeypatch, reason="could not create a primitive"):
    """OpenVINO that reads graphs, and has no code for this processor."""
    pytest.importorskip("openvino")
    monkeypatch.setattr("mixformer.engines.openvino_compiler.Compiler._place", lambda *_: None)
    monkeypatch.setattr("mixformer.engines.openvino_compiler.Compiler._compile_anew", failing(RuntimeError(reason)))


def test_graphs_that_openvino_cannot_compile_here_give_way(monkeypatch, caplog):
    uncompilable(monkeypatch)
    with caplog.at_level(logging.WARNING):
        engine = create_engine(DEFAULT_MODEL, runtime=CPU)
        assert type(create_engine(DEFAULT_MODEL, runtime=CPU)) is type(engine)
    assert type(engine).__name__ == "TorchEngine"
    (said,) = [each.getMessage() for each in caplog.records]  # once
    assert "the engine openvino cannot run the graphs in" in said
    assert "could not create a primitive" in said
    assert select_engine(DEFAULT_MODEL, CPU).engine == "torch"
    named: Any = create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="openvino"))
    with pytest.raises(CheckpointError, match="OpenVINO cannot compile"):  # asked for by name: no other one
        named.prepare()


def test_a_run_names_the_engine_that_ran(monkeypatch, tmp_path):
    """The engine was noted before the first worker found that its graphs do not compile."""
    uncompilable(monkeypatch)
    for number in range(2):
        (tmp_path / "own" / "one" / "img").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / "own" / "one" / "img" / f"{number}.png")
    (tmp_path / "own" / "one" / "groundtruth.txt").write_text("10,10,20,20\n" * 2)
    for done in (("one",), ()):  # the second run resumes the first
        result = evaluate(DEFAULT_MODEL, root=tmp_path / "own", out=tmp_path / "results", runtime=CPU)
        assert result.done == done
    noted = read_manifest(result.folder)["settings"]
    assert (noted["engine"], noted["precision"]) == ("torch", "float32")


def test_the_settings_of_a_tracker_that_was_made_cost_nothing(monkeypatch):
    create_engine(DEFAULT_MODEL, runtime=CPU)
    monkeypatch.setattr(create, "create_engine", failing(AssertionError("made again")))
    assert TrackerFactory(DEFAULT_MODEL, TrackerConfig(), CPU).settings()["engine"] == "openvino"


def test_graphs_of_one_model_that_do_not_compile_say_nothing_about_others(monkeypatch, tmp_path):
    uncompilable(monkeypatch)
    other = tmp_path / "other"
    shutil.copytree(shipped_folder(DEFAULT_MODEL), other)
    create_engine(other, runtime=CPU)
    assert select_engine(other, CPU).engine == "torch"
    assert select_engine(DEFAULT_MODEL, CPU).engine == "openvino"


def test_without_another_engine_the_failed_compilation_is_told(monkeypatch):
    uncompilable(monkeypatch)
    monkeypatch.setattr("mixformer.engines.engine_spec.installed", lambda package: package == "openvino")
    with pytest.raises(MissingDependencyError, match=r"openvino failed: .*could not create a primitive"):
        create_engine(DEFAULT_MODEL, runtime=CPU)


def test_errors_of_the_model_are_no_reason_to_change_the_engine(monkeypatch):
    spec = ENGINES["openvino"]
    monkeypatch.setitem(ENGINES, "openvino", _with(spec, make=failing(CheckpointError("the graph is damaged"))))
    with pytest.raises(CheckpointError, match="damaged"):
        create_engine(DEFAULT_MODEL, runtime=CPU)


def test_without_any_engine_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(f"{TABLE}.openvino_precisions", failing(RuntimeError("no CPU plugin")))
    monkeypatch.setattr("mixformer.engines.engine_spec.installed", lambda package: package == "openvino")
    with pytest.raises(MissingDependencyError, match=r"openvino failed: RuntimeError: no CPU plugin.*\[onnx\]"):
        create_engine(DEFAULT_MODEL, runtime=CPU)


def _with(spec, **changes):
    from dataclasses import replace

    return replace(spec, **changes)
