"""One value for device, engine, precision and threads of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from mixformer.configs.base_config import BaseConfig
from mixformer.errors import ConfigError, warn_deprecated

PRECISIONS = ("auto", "float32", "bfloat16", "float16", "int8")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_MOST_THREADS = 1024  # a library may end the process if the system has not so many
_RENAMED = {"graph": "cudagraph"}  # engine names of 0.1.0


@dataclass(frozen=True)
class Runtime(BaseConfig):
    """Device, engine, precision and threads of a network. "auto" leaves a choice to the machine (docs/engines.md).

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        engine: "auto" for the fastest engine that can run the model here, or the name of an engine: "torch",
            "cudagraph", "compile", "openvino" or "onnx". The name is checked when the engine is made.
        precision: number format of the matrix products: "auto", "float32", "bfloat16", "float16" or "int8".
        threads: CPU threads of the engine, 1 to 1024; None takes the engine's own number. The number of threads may
            change the last digits of a result.

    Raises ConfigError if a device or a precision does not exist, or `threads` is out of range.

    Example:
        >>> from mixformer import Runtime
        >>> Runtime(device="cpu", precision="float32")
        Runtime(device='cpu', engine='auto', precision='float32', threads=None)
        >>> Runtime(threads=0)
        Traceback (most recent call last):
        mixformer.errors.ConfigError: threads is 1 to 1024, or None for the engine's own number, not 0
    """

    device: str = "auto"
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _DEVICE.fullmatch(self.device):
            raise ConfigError(f"unknown device {self.device!r}; use auto, cpu, cuda, cuda:N or mps")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"unknown precision {self.precision!r}; there are: {', '.join(PRECISIONS)}")
        if self.threads is not None and not 1 <= self.threads <= _MOST_THREADS:
            raise ConfigError(
                f"threads is 1 to {_MOST_THREADS}, or None for the engine's own number, not {self.threads}"
            )
        if self.engine in _RENAMED:
            name = _RENAMED[self.engine]
            warn_deprecated(f"the engine {self.engine!r} is now called {name!r}")
            object.__setattr__(self, "engine", name)


class OldKeywords(TypedDict, total=False):
    """Keywords of 0.1.0 that `runtime=` replaces; they work until 0.3.0."""

    device: str
    engine: str
    precision: str
    threads: int | None


def with_old_keywords(runtime: Runtime, old: Mapping[str, Any]) -> Runtime:
    """Return the runtime of a call that may use the keywords of 0.1.0 instead, with a `DeprecationWarning`.

    Raises TypeError if a keyword is unknown, or given together with `runtime`.
    """
    if not isinstance(runtime, Runtime):
        raise ConfigError(
            f"runtime must be a mixformer.Runtime(...), such as Runtime(device='cpu'), not {runtime!r:.100}"
        )
    if not old:
        return runtime
    if unknown := [name for name in old if name not in {field.name for field in fields(Runtime)}]:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    if runtime != Runtime():
        raise TypeError(f"give runtime= alone, without {', '.join(f'{name}=' for name in old)}")
    parts = ", ".join(f"{name}={value!r}" for name, value in old.items())
    warn_deprecated(f"{parts}: pass runtime=mixformer.Runtime({parts}) instead; the old keywords end with 0.3.0")
    return Runtime(**old)
