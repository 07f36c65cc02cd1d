"""OpenVINO: number formats of the processor, and compiled graphs, kept on disk between runs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import openvino as ov

from mixformer import __version__
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

_CACHE_LIMIT = 2_000_000_000  # bytes of compiled graphs; the oldest go, and those of larger weights than a quarter
_METHOD = 3  # number of the way graphs are changed before they are compiled
_GROUP = 64  # activations that share a scale in int8; 32 is more exact, and slower
_HINT = "INFERENCE_PRECISION_HINT"
HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}

Shape = tuple[int, ...]
Settings = dict[str, Any]


def core() -> Any:
    """OpenVINO's core, one for the process and until its end; see `_only_core`.

    Raises:
        StateError: if OpenVINO has worked in the process that this one was forked from.
    """
    require_own_process("OpenVINO")
    return _only_core()


@cache
def _only_core() -> Any:
    """Make the core.

    Every core gives the thread that makes it a stack for signal handlers of its own, and takes it away with itself
    without looking who else goes by it. After two cores that end in the order in which they began, the next handled
    signal, such as Ctrl-C or the end of a child, kills the process (seen with 2026.4).
    """
    # The bindings learn numpy's types at the first look at numbers. Two threads that look first at the same time, such
    # as those in which both graphs are compiled, wait for each other for ever (seen with 2026.4).
    _ = ov.op.Constant(ov.Type.f32, ov.Shape([1]), [0.0]).data
    return ov.Core()


def capabilities() -> list[str]:
    """Number formats that the processor supports according to OpenVINO, such as "FP32", "BF16", "INT8"."""
    return list(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


class Compiler:
    """Compiles the two graphs of one folder for static shapes."""

    def __init__(self, graphs: ExportedGraphs, precision: str, threads: int | None) -> None:
        """Prepare.

        Args:
            graphs: what to compile.
            precision: "float32", "bfloat16" or "float16"; "int8" for weights stored in 8 bits: products of these with
                activations that are rounded to 8 bits in groups, the rest in bfloat16 where the processor has it.
            threads: of the compiled graphs; None leaves it to OpenVINO.
        """
        self._graphs, self._core, self._precision = graphs, core(), precision
        half = "BF16" in capabilities()
        self._settings: Settings = {
            "PERFORMANCE_HINT": "LATENCY",
            _HINT: HINTS.get(precision, "bf16" if half else "f32"),
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" else 0,
        }
        if threads is not None:
            # Pinned threads of several processes would all sit on the first cores, and workers wait for each other.
            self._settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}

    def remember(self, templates: Shape) -> Any:
        """The graph `remember` for templates of a shape, from disk if it was compiled before.

        In float32 where `locate` is in 16 bits: it runs seldom, and what it loses is in every step until it runs again.

        Raises CheckpointError if the graph cannot be read or compiled.
        """
        settings = self._settings if self._precision == "int8" else self._settings | {_HINT: "f32"}
        return self._compile(self._graphs.remember, (templates,), lambda: {"templates": templates}, settings)

    def locate(self, search: Shape, templates: Shape) -> Any:
        """The graph `locate` for a search crop and the memory of templates of a shape; as `remember`."""

        def shapes() -> dict[str, Shape]:
            model = self._read(self._graphs.remember)
            model.reshape({"templates": templates})
            memory = {name: tuple(model.output(name).get_shape()) for name in self._graphs.memory}
            return {"search": search, **memory}

        return self._compile(self._graphs.locate, (search, templates), shapes, self._settings)

    def _compile(
        self, file: Path, key: tuple[Shape, ...], shapes: Callable[[], dict[str, Shape]], settings: Settings
    ) -> Any:
        kept = self._place(file, key, settings)
        if kept is not None and (found := self._load(kept, settings)) is not None:
            return found
        model = self._read(file)
        try:
            model.reshape(shapes())
            compiled = self._compile_anew(model, settings)
        except RuntimeError as error:
            raise CheckpointError(f"OpenVINO cannot compile {file} for {key}: {error}") from error
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
        """With what matters most in float32; None if that cannot be done."""
        merge_pixel_steps(model)
        widen_products(model)
        for kept in (light_layers, residual_sums):
            marked = keep_exact(self._core, model, kept(model))
            unpack(marked)
            try:
                return self._core.compile_model(marked, "CPU", settings)
            except RuntimeError as error:  # it has no way to go on from some kinds of layers
                log.info("OpenVINO cannot keep the %s of this graph in float32: %s", kept.__name__, error)
        return None

    def _read(self, file: Path) -> Any:
        try:
            return self._core.read_model(file, self._graphs.weights or "")
        except RuntimeError as error:
            raise CheckpointError(f"OpenVINO cannot read {file}; export the model again ({error})") from error

    def _place(self, file: Path, key: tuple[Shape, ...], settings: Settings) -> Path | None:
        """File of the compiled graph, if it is to be kept; its name changes with everything that goes into it."""
        folder, files = cache_folder(), [file, self._graphs.weights or file.with_name(WEIGHTS_FILE)]
        if folder is None or files[1].stat().st_size > _CACHE_LIMIT // 4:
            return None
        stamps = [(str(each.resolve()), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
        machine = [self._core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        method = (_METHOD, self._precision)
        facts = (__version__, method, ov.get_version(), machine, stamps, key, sorted(settings.items()))
        return folder / f"{file.stem}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}{SUFFIX}"

    def _load(self, kept: Path, settings: Settings) -> Any:
        """The compiled graph, or None if it is not there or cannot be used."""
        try:
            content = read_kept(kept)
            return None if content is None else self._core.import_model(content, "CPU", settings)
        except (OSError, ValueError, RuntimeError) as error:
            log.info("cannot use %s, compiling again: %s", kept, error)
            return None


def _store(compiled: Any, kept: Path) -> None:
    """Keep a compiled graph; a folder that cannot be written is no error."""
    try:
        keep(kept, compiled.export_model().getbuffer(), _CACHE_LIMIT)
    except (OSError, OutputError) as error:
        log.info("compiled graphs are not kept: %s", error)
