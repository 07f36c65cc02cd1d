"""Select the engine that runs a model on this machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mixformer.configs.runtime import Runtime
from mixformer.engines.engine_spec import EngineChoice, EngineSpec
from mixformer.engines.engine_table import ENGINES, has_single_graphs
from mixformer.errors import ConfigError, MissingDependencyError, MixFormerError, did_you_mean
from mixformer.optional import missing
from mixformer.weights.model_folder import ModelFolder, find_folder

if TYPE_CHECKING:
    from mixformer.models import MixFormer


log = logging.getLogger(__name__)

UNUSABLE = (ImportError, OSError, RuntimeError)
"""Errors of a runtime that is installed but cannot be loaded, or does not run on this processor."""
_left_out: dict[tuple[str, Path | None], str] = {}
"""Why engines failed in this process: for the graphs of one folder, or (None) for all."""


def select_engine(model: str | Path | MixFormer, runtime: Runtime = Runtime()) -> EngineChoice:
    """Select the engine that `create_engine` makes, without making it.

    Args:
        model: name, folder or checkpoint file of a model, or a loaded network.
        runtime: device, engine and precision; "auto" selects by the model and the machine.

    Raises:
        ConfigError: if engine, device, precision and model do not fit together, or the machine lacks one of them.
        CheckpointError: if the model is missing.
        MissingDependencyError: if the engine's package is not installed.

    Example:
        >>> from mixformer.engines import Runtime, select_engine
        >>> select_engine("mixformerv2_dino_s8", Runtime(engine="openvino", precision="float32")).device
        'cpu'
    """
    folder = find_folder(model) if isinstance(model, str | Path) else None
    if runtime.engine == "auto":
        spec = _automatic(folder, runtime)
    elif runtime.engine in ENGINES:
        spec = ENGINES[runtime.engine]
    else:
        near = did_you_mean(str(runtime.engine), ENGINES) or f"; there are: {', '.join(('auto', *ENGINES))}"
        raise ConfigError(f"unknown engine {runtime.engine!r}{near}")
    if not spec.installed:
        raise missing(spec.package, f"the engine {spec.name}")
    if spec.formats:
        _check_graphs(spec, model, folder)
    _check_names(spec, runtime)
    return EngineChoice(spec.name, *spec.settled(folder, runtime), folder if spec.formats else None)


def leave_out(engine: str, error: Exception, folder: Path | None = None) -> None:
    """Let "auto" pass over an engine in this process from now on, because it failed, and say so.

    Args:
        engine: its name.
        error: how it failed.
        folder: the model whose graphs it cannot compile; None leaves it out for all models.
    """
    first = str(error).strip().split("\n")[0][:200]
    _left_out[engine, folder] = f"{type(error).__name__}: {first}"
    what = "here" if folder is None else f"the graphs in {folder} here"
    log.warning("the engine %s cannot run %s (%s); the next one is used. See: mixformer doctor", engine, what, first)


def _automatic(folder: ModelFolder | None, runtime: Runtime) -> EngineSpec:
    places = (None, folder.path) if folder is not None else (None,)
    for spec in ENGINES.values():
        if any((spec.name, place) in _left_out for place in places) or not spec.installed:
            continue
        try:
            if spec.automatic(folder, runtime):
                return spec
        except MixFormerError:
            raise
        except UNUSABLE as error:
            leave_out(spec.name, error)
    reasons = "; ".join(f"{name} failed: {why}" for (name, place), why in _left_out.items() if place in places)
    if reasons:
        raise MissingDependencyError(
            f"no engine can run this model here ({reasons}); install another one with pip install 'mixformer[onnx]', "
            "or repair this one: mixformer doctor"
        )
    if has_single_graphs(folder) and runtime.device in ("auto", "cpu"):
        raise missing("openvino", "tracking on a CPU")
    raise missing("torch", "this model on this device")


def _check_graphs(spec: EngineSpec, model: str | Path | MixFormer, folder: ModelFolder | None) -> None:
    if folder is None or folder.graphs is None:
        name = folder.path if folder is not None else model if isinstance(model, str | Path) else "MODEL"
        raise ConfigError(
            f"the engine {spec.name} runs exported graphs, which this model lacks; run "
            f"mixformer export {name} --to {spec.formats[0]} --out FOLDER, then give FOLDER as the model"
        )
    form = folder.graphs.format
    if form not in spec.formats:
        others = ", ".join(other.name for other in ENGINES.values() if form in other.formats)
        raise ConfigError(
            f"{folder.path} holds graphs of the format {form}, which the engine {spec.name} cannot read; use the "
            f"engine {others}, or export the model with --to {spec.formats[0]}"
        )


def _check_names(spec: EngineSpec, runtime: Runtime) -> None:
    """Check device and precision against the table, before the machine."""
    kind = runtime.device.partition(":")[0]
    if kind not in ("auto", *spec.devices):
        others = ", ".join(other.name for other in ENGINES.values() if kind in other.devices)
        raise ConfigError(
            f"the engine {spec.name} runs on {', '.join(spec.devices)}, not on {runtime.device!r}; "
            f"engines that do: {others}"
        )
    if runtime.precision not in ("auto", *spec.precisions):
        others = ", ".join(other.name for other in ENGINES.values() if runtime.precision in other.precisions)
        raise ConfigError(
            f"the engine {spec.name} calculates in {', '.join(spec.precisions)}, not in {runtime.precision}; "
            f"engines that do: {others}"
        )
