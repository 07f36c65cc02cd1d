"""The cases of a benchmark. A case is a model, an engine and a precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixformer.configs.runtime import Runtime
from mixformer.engines import ENGINES, Engine, create_engine
from mixformer.errors import ConfigError, did_you_mean, warn_deprecated
from mixformer.optional import explain_missing
from mixformer.weights.model_folder import find_folder

REFERENCE = "reference"


@dataclass(frozen=True)
class BenchmarkCase:
    """One row of the benchmark's table.

    Attributes:
        model: name, folder or checkpoint file of a model.
        engine: an engine of `mixformer.Runtime`, or "reference" for the computation of the official code.
        precision: as in `mixformer.Runtime`.

    Example:
        >>> from mixformer.bench import BenchmarkCase
        >>> BenchmarkCase("models/mixformerv2_s", "openvino", "bfloat16").title
        'mixformerv2_s openvino:bfloat16'
    """

    model: str
    engine: str
    precision: str = "auto"

    @property
    def title(self) -> str:
        """The last part of the model's path, with engine and precision."""
        suffix = "" if self.precision == "auto" else f":{self.precision}"
        return f"{Path(self.model).name} {self.engine}{suffix}"


def parse_cases(models: str, engines: str) -> list[BenchmarkCase]:
    """Pair every model with every engine. The first case of each model is its reference.

    Args:
        models: names, folders or files, separated by commas.
        engines: "ENGINE" or "ENGINE:PRECISION", separated by commas.

    Raises ConfigError if no model is given, or an engine or precision is unknown.

    Example:
        >>> from mixformer.bench import parse_cases
        >>> [case.title for case in parse_cases("mixformerv2_s", "torch,openvino:float32")]
        ['mixformerv2_s reference:float32', 'mixformerv2_s torch', 'mixformerv2_s openvino:float32']
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    if not names:
        raise ConfigError("no model to measure; give names, folders or files separated by commas")
    kinds = [_parse_engine(word.strip()) for word in engines.split(",") if word.strip()]
    kinds = list(dict.fromkeys([(REFERENCE, "float32"), *kinds]))
    return [BenchmarkCase(name, *kind) for name in dict.fromkeys(names) for kind in kinds]


def _parse_engine(word: str) -> tuple[str, str]:
    engine, _, precision = word.partition(":")
    if engine == "plain":
        warn_deprecated(f"the engine 'plain' is now called {REFERENCE!r}")
        engine = REFERENCE
    runtime = Runtime(engine=engine, precision=precision or "auto")  # checks the precision, and replaces old names
    names = (REFERENCE, "auto", *ENGINES)
    if runtime.engine not in names:
        near = did_you_mean(engine, names) or "."
        raise ConfigError(f"unknown engine {engine!r}{near} The engines are {', '.join(names)}")
    if runtime.engine != REFERENCE:
        return runtime.engine, runtime.precision
    if runtime.precision not in ("auto", "float32"):
        raise ConfigError(
            f"the engine {engine!r} calculates only in float32, not in {precision!r}; leave out the precision"
        )
    return REFERENCE, "float32"


def prepare_graphs(weights: Path, case: BenchmarkCase, folder: Path) -> Path:
    """Return the path that a case's engine loads. If graphs are missing, export them to `folder`."""
    stored, int8 = find_folder(weights), case.precision == "int8"
    if case.engine not in ENGINES or not ENGINES[case.engine].formats:
        return weights
    if stored and stored.graphs and (not int8 or "int8" in (stored.precision, stored.graphs.arithmetic)):
        return weights
    from mixformer.export import export_model

    int8 = int8 and case.engine == "openvino"
    out = folder / f"{Path(case.model).name}_{'int8' if int8 else 'graphs'}"
    if not out.exists():
        export_model(weights, out, to="openvino" if int8 else "onnx", precision="int8" if int8 else None)
    return out


def build_engine(path: Path, runtime: Runtime) -> Engine:
    """Load an engine, or the reference, from a path of `prepare_graphs`."""
    if runtime.engine != REFERENCE:
        return create_engine(path, runtime=runtime)
    with explain_missing("the reference, which other engines are compared with,"):
        from mixformer.bench.reference import ReferenceEngine
        from mixformer.engines.torch_engine import find_device
        from mixformer.weights.load_save import load_model
    return ReferenceEngine(load_model(path, device=find_device(runtime.device)))
