"""Compile graphs with OpenVINO, cache them on disk, and list the number formats of the processor."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import openvino as ov

from mixformer import __version__
from mixformer.engines.exported_engine import UncompiledError
from mixformer.engines.graph_cache import SUFFIX, keep, read_kept
from mixformer.engines.openvino_passes import (
    center_keys,
    is_quantized,
    keep_exact,
    light_layers,
    merge_pixel_steps,
    residual_sums,
    unpack,
    widen_products,
)
from mixformer.engines.own_process import require_own_process
from mixformer.errors import CheckpointError, OutputError
from mixformer.optional import cache_folder
from mixformer.weights.catalog import WEIGHTS_FILE
from mixformer.weights.model_folder import ExportedGraphs

log = logging.getLogger(__name__)

_CACHE_LIMIT = 2_000_000_000  # bytes of cached graphs; weights above a quarter of this are not cached
_METHOD = 3  # version of the changes to graphs before they are compiled
_GROUP = 64  # activations that share a scale in int8; 32 is more exact but slower
_HINT = "INFERENCE_PRECISION_HINT"
HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}

Shape = tuple[int, ...]
Settings = dict[str, Any]


def core() -> Any:
    """Return OpenVINO's core, the only one of this process, which must not be a fork of one that used it."""
    require_own_process("OpenVINO")
    return _only_core()


@cache
def _only_core() -> Any:
    """Make the core.

    A process must have only one. Each core sets a signal stack for the thread that makes it, and frees the stack when
    the core ends, even if the stack is in use. If two cores end in the order in which they were made, the next handled
    signal, such as Ctrl-C or the end of a child, kills the process (seen with 2026.4).
    """
    # The bindings register numpy's types when numbers are first read. If two threads do this at the same time, such as
    # those that compile both graphs, they wait for each other for ever (seen with 2026.4). So read numbers here first.
    _ = ov.op.Constant(ov.Type.f32, ov.Shape([1]), [0.0]).data
    return ov.Core()


def capabilities() -> list[str]:
    """List the number formats of the processor by OpenVINO's names, such as "FP32", "BF16" and "INT8"."""
    return list(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


class Compiler:
    """Compile the two graphs of one folder for static shapes."""

    def __init__(self, graphs: ExportedGraphs, precision: str, threads: int | None) -> None:
        """Prepare for a precision and a number of threads; None takes OpenVINO's number.

        With "int8", products of weights stored in 8 bits round activations to 8 bits in groups; the rest is in bfloat16
        if the processor has it, else in float32.
        """
        self._graphs, self._core, self._precision = graphs, core(), precision
        half = "BF16" in capabilities()
        self._settings: Settings = {
            "PERFORMANCE_HINT": "LATENCY",
            _HINT: HINTS.get(precision, "bf16" if half else "f32"),
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" else 0,
        }
        if threads is not None:
            # Without this, the pinned threads of several processes would all use the first cores.
            self._settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}

    def remember(self, templates: Shape, only: str = "") -> Any:
        """Compile the graph `remember` for templates of a shape (B, N, t, t, 3), or read it from the cache.

        It calculates in float32 even if `locate` uses 16 bits: it runs rarely, and its errors affect all steps until it
        runs again. With the name of one output, only what that needs is calculated.
        """
        settings = self._settings if self._precision == "int8" else self._settings | {_HINT: "f32"}
        return self._compile(self._graphs.remember, (templates,), lambda: {"templates": templates}, settings, only)

    def locate(self, search: Shape, templates: Shape) -> Any:
        """Compile the graph `locate` for shapes of a search crop (B, s, s, 3) and of templates; see `remember`."""

        def shapes() -> dict[str, Shape]:
            model = self._read(self._graphs.remember)
            model.reshape({"templates": templates})
            memory = {name: tuple(model.output(name).get_shape()) for name in self._graphs.memory}
            return {"search": search, **memory}

        return self._compile(self._graphs.locate, (search, templates), shapes, self._settings)

    def _compile(
        self,
        file: Path,
        key: tuple[Shape, ...],
        shapes: Callable[[], dict[str, Shape]],
        settings: Settings,
        only: str = "",
    ) -> Any:
        # 1. Use the cached graph if there is one.
        kept = self._place(file, (*key, only), settings)
        if kept is not None and (found := self._load(kept, settings)) is not None:
            return found
        # 2. Compile, and cache the result.
        model = self._read(file)
        try:
            if only:
                model = ov.Model([model.output(only)], model.get_parameters())
            model.reshape(shapes())
            compiled = self._compile_anew(model, settings)
        except (RuntimeError, UnicodeDecodeError) as error:  # a message may quote damaged text
            if "bad_alloc" in str(error):
                raise MemoryError from error
            raise UncompiledError(
                f"OpenVINO cannot compile {file} for {key}; export the model again ({error})"
            ) from error
        if kept is not None:
            _store(compiled, kept)
        return compiled

    def _compile_anew(self, model: Any, settings: Settings) -> Any:
        quantized = is_quantized(model)
        if self._precision != "float32" and not quantized:
            center_keys(model)
        if self._precision != "int8" and not quantized:
            if settings[_HINT] != "f32" and (compiled := self._compile_mixed(model, settings)) is not None:
                return compiled
            unpack(model)
        return self._core.compile_model(model, "CPU", settings)

    def _compile_mixed(self, model: Any, settings: Settings) -> Any:
        """Compile with the most sensitive layers in float32; return None if OpenVINO cannot."""
        merge_pixel_steps(model)
        widen_products(model)
        for kept in (light_layers, residual_sums):
            marked = keep_exact(self._core, model, kept(model))
            unpack(marked)
            try:
                return self._core.compile_model(marked, "CPU", settings)
            except RuntimeError as error:  # some kinds of layers cannot be mixed
                log.info("OpenVINO cannot keep the %s of this graph in float32: %s", kept.__name__, error)
        return None

    def _read(self, file: Path) -> Any:
        try:
            return self._core.read_model(file, self._graphs.weights or "")
        except (RuntimeError, UnicodeDecodeError) as error:  # a message may quote damaged text
            raise CheckpointError(f"OpenVINO cannot read {file}; export the model again ({error})") from error

    def _place(self, file: Path, key: tuple[Shape | str, ...], settings: Settings) -> Path | None:
        """Return the cache file of the compiled graph, or None; its name depends on all inputs of the compilation."""
        folder, files = cache_folder(), [file, self._graphs.weights or file.with_name(WEIGHTS_FILE)]
        if folder is None or files[1].stat().st_size > _CACHE_LIMIT // 4:
            return None
        stamps = [(str(each.resolve()), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
        machine = [self._core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        method = (_METHOD, self._precision)
        facts = (__version__, method, ov.get_version(), machine, stamps, key, sorted(settings.items()))
        return folder / f"{file.stem}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}{SUFFIX}"

    def _load(self, kept: Path, settings: Settings) -> Any:
        """Read the compiled graph from the cache, or return None."""
        try:
            content = read_kept(kept)
            return None if content is None else self._core.import_model(content, "CPU", settings)
        except (OSError, ValueError, RuntimeError) as error:
            log.info("cannot use %s, compiling again: %s", kept, error)
            return None


def _store(compiled: Any, kept: Path) -> None:
    """Write a compiled graph to the cache. A folder that cannot be written is no error."""
    try:
        keep(kept, compiled.export_model().getbuffer(), _CACHE_LIMIT)
    except (OSError, OutputError) as error:
        log.info("the compiled graph is not cached: %s", error)
