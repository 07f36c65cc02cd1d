"""Graphs that can be opened and not be run, or whose error cannot be read, end in an error of the package."""

import numpy as np
import pytest

from mixformer.engines import Runtime, create_engine
from mixformer.errors import CheckpointError


class Broken:
    """A session that runs nothing."""

    def io_binding(self):
        return self

    def bind_cpu_input(self, *_):
        pass

    def bind_output(self, *_):
        pass

    def run_with_iobinding(self, _):
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
