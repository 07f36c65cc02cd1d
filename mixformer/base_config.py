"""What every frozen configuration can do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Self, get_type_hints

from mixformer.errors import ConfigError


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
            ConfigError: for an unknown key or an invalid value.
        """
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"{cls.__name__} has no field {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        hints = get_type_hints(cls)
        return cls(**{key: _from_plain(hints[key], value) for key, value in values.items()})

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
    if isinstance(value, list):
        inner = getattr(hint, "__args__", (None,))[0]
        return tuple(_from_plain(inner, each) for each in value)
    return value
