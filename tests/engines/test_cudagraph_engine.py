"""The step of fixed buffers, without a GPU: the recording is replaced by running the work each time."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from mixformer.configs.model import ModelConfig
from mixformer.engines import cudagraph_engine as graph_engine
from mixformer.engines.cudagraph_engine import CompiledEngine, CudaGraphEngine, run_each_time
from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import ConfigError, MixFormerError
from tests.helpers.family import DESIGNED, ELIMINATING, FAMILY, make

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def crops(config: ModelConfig, batch: int, count: int = 2, seed: int = 0):
    random = np.random.default_rng(seed)
    templates = random.integers(0, 256, (batch, count, *[config.template_size] * 2, 3), dtype=np.uint8)
    return templates, random.integers(0, 256, (batch, *[config.search_size] * 2, 3), dtype=np.uint8)


def assert_same(a, b, atol=1e-6):
    np.testing.assert_allclose(a.boxes, b.boxes, atol=atol)
    assert (a.scores is None) == (b.scores is None)
    if a.scores is not None:
        np.testing.assert_allclose(a.scores, b.scores, atol=10 * atol)


class Recorder:
    """Counts recordings, and what a graph would do: work is recorded once, then only repeated."""

    def __init__(self):
        self.recordings = self.runs = 0

    def __call__(self, work, device):
        self.recordings += 1

        def repeat():
            self.runs += 1
            work()

        return repeat


@pytest.mark.parametrize("kind", [*FAMILY, *DESIGNED, "eliminating"])
def test_it_finds_what_the_eager_engine_finds(kind):
    config = (FAMILY | DESIGNED).get(kind, ELIMINATING)
    eager, graph = TorchEngine(make(config)), CudaGraphEngine(make(config), "cpu", recorder=run_each_time)
    for seed in range(2):  # other templates in the same buffers
        templates, search = crops(config, 2, seed=seed)
        assert_same(graph.locate(search, graph.remember(templates)), eager.locate(search, eager.remember(templates)))


@pytest.mark.parametrize("kind", ["vit-token1-asym", "cvt-corner0-asym", "vit-corner0-symm"])
def test_memories_are_values(kind):
    config = FAMILY[kind]
    engine = CudaGraphEngine(make(config), "cpu", recorder=run_each_time)
    (t1, search), (t2, _) = crops(config, 1), crops(config, 1, seed=1)
    first, second = engine.remember(t1), engine.remember(t2)
    before = [engine.locate(search, memory) for memory in (first, second)]
    assert not np.array_equal(before[0].boxes, before[1].boxes)
    for memory, expected in ((first, before[0]), (second, before[1]), (second, before[1]), (first, before[0])):
        assert_same(engine.locate(search, memory), expected, atol=0)


def test_one_recording_for_each_shape():
    config = FAMILY["vit-token4-asym"]
    recorder = Recorder()
    engine, eager = CudaGraphEngine(make(config), "cpu", recorder=recorder), TorchEngine(make(config))
    for batch, count in ((1, 2), (1, 2), (3, 2), (1, 2), (1, 3), (3, 2)):
        templates, search = crops(config, batch, count)
        assert_same(engine.locate(search, engine.remember(templates)), eager.locate(search, eager.remember(templates)))
    assert (recorder.recordings, recorder.runs) == (3, 6)


def test_buffers_stay_where_they_are():
    """What a CUDA graph needs: after the first step nothing it reads or writes moves."""
    config = FAMILY["vit-token4-asym"]
    engine = CudaGraphEngine(make(config), "cpu", recorder=run_each_time)
    places = []
    for seed in range(3):
        templates, search = crops(config, 1, seed=seed)
        engine.locate(search, engine.remember(templates))
        (step,) = engine._steps.values.values()
        tensors = [step._search, step._found, *graph_engine._parts(step._memory)]
        tensors += [part for room in step._memory.blocks for part in room._all]  # type: ignore[attr-defined]
        places.append([tensor.data_ptr() for tensor in tensors])
    assert places[0] == places[1] == places[2]


def test_few_recordings_are_kept(monkeypatch):
    monkeypatch.setattr(graph_engine, "_KEPT", 2)
    config, recorder = FAMILY["vit-token4-asym"], Recorder()
    engine = CudaGraphEngine(make(config), "cpu", recorder=recorder)
    for batch in (1, 2, 1, 3, 1, 2):
        templates, search = crops(config, batch)
        engine.locate(search, engine.remember(templates))
        assert len(engine._steps.values) <= 2
    assert recorder.recordings == 4  # 2 was dropped for 3


def test_joined_memories_and_wrong_shapes():
    config = FAMILY["vit-token4-asym"]
    engine = CudaGraphEngine(make(config), "cpu", recorder=run_each_time)
    templates, search = crops(config, 3)
    joined = engine.join([engine.remember(templates[i : i + 1]) for i in range(3)])
    assert_same(engine.locate(search, joined), engine.locate(search, engine.remember(templates)))
    with pytest.raises(ConfigError, match="crops of shape"):
        engine.locate(search[:1], joined)


def test_without_a_gpu_it_says_so():
    with pytest.raises(ConfigError, match="NVIDIA GPU"):
        CudaGraphEngine(make(FAMILY["vit-token4-asym"]), "cpu")


def test_without_a_compiler_it_says_so(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"C\+\+ compiler"):
        CompiledEngine(make(FAMILY["vit-token4-asym"]))


def broken_at_first(engine, times):
    """Put in place of the compiled network one that cannot be loaded so many times, and then runs eagerly."""
    from torch._dynamo.exc import BackendCompilerFailed

    left = iter(range(times))

    def run(search, memory):
        if next(left, None) is not None:
            raise BackendCompilerFailed(run, ImportError("kernel.so: file too short"), None)
        return engine._locate(search, memory)

    engine._compiled = run


@pytest.mark.parametrize(("ours", "times"), [(True, 1), (True, 2), (False, 1)])
def test_damaged_kernels_are_made_again(monkeypatch, tmp_path, ours, times):
    monkeypatch.setenv("MIXFORMER_CACHE", str(tmp_path / "cache"))
    kept = tmp_path / "cache" / "inductor" if ours else tmp_path / "theirs"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(kept))
    kept.mkdir(parents=True)
    monkeypatch.setattr(graph_engine, "_require_compiler", lambda: None)
    config = FAMILY["vit-token4-asym"]
    engine = CompiledEngine(make(config), threads=1)
    broken_at_first(engine, times)
    templates, search = crops(config, 1)
    memory = engine.remember(templates)
    if ours and times == 1:
        plain = TorchEngine(make(config))
        assert_same(engine.locate(search, memory), plain.locate(search, plain.remember(templates)), atol=1e-5)
    else:
        with pytest.raises(MixFormerError, match=r"file too short.*engine torch"):
            engine.locate(search, memory)
    assert kept.exists() is not ours


@pytest.mark.sweep
@pytest.mark.parametrize("kind", ["vit-token4-asym", "cvt-corner0-asym", "convmae-pyramid0-asym", "vit-corner0-symm"])
def test_compiled(kind):
    if not any(map(shutil.which, ("g++", "clang++", "cl"))):
        pytest.skip("needs a C++ compiler")
    config = FAMILY[kind]
    eager, compiled = TorchEngine(make(config)), CompiledEngine(make(config), threads=1)
    for batch in (1, 2, 3):
        templates, search = crops(config, batch)
        expected = eager.locate(search, eager.remember(templates))
        assert_same(compiled.locate(search, compiled.remember(templates)), expected, atol=1e-5)


@NEEDS_GPU
@pytest.mark.parametrize("kind", FAMILY)
def test_cuda_graphs(kind):
    config = FAMILY[kind]
    eager, graph = TorchEngine(make(config), "cuda", "float32"), CudaGraphEngine(make(config), "cuda", "float32")
    for seed, batch in enumerate((1, 3, 1)):
        templates, search = crops(config, batch, seed=seed)
        for _ in range(2):
            found = graph.locate(search, graph.remember(templates))
            assert_same(found, eager.locate(search, eager.remember(templates)), atol=1e-4)
