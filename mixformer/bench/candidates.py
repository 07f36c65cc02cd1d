"""What is compared: a model in an engine and a precision, from the words of the command line to something that runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixformer.configs.runtime import PRECISIONS, Runtime
from mixformer.configs.variants import MODELS
from mixformer.engines import ENGINES, Engine, create_engine, select_engine
from mixformer.errors import CheckpointError, ConfigError
from mixformer.optional import explain_missing
from mixformer.weights.catalog import find_weights
from mixformer.weights.model_folder import ModelFolder, find_folder

PLAIN = "plain"
_EXPORTED = ("openvino", "onnx")  # engines that read graphs


@dataclass(frozen=True)
class Candidate:
    """One line of the table.

    Attributes:
        model: name, folder or checkpoint file.
        engine: as in `mixformer.create_engine`, or "plain": the official computation, which ratios are taken against.
        precision: as in `mixformer.create_engine`.
    """

    model: str
    engine: str
    precision: str = "auto"

    @property
    def title(self) -> str:
        """Such as "mixformerv2_s openvino:bfloat16"; of a path its last part only."""
        tail = "" if self.precision == "auto" else f":{self.precision}"
        return f"{Path(self.model).name} {self.engine}{tail}"

    def runtime(self, device: str, threads: int) -> Runtime:
        """How to run it on a device with this many CPU threads."""
        return Runtime(device=device, engine=self.engine, precision=self.precision, threads=threads)


@dataclass(frozen=True)
class Weights:
    """Where the weights of a model are, and whether they are those of the model."""

    path: Path
    origin: Literal["stored", "random"]


def parse_candidates(models: str, engines: str) -> list[Candidate]:
    """Every model with every engine, each model's plain computation first.

    Args:
        models: names, folders or files with commas between.
        engines: ENGINE or ENGINE:PRECISION with commas between.

    Raises:
        ConfigError: for an unknown engine or precision, or without a model.
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    if not names:
        raise ConfigError("no model to measure; give names, folders or files with commas between")
    kinds = [_parse_engine(word.strip()) for word in engines.split(",") if word.strip()]
    kinds = list(dict.fromkeys([(PLAIN, "float32"), *kinds]))
    return [Candidate(name, *kind) for name in dict.fromkeys(names) for kind in kinds]


def _parse_engine(word: str) -> tuple[str, str]:
    engine, _, precision = word.partition(":")
    if engine not in (PLAIN, *ENGINES):
        raise ConfigError(f"unknown engine {engine!r}; there are: {', '.join((PLAIN, *ENGINES))}")
    precision = precision or ("float32" if engine == PLAIN else "auto")
    known = ("float32",) if engine == PLAIN else PRECISIONS
    if precision not in known:
        raise ConfigError(f"engine {engine!r} has no precision {precision!r}; there are: {', '.join(known)}")
    return engine, precision


def prepare_weights(model: str, folder: Path) -> Weights:
    """Find a model's weights; a named variant whose weights are not here gets random ones, written to `folder`.

    Raises:
        CheckpointError: if there is no such model.
        MissingDependencyError: if random weights are needed and PyTorch is not installed.
    """
    try:
        return Weights(find_weights(model), "stored")
    except CheckpointError:
        if model not in MODELS:
            raise
    with explain_missing(f"a network of {model} with random weights (it has none here)"):
        import torch

        from mixformer.models import build_model
        from mixformer.weights.load_save import save_model
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Weights(save_model(build_model(MODELS[model]), folder / model), "random")


def place_of(weights: Weights, candidate: Candidate, folder: Path) -> Path:
    """What a candidate's engine loads; missing graphs are exported to `folder`.

    Raises:
        MixFormerError: if they cannot be exported; the message says why.
    """
    stored = find_folder(weights.path)
    if candidate.engine not in _EXPORTED or (stored is not None and _has_graphs(stored, candidate.precision)):
        return weights.path
    from mixformer.export.exporting import export_model
    from mixformer.export.settings import ExportPlan

    quantized = (candidate.engine, candidate.precision) == ("openvino", "int8")
    out = folder / f"{Path(candidate.model).name}_{'int8' if quantized else 'graphs'}"
    if not out.exists():
        export_model(weights.path, out, ExportPlan("openvino", "int8") if quantized else ExportPlan())
    return out


def _has_graphs(folder: ModelFolder, precision: str) -> bool:
    if folder.graphs is None:
        return False
    return precision != "int8" or "int8" in (folder.precision, folder.graphs.arithmetic)


def chosen_precision(path: Path, runtime: Runtime) -> str:
    """The precision that the engine will calculate in; errors are those of `mixformer.create_engine`."""
    return runtime.precision if runtime.engine == PLAIN else select_engine(path, runtime).precision


def build_engine(path: Path, runtime: Runtime) -> Engine:
    """The engine of a candidate, ready to work.

    Raises:
        ConfigError: if this machine or installation does not have it.
        CheckpointError: if the weights do not fit it.
    """
    if runtime.engine != PLAIN:
        return create_engine(path, runtime=runtime)
    with explain_missing("the plain computation, which the others are measured against,"):
        from mixformer.bench.plain import PlainEngine
        from mixformer.engines.torch_engine import find_device
        from mixformer.weights.load_save import load_model
    return PlainEngine(load_model(path, device=find_device(runtime.device)))
