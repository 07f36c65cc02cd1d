"""Engines that record a search step of fixed shape as a CUDA graph and replay it, with compiled kernels or not.

At batch 1, a GPU spends most of an eager step waiting for Python to launch kernels. A CUDA graph launches them all at
once, but always reads and writes the same addresses. So a step owns its buffers, and memories are copied into them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mixformer.engines.own_process import Turns
from mixformer.engines.torch_engine import TorchEngine, find_device, using_threads
from mixformer.errors import ConfigError, MixFormerError
from mixformer.imaging.last_used import LastUsed
from mixformer.models import KVCache, Memory, MixFormer, RawTemplates
from mixformer.models.attention import StaticKVCache
from mixformer.optional import forget_cached
from mixformer.types import EngineOutput, FloatArray, Image

Work = Callable[[], None]
Record = Callable[[Work, torch.device], Work]
Network = Callable[[Tensor, Memory], tuple[Tensor, Tensor | None]]

_WARM_UP = 3  # runs before the recording, in which libraries choose their algorithms and allocate
_KEPT = 8  # recordings, each for one number of targets and of templates


def record(work: Work, device: torch.device) -> Work:
    """Record work on the GPU as a CUDA graph; return a function that repeats it on the current stream.

    The work reads and writes tensors at fixed addresses on the device, and never waits for the GPU.
    """
    with torch.cuda.device(device):
        # 1. Warm up on another stream, as recording requires.
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                work()
        here.wait_stream(aside)
        # 2. Record.
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may decode on this GPU
            work()
    return graph.replay


def run_each_time(work: Work, device: torch.device) -> Work:
    """Return the work itself: the replacement of `record` without CUDA."""
    return work


class CudaGraphEngine(TorchEngine):
    """Run search steps as CUDA graphs. Templates change rarely, so they are encoded without a graph.

    The first step of each batch size and number of templates records a graph, in well under a second. The 8 graphs used
    last are kept. Results are those of `TorchEngine` up to rounding.
    """

    def __init__(
        self, model: MixFormer, device: str = "cuda", precision: str = "auto", recorder: Record | None = None
    ) -> None:
        """Make a copy of the model for inference on an NVIDIA GPU, by default in bfloat16; else raise ConfigError.

        `recorder` turns work on fixed tensors into a function that repeats it; by default `record`.
        """
        place = find_device(device)
        if recorder is None and place.type != "cuda":
            raise ConfigError(
                f"the engine cudagraph needs an NVIDIA GPU, but {device!r} is {place.type}; use torch or auto"
            )
        super().__init__(model, str(place), precision)
        self._recorder: Record = recorder or record
        self._turns = Turns()
        self._begin()

    def _begin(self) -> None:
        """Choose the network to record, and drop all recordings."""
        self._network: Network = self._locate
        self._steps: LastUsed[tuple[int, ...], _RecordedStep] = LastUsed(_KEPT)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_network", "_compiled", "_steps")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    @torch.inference_mode()
    def locate(self, search: Image, memory: Memory) -> EngineOutput:
        """See `Engine.locate`. Threads take turns."""
        self._home.check()
        with self._turns, using_threads(self.threads):
            found = self._step(memory).run(search, memory)
        return EngineOutput(found[:, :4], found[:, 4] if self.config.score != "none" else None)

    def _locate(self, search: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        found = self.model.locate(self.model.normalize(search), memory)
        return found.boxes, found.scores

    def _step(self, memory: Memory) -> _RecordedStep:
        """Return the step for memories of this shape; record it if it is new."""
        shape = tuple(_parts(memory)[0].shape)
        step = self._steps.get(shape)
        if step is None:
            search = torch.zeros((shape[0], *[self.config.search_size] * 2, 3), dtype=torch.uint8, device=self.device)
            step = _RecordedStep(self._locate, self._network, search, memory, self._recorder)
            self._steps.put(shape, step)
        return step


class CompiledEngine(CudaGraphEngine):
    """Run search steps with kernels of `torch.compile`, on a GPU in a CUDA graph. The first step compiles long."""

    def __init__(
        self, model: MixFormer, device: str = "cpu", precision: str = "auto", threads: int | None = None
    ) -> None:
        """Make a copy of the model; arguments and errors are those of `TorchEngine`. A CPU needs a C++ compiler."""
        place = find_device(device)
        cuda = place.type == "cuda"
        if not cuda:
            _require_compiler()
        super().__init__(model, str(place), precision, record if cuda else run_each_time)
        self.threads = threads

    def _begin(self) -> None:
        super()._begin()
        # "max-autotune" itself would record its own graphs, and copy the whole memory into them in each step.
        mode = "max-autotune-no-cudagraphs" if self.device.type == "cuda" else None
        self._compiled = cast(Network, torch.compile(self._locate, fullgraph=True, mode=mode))
        self._network = self._run_compiled

    def _run_compiled(self, search: Tensor, memory: Memory, again: bool = True) -> tuple[Tensor, Tensor | None]:
        """Run the network; compile it once more if it cannot be loaded, since a kept kernel may be damaged."""
        try:
            return self._compiled(search, memory)
        except RuntimeError as error:
            from torch._dynamo.exc import BackendCompilerFailed  # loaded by now; importing it takes a second

            if not isinstance(error, BackendCompilerFailed):
                raise
            if not (again and forget_cached("inductor")):  # left by a killed process or a full disk
                reason = str(error).split("\n\n")[0]
                raise MixFormerError(
                    f"torch.compile failed: {reason}. Check that the disk is not full, use the engine torch, or delete "
                    "the folder in which PyTorch keeps its kernels"
                ) from error
        torch.compiler.reset()
        return self._run_compiled(search, memory, again=False)


class _RecordedStep:
    """The buffers of one batch size and number of templates, and the recorded work between them."""

    def __init__(self, eager: Network, network: Network, search: Tensor, memory: Memory, recorder: Record) -> None:
        """Record a step of `network` for `search` (a buffer on its device) and memories of this shape.

        The network is first run `eager`, not compiled, which allocates the rest of the memory.
        """
        cuda = search.device.type == "cuda"
        self._search, self._network = search, network
        self._memory, self._loaded = _with_room(memory), memory
        self._found = torch.zeros((len(search), 5), device=search.device)
        self._staged = torch.empty(search.shape, dtype=search.dtype, pin_memory=cuda)
        self._result = torch.empty(self._found.shape, pin_memory=cuda)
        eager(search, self._memory)
        self._repeat = recorder(self._work, search.device)

    def run(self, search: Image, memory: Memory) -> FloatArray:
        """Return boxes and scores (B, 5) float64; the score is 0 if the model has none."""
        if search.shape != self._staged.shape:
            raise ConfigError(f"this memory needs crops of shape {tuple(self._staged.shape)}, not {search.shape}")
        # 1. Fill the buffers: the memory only if it is another one, then the crops.
        if memory is not self._loaded:
            for mine, new in zip(_parts(self._memory), _parts(memory), strict=True):
                mine.copy_(new)
            self._loaded = memory
        self._staged.numpy()[...] = search
        # 2. Run, and wait for the result.
        with torch.cuda.device(self._search.device) if self._search.is_cuda else nullcontext():
            self._search.copy_(self._staged, non_blocking=True)
            self._repeat()
            self._result.copy_(self._found, non_blocking=True)
            if self._search.is_cuda:
                torch.cuda.current_stream().synchronize()
        return self._result.numpy().astype(np.float64)

    def _work(self) -> None:
        boxes, scores = self._network(self._search, self._memory)
        self._found[:, :4].copy_(boxes)
        if scores is not None:
            self._found[:, 4].copy_(scores)


def _parts(memory: Memory) -> list[Tensor]:
    """List all tensors of a memory."""
    if isinstance(memory, RawTemplates):
        return [memory.images]
    kept = [part for block in memory.blocks for part in (block.keys, block.values)]
    return kept if memory.templates is None else [*kept, memory.templates]


def _with_room(memory: Memory) -> Memory:
    """Copy a memory into buffers, with space for the keys and values of a search step."""
    if isinstance(memory, RawTemplates):
        return RawTemplates([], images=memory.images.clone())
    blocks = [cast(KVCache, StaticKVCache(block)) for block in memory.blocks]
    return Memory(blocks, None if memory.templates is None else memory.templates.clone())


def _require_compiler() -> None:
    names = (os.environ.get("CXX"), "g++", "clang++", "cl")
    if not any(name and shutil.which(name) for name in names):
        raise ConfigError("the engine compile needs a C++ compiler (g++, clang++ or cl); install one, or use torch")
