"""The base of frozen configurations: dictionaries, files, and checks of types."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields, replace
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from mixformer.errors import ConfigError, counted, did_you_mean, first_few, shown
from mixformer.files import read_json_file, write_text

_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    NoneType: "nothing",
    Path: "a path",
    Callable: "a function",
    np.ndarray: "a NumPy array of numbers",
}
LARGEST = 2**63
"""Smaller whole numbers fit into every array."""


class BaseConfig:
    """Base of every configuration: dictionaries, files, and errors that name the wrong field.

    A subclass that checks its values calls `super().__post_init__()` first, which checks their types.
    """

    def __post_init__(self) -> None:
        hints = _hints(type(self))  # type: ignore[arg-type]
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            try:
                ready = from_plain(hints[field.name], value)
            except RecursionError:
                raise ConfigError(f"{type(self).__name__}: {field.name} is nested too deeply") from None
            if not fits(hints[field.name], ready):
                raise ConfigError(f"{type(self).__name__}: {field.name} must be {_wanted(hints[field.name], value)}")
            if ready is not value:
                object.__setattr__(self, field.name, ready)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def to_file(self, path: str | Path) -> None:
        """Write the fields as JSON. Raises OutputError if that fails."""
        write_text(Path(path), json.dumps(self.to_dict(), indent=2) + "\n")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed. All values are checked; an unknown field raises ConfigError."""
        self._require_known(changes)
        return replace(self, **changes)  # type: ignore[type-var]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, also nested ones; ConfigError for an unknown or missing key, or a wrong value."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"{cls.__name__} must be an object with fields, not {values!r:.200}")
        cls._require_known(values)
        known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
        needed = (name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING)
        if missing := [name for name in needed if name not in values]:
            raise ConfigError(f"{cls.__name__} needs {', '.join(missing)}; add what is missing")
        return cls(**values)

    @classmethod
    def _require_known(cls, values: Mapping[str, Any]) -> None:
        known = sorted(field.name for field in fields(cls))  # type: ignore[arg-type]
        if unknown := sorted(f"{name!s:.80}" for name in values if name not in known):
            nearest = did_you_mean(unknown[0], known)
            advice = nearest or f"; known: {', '.join(known)}"
            raise ConfigError(f"{cls.__name__} has no field {', '.join(first_few(unknown))}{advice}")

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read JSON that `to_file` wrote. Raises ConfigError if the file is missing, damaged or has wrong fields."""
        if not Path(path).exists():
            raise ConfigError(f"there is no configuration file at {path}; check the path")
        values = read_json_file(path, ConfigError)
        if not isinstance(values, dict):
            raise ConfigError(f"{path} must hold a JSON object of fields and values")
        return cls.from_dict(values)

    def _bound(self, low: float, high: float, *names: str) -> None:
        """Require that fields are within limits; for a tuple, every value of it."""
        for name in names:
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                self._require(low <= value <= high, f"{name} must be in {low:g}..{high:g}, not {value}")

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise ConfigError(f"{type(self).__name__}: {message}")


_hints = cache(get_type_hints)


def from_plain(hint: Any, value: Any) -> Any:
    """Convert a plain value to its field's type: nested configurations, tuples for lists, plain numbers."""
    if isinstance(value, Mapping):
        parts = [part for part in (hint, *getattr(hint, "__args__", ())) if isinstance(part, type)]
        kinds = [part for part in parts if issubclass(part, BaseConfig)]
        return kinds[0].from_dict(value) if kinds else dict(value)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):  # a Box stays one
        inner = getattr(hint, "__args__", (None,))[0]
        ready = tuple(from_plain(inner, each) for each in value)
        same = type(value) is tuple and all(a is b for a, b in zip(ready, value, strict=True))
        return value if same else ready
    if isinstance(value, bool | int | float):
        return value
    return int(value) if isinstance(value, Integral) else float(value) if isinstance(value, Real) else value


def fits(hint: Any, value: Any) -> bool:
    """Tell whether a value has the declared type of a field. The class checks the range itself."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(part, value) for part in parts)
    if origin is Literal:
        return isinstance(value, type(parts[0])) and value in parts
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        inner = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(inner) == len(value) and all(map(fits, inner, value))
    if hint in (int, float):
        number = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
        return number and abs(value) < LARGEST  # False for infinity and NaN
    return isinstance(value, origin or hint)


def _wanted(hint: Any, value: Any) -> str:
    """Describe the declared type of a field, and the value that it was given."""
    finite = " and finite" if isinstance(value, float) and not math.isfinite(value) else ""
    return f"{described(hint)}{finite}, not {shown(value)}"


def described(hint: Any) -> str:
    """Describe a type in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(described, parts))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple:
        inner = dict.fromkeys(map(described, (part for part in parts if part is not Ellipsis)))
        length = "" if parts[-1] is Ellipsis else f" of {len(parts)} values"
        return f"a list{length}, each {' or '.join(inner)}"
    if isinstance(hint, type) and issubclass(hint, BaseConfig):
        return f"an object with fields of {hint.__name__} ({', '.join(field.name for field in fields(hint))})"  # type: ignore[arg-type]
    if origin is Callable and parts and parts[0] is not ...:
        return f"a function of {counted(len(parts[0]), 'value')}"
    if origin in (Sequence, Iterable):
        return f"several values, each {described(parts[0])}"
    name = hint.__name__ if isinstance(hint, type) else "object"
    return _KINDS.get(origin or hint, f"a{'n' * name.startswith(tuple('AEIOUo'))} {name}")
