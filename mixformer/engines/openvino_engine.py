"""The engine for exported graphs in OpenVINO, on the CPU. It needs no PyTorch."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov

from mixformer.engines.exported_engine import ExportedEngine, require_names
from mixformer.engines.openvino_compiler import Compiler, Shape
from mixformer.types import FloatArray, Image
from mixformer.weights.model_folder import ModelFolder

_USUAL_TEMPLATES = 2  # trackers start with the static and one online template


class OpenVINOEngine(ExportedEngine):
    """Run graphs that are compiled for static shapes, once for each number of templates.

    The graphs for the usual number of templates are compiled on other threads, while the caller opens a video; the
    first call raises their errors. Keys and values stay in OpenVINO's tensors and are bound once per target.
    """

    runtime = "OpenVINO"
    device = "cpu"

    def __init__(self, folder: ModelFolder, precision: str = "float32", threads: int | None = None) -> None:
        """Start compiling; processor and graphs must support the precision. `threads` None is one for each core."""
        super().__init__(folder)
        self.precision, self.threads = precision, threads
        self._compiler = Compiler(self.graphs, precision, threads)
        self._pairs: dict[int, _Pair] = {}
        self._describer: _Request | None = None
        self._lock = Lock()
        self._pair(self.graphs.templates or _USUAL_TEMPLATES)

    def __reduce__(self) -> Any:
        return OpenVINOEngine, (self.folder, self.precision, self.threads)

    def prepare(self) -> None:
        """Wait until the graphs for the usual number of templates are compiled; errors as in the base class."""
        self._pair(self.graphs.templates or _USUAL_TEMPLATES).wait()

    def _encode(self, templates: Image) -> tuple[Any, ...]:
        return self._pair(templates.shape[1]).remember(templates)

    def _describe(self, templates: Image, name: str) -> FloatArray:
        with self._lock:
            if self._describer is None:  # a part of `remember`, in half of its time
                self._describer = _Request(self._compiler.remember(templates.shape, name), ("templates", name))
            self._describer.run("templates", templates)
            return self._describer.read()[name]

    def _find(self, search: Image, target: tuple[Any, ...], count: int) -> dict[str, FloatArray]:
        return self._pair(count).locate(search, target)

    def _pair(self, count: int) -> _Pair:
        if count not in self._pairs:
            size, search = self.config.template_size, self.config.search_size
            shapes = (1, search, search, 3), (1, count, size, size, 3)
            self._pairs[count] = _Pair(self._compiler, self.graphs.memory, *shapes)
        return self._pairs[count]


class _Pair:
    """Both graphs for one number of templates, compiled on two threads that end when they are done."""

    def __init__(self, compiler: Compiler, memory: tuple[str, ...], search: Shape, templates: Shape) -> None:
        self._names, self._lock = memory, Lock()
        threads = ThreadPoolExecutor(2, "compile")
        sought, made = ("search", "boxes", *memory), ("templates", *memory)
        self._finder: Future[_Request] = threads.submit(lambda: _Request(compiler.locate(search, templates), sought))
        self._encoder: Future[_Request] = threads.submit(lambda: _Request(compiler.remember(templates), made))
        threads.shutdown(wait=False)
        self._target: tuple[Any, ...] | None = None

    def wait(self) -> None:
        self._encoder.result()
        self._finder.result()

    def remember(self, templates: Image) -> tuple[Any, ...]:
        request = self._encoder.result()
        with self._lock:
            made = tuple(request.new_output(name) for name in self._names)
            request.run("templates", templates)
        return made

    def locate(self, search: Image, target: tuple[Any, ...]) -> dict[str, FloatArray]:
        with self._lock:
            request = self._finder.result()
            if target is not self._target:
                self._target = None  # until all are bound: a memory of another network may fail halfway
                for name, tensor in zip(self._names, target, strict=True):
                    request.bind(name, tensor)
                self._target = target
            request.run("search", search)
            return request.read()


class _Request:
    """An infer request. Tensors are bound once, and a run copies only the picture and the outputs."""

    def __init__(self, compiled: Any, needed: tuple[str, ...]) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [port.get_any_name() for port in compiled.outputs]
        self._ports = {port.get_any_name(): port for port in (*compiled.inputs, *compiled.outputs)}
        require_names(needed, self._ports, "the OpenVINO graph")

    def bind(self, name: str, tensor: Any) -> None:
        """Set the tensor that the next runs read from or write to."""
        self._request.set_tensor(self._ports[name], tensor)

    def new_output(self, name: str) -> Any:
        """Make a new tensor that the next run writes to."""
        port = self._ports[name]
        tensor = ov.Tensor(port.get_element_type(), port.get_shape())
        self.bind(name, tensor)
        return tensor

    def run(self, name: str, picture: Image) -> None:
        """Copy the picture to its input, and run the graph."""
        self._request.get_tensor(self._ports[name]).data[...] = picture
        self._request.infer()

    def read(self) -> dict[str, FloatArray]:
        """Return copies of all outputs, float64, by name."""
        ports = self._ports
        return {name: self._request.get_tensor(ports[name]).data.astype(np.float64) for name in self._outputs}
