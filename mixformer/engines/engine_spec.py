"""The interface of all engines, `EngineSpec` in the table of engines, and `EngineChoice`, the one for a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mixformer.configs.model import ModelConfig
from mixformer.configs.runtime import Runtime
from mixformer.optional import installed
from mixformer.types import EngineOutput, Image

if TYPE_CHECKING:
    from mixformer.weights.model_folder import ModelFolder


class Engine(Protocol):
    """The interface of an engine: it encodes templates and locates targets. Any class with these methods is an engine.

    The caller holds the memories. Between calls, an engine keeps only buffers, and no result depends on them. An engine
    must let threads take turns, and must be picklable if its trackers are pickled.

    Example:
        >>> import numpy as np
        >>> from mixformer.engines import create_engine
        >>> engine = create_engine("mixformerv2_dino_s8")
        >>> template, search = engine.config.template_size, engine.config.search_size
        >>> memory = engine.remember(np.zeros((1, 2, template, template, 3), np.uint8))
        >>> engine.locate(np.zeros((1, search, search, 3), np.uint8), memory).boxes.shape
        (1, 4)
    """

    config: ModelConfig

    def remember(self, templates: Image) -> Any:
        """Encode templates, uint8 RGB (B, N, t, t, 3), the static one first, to a memory, opaque to the caller."""

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        """Find remembered targets in uint8 RGB (B, s, s, 3); `remember` or `join` made the memory of this batch."""

    def join(self, memories: Sequence[Any]) -> Any:
        """Join the memories of single targets (batches of 1, with equal numbers of templates) into one batch."""


@dataclass(frozen=True)
class EngineChoice:
    """The engine that was chosen for a model, before it is made.

    Attributes:
        engine: name of the engine.
        device: "cpu", "cuda", "cuda:N" or "mps".
        precision: number format of its calculations: "float32", "bfloat16", "float16" or "int8".
        folder: the exported model that the engine reads; None for engines that read weights.

    Example:
        >>> from mixformer.engines import Runtime, select_engine
        >>> choice = select_engine("mixformerv2_dino_s8", Runtime(engine="openvino", precision="float32"))
        >>> choice.engine, choice.device, choice.precision
        ('openvino', 'cpu', 'float32')
    """

    engine: str
    device: str
    precision: str
    folder: ModelFolder | None = None


@dataclass(frozen=True)
class EngineSpec:
    """An entry of the table of engines. Selection, help, messages, `mixformer info` and `bench` read it.

    Attributes:
        name: its name in `Runtime.engine`.
        title: a few words for help and lists.
        package: the package that it imports.
        devices: kinds of devices that it runs on: "cpu", "cuda", "mps"; the first is the default of "auto".
        precisions: number formats of its calculations; the first is the default of "auto".
        make: function that makes the engine from a model (name, path or network), an `EngineChoice` and a number of
            threads or None.
        formats: formats of the exported graphs that it reads; empty if it reads weights.
        settle: function that returns device and precision on this machine for a model folder (or None) and a runtime.
            It raises `ConfigError` if the machine lacks one of them. None takes the defaults.
        automatic: function of the same arguments that tells whether "auto" may select this engine. The first entry of
            the table for which it returns True is selected.

    Example:
        >>> from mixformer.engines import ENGINES
        >>> ENGINES["onnx"].package, ENGINES["onnx"].devices
        ('onnxruntime', ('cpu', 'cuda'))
    """

    name: str
    title: str
    package: str
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    make: Callable[[Any, EngineChoice, int | None], Engine]
    formats: tuple[str, ...] = ()
    settle: Callable[[ModelFolder | None, Runtime], tuple[str, str]] | None = None
    automatic: Callable[[ModelFolder | None, Runtime], bool] = lambda folder, runtime: False

    @property
    def installed(self) -> bool:
        """True if its package can be imported."""
        return installed(self.package)

    def settled(self, folder: ModelFolder | None, runtime: Runtime) -> tuple[str, str]:
        """Return device and precision on this machine; ConfigError if it or the model does not support the runtime."""
        if self.settle is not None:
            return self.settle(folder, runtime)
        device = self.devices[0] if runtime.device == "auto" else runtime.device
        return device, self.precisions[0] if runtime.precision == "auto" else runtime.precision
