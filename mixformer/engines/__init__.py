"""Run a network on this machine: OpenVINO, ONNX Runtime, PyTorch and CUDA graphs behind one interface."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.runtime import Runtime as Runtime
    from mixformer.engines.create import as_engine as as_engine, create_engine as create_engine
    from mixformer.engines.devices import gpu_count as gpu_count
    from mixformer.engines.engine_spec import Engine as Engine, EngineChoice as EngineChoice, EngineSpec as EngineSpec
    from mixformer.engines.engine_table import ENGINES as ENGINES, register_engine as register_engine
    from mixformer.engines.selection import select_engine as select_engine
else:
    __getattr__, __dir__, __all__ = lazy_names()
