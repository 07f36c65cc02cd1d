"""Peaks, the description of the machine, a busy neighbor, and starting in a process of its own."""

import os
import platform
import subprocess

import pytest
import torch

from mixformer.bench import peaks as peaks_module
from mixformer.bench.machine import Machine, describe_machine
from mixformer.bench.peaks import measure_peaks
from mixformer.bench.startup import StartError, measure_startup
from mixformer.bench.surroundings import busy_core, torch_threads
from mixformer.configs.runtime import Runtime
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP


def test_peaks_are_positive():
    peaks = measure_peaks(threads=1, side=64, megabytes=1)
    assert peaks.float32 > 0
    assert peaks.bfloat16 > 0
    assert peaks.bandwidth > 0
    assert peaks.products("float16") == peaks.products("bfloat16") == peaks.bfloat16
    assert peaks.products("int8") is None


def test_peaks_without_pytorch(monkeypatch):
    monkeypatch.setattr(peaks_module, "installed", lambda package: False)
    peaks = measure_peaks(threads=1, side=64, megabytes=1)
    assert peaks.float32 > 0
    assert peaks.bfloat16 is None


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


@pytest.mark.parametrize("pinned", [True, False])
def test_a_busy_neighbor_runs_and_ends(monkeypatch, pinned):
    children = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        "subprocess.Popen", lambda *words, **more: children.append(popen(*words, **more)) or children[0]
    )
    with busy_core(pinned=pinned):
        assert children[0].poll() is None
        if hasattr(os, "sched_getaffinity"):
            mine = os.sched_getaffinity(0)
            assert os.sched_getaffinity(children[0].pid) == ({max(mine)} if pinned else mine)
    assert children[0].poll() is not None


def test_start_in_a_process_of_its_own(tiny_model):
    found = measure_startup(tiny_model, Runtime("cpu", "torch", "float32", 1), DEMO_CLIP, DEMO_BOX)
    parts = (found.interpreter, found.imports, found.load, found.first_frame)
    assert min(parts) > 0
    assert found.total == pytest.approx(sum(parts))
    assert found.gpu_memory_mb is None
    assert found.memory_mb is None or found.memory_mb > 50


def test_a_start_that_fails_says_why(tmp_path):
    with pytest.raises(StartError, match=r"onnx in a process of its own failed.*holds no config"):
        measure_startup(tmp_path, Runtime("cpu", "onnx", "float32", 1), DEMO_CLIP, DEMO_BOX)
