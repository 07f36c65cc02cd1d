"""Run a network on this machine: OpenVINO, ONNX Runtime, PyTorch and CUDA graphs behind one interface."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.runtime import Runtime
    from mixformer.engines.create import as_engine, create_engine
    from mixformer.engines.engine import Engine
    from mixformer.engines.selection import ENGINES, EngineChoice, gpu_count, select_engine

__all__ = ["ENGINES", "Engine", "EngineChoice", "Runtime", "as_engine", "create_engine", "gpu_count", "select_engine"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ENGINES": "mixformer.engines.selection",
        "Engine": "mixformer.engines.engine",
        "EngineChoice": "mixformer.engines.selection",
        "Runtime": "mixformer.configs.runtime",
        "as_engine": "mixformer.engines.create",
        "create_engine": "mixformer.engines.create",
        "gpu_count": "mixformer.engines.selection",
        "select_engine": "mixformer.engines.selection",
    },
)
