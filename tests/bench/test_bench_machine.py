"""The peak and the description of a machine, and memory in a process of its own."""

import platform

import pytest
import torch

from mixformer.bench import peak
from mixformer.bench.memory import measure_memory
from mixformer.bench.peak import PeakProbe
from mixformer.bench.schema import Machine, describe_machine
from mixformer.engines import Runtime
from mixformer.engines.devices import torch_threads
from mixformer.errors import MixFormerError
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP


def test_the_peak_is_sought_in_every_library_and_precision():
    peaks = PeakProbe(threads=1, side=64).measure()
    assert {"torch float32", "torch bfloat16", "openvino float32", "openvino int8"} <= set(peaks)
    assert min(peaks.values()) > 0


def test_the_peak_without_pytorch(monkeypatch):
    monkeypatch.setattr(peak, "installed", lambda package: False)
    assert {name.split()[0] for name in PeakProbe(threads=1, side=64).measure()} == {"openvino"}


def test_machine_is_described_without_its_name():
    machine = describe_machine()
    assert machine.cores >= 1
    assert machine.processor
    assert {"numpy", "torch"} <= set(machine.packages)
    assert Machine.from_dict(machine.to_dict()) == machine
    assert platform.node() not in str(machine.to_dict())


def test_torch_threads_are_put_back():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_memory_of_a_process_of_its_own(tiny_model):
    memory = measure_memory(tiny_model, Runtime("cpu", "torch", "float32", 1), DEMO_CLIP, DEMO_BOX)
    assert memory is None or memory > 50


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(MixFormerError, match=r"onnx in a separate process failed.*holds no config"):
        measure_memory(tmp_path, Runtime("cpu", "onnx", "float32", 1), DEMO_CLIP, DEMO_BOX)
