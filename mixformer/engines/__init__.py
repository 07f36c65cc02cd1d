"""Run a network on this machine: OpenVINO, ONNX Runtime, PyTorch and CUDA graphs behind one interface."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.runtime import Runtime
    from mixformer.engines.create import as_engine, create_engine
    from mixformer.engines.devices import gpu_count
    from mixformer.engines.engine import Engine
    from mixformer.engines.engine_spec import EngineChoice, EngineSpec
    from mixformer.engines.engine_table import ENGINES, register_engine
    from mixformer.engines.selection import select_engine

__all__ = [
    "ENGINES",
    "Engine",
    "EngineChoice",
    "EngineSpec",
    "Runtime",
    "as_engine",
    "create_engine",
    "gpu_count",
    "register_engine",
    "select_engine",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ENGINES": "mixformer.engines.engine_table",
        "Engine": "mixformer.engines.engine",
        "EngineChoice": "mixformer.engines.engine_spec",
        "EngineSpec": "mixformer.engines.engine_spec",
        "Runtime": "mixformer.configs.runtime",
        "as_engine": "mixformer.engines.create",
        "create_engine": "mixformer.engines.create",
        "gpu_count": "mixformer.engines.devices",
        "register_engine": "mixformer.engines.engine_table",
        "select_engine": "mixformer.engines.selection",
    },
)
