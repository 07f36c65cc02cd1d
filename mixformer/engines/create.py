"""Make an engine for a model; torch is imported only if the engine needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from mixformer.configs.runtime import OldKeywords, Runtime, with_old_keywords
from mixformer.engines.engine_spec import Engine, EngineChoice
from mixformer.engines.engine_table import ENGINES
from mixformer.engines.exported_engine import ExportedEngine, UncompiledError
from mixformer.engines.selection import UNUSABLE, leave_out, select_engine
from mixformer.errors import ConfigError, MixFormerError
from mixformer.optional import explain_missing

if TYPE_CHECKING:
    from mixformer.models import MixFormer


_MODELS = "a model must be a name, a folder, a checkpoint file, a network"
_made: set[tuple[str, ...]] = set()  # choices of "auto" that were made in this process; see `running_engine`


def create_engine(model: str | Path | MixFormer, *, runtime: Runtime = Runtime(), **old: Unpack[OldKeywords]) -> Engine:
    """Make an engine for a model.

    Args:
        model: name, folder or checkpoint file (see `mixformer.load_model`), or a loaded network.
        runtime: device, engine, precision and threads; "auto" selects by the model and the machine. It passes over an
            engine of exported graphs that cannot be loaded here, does not run on this processor or cannot compile
            these graphs, with a warning. To know this, it waits until they are compiled.
        **old: the keywords of 0.1.0, with a warning.

    Raises:
        CheckpointError: if the model is missing or does not fit.
        ConfigError: if the engine or the device does not exist, or engine, device, precision and model do not fit
            together.
        MissingDependencyError: if a package is missing; the message has its install command.

    Example:
        >>> import mixformer
        >>> engine = mixformer.create_engine("mixformerv2_dino_s8", runtime=mixformer.Runtime(device="cpu"))
        >>> engine.config.name
        'mixformerv2_dino_s8'
    """
    runtime = with_old_keywords(runtime, old)
    if not isinstance(model, str | Path) and not _is_network(model):
        raise ConfigError(f"{_MODELS}, not {type(model).__name__}; mixformer models lists the names")
    choice = select_engine(model, runtime)
    try:
        with explain_missing(f"the engine {choice.engine}"):
            engine = ENGINES[choice.engine].make(model, choice, runtime.threads)
        if runtime.engine == "auto" and isinstance(engine, ExportedEngine):
            engine.prepare()  # what fails now can still give way to another one
            _made.add(_key(choice))
        return engine
    except UncompiledError as error:
        if runtime.engine != "auto" or choice.folder is None:
            raise
        leave_out(choice.engine, error, choice.folder.path)
    except MixFormerError:
        raise
    except UNUSABLE as error:
        # An engine of exported graphs may be installed and not load, or lack this processor. Errors of PyTorch, which
        # reads any model, would only come again, or are those of a full GPU.
        if runtime.engine != "auto" or choice.folder is None:
            raise
        leave_out(choice.engine, error)
    return create_engine(model, runtime=runtime)


def running_engine(model: str | Path | MixFormer, runtime: Runtime = Runtime()) -> EngineChoice:
    """Select an engine as `create_engine` ends up with: "auto" may pass over one whose graphs cannot compile here.

    Graphs that were not compiled in this process are, once.
    """
    choice = select_engine(model, runtime)
    if runtime.engine != "auto" or choice.folder is None or _key(choice) in _made:
        return choice
    create_engine(model, runtime=runtime)
    return select_engine(model, runtime)


def _is_network(model: object) -> bool:
    torch = sys.modules.get("torch")  # a caller with a network has imported it
    return torch is not None and isinstance(model, torch.nn.Module)


def _key(choice: EngineChoice) -> tuple[str, ...]:
    return choice.engine, choice.device, choice.precision, str(choice.folder and choice.folder.path)


def as_engine(
    model: str | Path | MixFormer | Engine, *, runtime: Runtime = Runtime(), **old: Unpack[OldKeywords]
) -> Engine:
    """Make an engine for a model; return an engine unchanged.

    Args:
        model: as for `create_engine`, or an engine.
        runtime: as for `create_engine`; not used for an engine.
        **old: the keywords of 0.1.0, with a warning.

    Raises MixFormerError as `create_engine`.

    Example:
        >>> from mixformer.engines import as_engine, create_engine
        >>> engine = create_engine("mixformerv2_dino_s8")
        >>> as_engine(engine) is engine
        True
    """
    runtime = with_old_keywords(runtime, old)
    if isinstance(model, str | Path) or _is_network(model):
        return create_engine(model, runtime=runtime)  # type: ignore[arg-type]
    if isinstance(model, type) or not all(hasattr(model, name) for name in ("config", "remember", "locate")):
        raise ConfigError(f"{_MODELS} or an engine, not {type(model).__name__}; mixformer models lists the names")
    return model  # type: ignore[return-value]
