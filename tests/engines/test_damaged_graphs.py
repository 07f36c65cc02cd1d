"""Graphs that can be opened and not be run, or whose error cannot be read, end in an error of the package."""

import shutil

import numpy as np
import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.errors import CheckpointError
from mixformer.tracking import Tracker
from mixformer.weights.catalog import shipped_folder


class Broken:
    """A session that runs nothing."""

    def io_binding(self):
        return self

    def bind_cpu_input(self, *_):
        pass

    def bind_output(self, *_):
        pass

    def run_with_iobinding(self, *_):
        raise RuntimeError("Error in execution: Non-zero status code")


def test_an_onnx_graph_that_cannot_be_run(monkeypatch):
    pytest.importorskip("onnxruntime")
    engine = create_engine("mixformerv2_dino_s8", runtime=Runtime(engine="onnx", device="cpu", threads=1))
    monkeypatch.setattr(engine, "_remember", Broken())
    with pytest.raises(CheckpointError, match=r"cannot run the graphs in .*; export the model again \(Error in exec"):
        engine.remember(np.zeros((1, 2, engine.config.template_size, engine.config.template_size, 3), np.uint8))


def test_an_openvino_error_that_quotes_damaged_text(monkeypatch):
    pytest.importorskip("openvino")
    from mixformer.engines.openvino_compiler import Compiler

    def unreadable(*_):
        b"\xf4".decode()

    engine = create_engine("mixformerv2_dino_s8", runtime=Runtime(engine="openvino", device="cpu", threads=1))
    compilers = [value for value in vars(engine).values() if isinstance(value, Compiler)]
    monkeypatch.setattr(compilers[0], "_core", type("Core", (), {"read_model": staticmethod(unreadable)})())
    with pytest.raises(CheckpointError, match=r"OpenVINO cannot read .*; export the model again"):
        compilers[0]._read(compilers[0]._graphs.remember)


def track_a_frame(tracker):
    frame = np.zeros((90, 120, 3), np.uint8)
    tracker.init(frame, (30, 20, 40, 30))
    return tracker.update(frame)


def test_graphs_without_an_output_that_is_needed_are_named(tmp_path):
    onnx, _ = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    folder = tmp_path / "m"
    shutil.copytree(shipped_folder(DEFAULT_MODEL), folder)
    for graph, old in (("remember", "memory.3"), ("locate", "boxes")):
        changed = onnx.load(folder / f"{graph}.onnx", load_external_data=False)
        for each in (*changed.graph.output, *(node for node in changed.graph.node if old in node.output)):
            if isinstance(each, onnx.NodeProto):
                each.output[:] = [f"other.{name}" if name == old else name for name in each.output]
            elif each.name == old:
                each.name = f"other.{old}"
        for node in changed.graph.node:
            node.input[:] = [f"other.{name}" if name == old else name for name in node.input]
        kept = (folder / f"{graph}.onnx").read_bytes()
        onnx.save(changed, folder / f"{graph}.onnx")
        for engine in ("onnx", "openvino"):
            with pytest.raises(CheckpointError, match=f"has no '{old}'; export the model again"):
                track_a_frame(Tracker(folder, runtime=Runtime(engine=engine, device="cpu", threads=1)))
        (folder / f"{graph}.onnx").write_bytes(kept)
