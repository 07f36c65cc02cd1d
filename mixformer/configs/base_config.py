"""What every frozen configuration can do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from mixformer.errors import ConfigError

_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}


class BaseConfig:
    """What every configuration can do: dictionaries, files, and errors that name the wrong field."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def to_file(self, path: str | Path) -> None:
        """Write as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)  # type: ignore[type-var]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; an object stands for a field that is a configuration itself.

        Raises:
            ConfigError: for an unknown or a missing key, or a value that is invalid or of the wrong kind.
        """
        known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - known.keys()):
            raise ConfigError(f"{cls.__name__} has no field {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        needed = (name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING)
        if missing := [name for name in needed if name not in values]:
            raise ConfigError(f"{cls.__name__} needs {', '.join(missing)}")
        hints = get_type_hints(cls)
        ready = {key: _from_plain(hints[key], value) for key, value in values.items()}
        for key, value in ready.items():
            if not _fits(hints[key], value):
                raise ConfigError(f"{cls.__name__}: {key} must be {_described(hints[key])}, not {values[key]!r}")
        return cls(**ready)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read JSON written by `to_file`.

        Raises:
            ConfigError: if the file is missing or is not a JSON object.
        """
        try:
            values = json.loads(Path(path).read_text())
        except FileNotFoundError as error:
            raise ConfigError(f"no configuration file at {path}") from error
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ConfigError(f"{path} is not a readable JSON file: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{path} must hold a JSON object")
        return cls.from_dict(values)

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise ConfigError(f"{type(self).__name__}: {message}")


def _from_plain(hint: Any, value: Any) -> Any:
    """A value as its field holds it: nested configurations, alone or in a tuple, and tuples for lists."""
    if isinstance(value, Mapping):
        parts = [part for part in (hint, *getattr(hint, "__args__", ())) if isinstance(part, type)]
        kinds = [part for part in parts if issubclass(part, BaseConfig)]
        return kinds[0].from_dict(value) if kinds else dict(value)
    if isinstance(value, list | tuple):
        inner = getattr(hint, "__args__", (None,))[0]
        return tuple(_from_plain(inner, each) for each in value)
    return value


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value is of the kind that a field is declared with; which values of that kind is the class's affair."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(part, value) for part in parts)
    if origin is Literal:
        return isinstance(value, type(parts[0]))
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        inner = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(inner) == len(value) and all(map(_fits, inner, value))
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if hint is float else origin or hint)


def _described(hint: Any) -> str:
    """The kind in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_described, parts))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple:
        inner = dict.fromkeys(map(_described, (part for part in parts if part is not Ellipsis)))
        length = "" if parts[-1] is Ellipsis else f" of {len(parts)} values"
        return f"a list{length}, each {' or '.join(inner)}"
    if isinstance(hint, type) and issubclass(hint, BaseConfig):
        return f"an object with fields of {hint.__name__} ({', '.join(field.name for field in fields(hint))})"  # type: ignore[arg-type]
    return _KINDS.get(hint, "an object")
