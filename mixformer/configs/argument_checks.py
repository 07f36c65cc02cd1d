"""Refuse arguments of a wrong type in calls from Python, before anything is read, written or calculated."""

from __future__ import annotations

import builtins
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from numbers import Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from mixformer.configs.base_config import LARGEST, described, fits, from_plain
from mixformer.errors import ConfigError, shown

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_Test = Callable[[Any], bool]
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def checked(call: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Make a call compare its arguments with its annotations, and raise ConfigError for a value of another type.

    What is left to the call: an annotation that type checkers alone can read, a protocol, and the numbers of a box,
    which have an error of their own.

    Example:
        >>> from mixformer.configs.argument_checks import checked
        >>> @checked
        ... def half(number: float, *, exact: bool = False) -> float:
        ...     return number / 2
        >>> half(3), half("3")
        Traceback (most recent call last):
        ...
        mixformer.errors.ConfigError: half: number must be a number, not '3'
    """

    return _guarded(call, functions_alone=False)


def checked_functions(call: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Do what `checked` does for functions to call back alone, for a call that looks at its other arguments itself.

    Example:
        >>> from mixformer import train
        >>> train("finetune", "out", progress=3)
        Traceback (most recent call last):
        ...
        mixformer.errors.ConfigError: train: progress must be a function of 2 values or nothing, not 3
    """
    return _guarded(call, functions_alone=True)


def _guarded(call: Callable[_Given, _Result], *, functions_alone: bool) -> Callable[_Given, _Result]:
    @wraps(call)
    def guarded(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        in_order, by_name = _tests_of(call, functions_alone)
        for test, value in zip(in_order, args, strict=False):
            if not test(value):
                _refuse(call, functions_alone, args, kwargs)
        for name in kwargs:
            if name in by_name and not by_name[name](kwargs[name]):
                _refuse(call, functions_alone, args, kwargs)
        return call(*args, **kwargs)

    return guarded


@cache
def _tests_of(call: Callable[..., Any], functions_alone: bool) -> tuple[list[_Test], dict[str, _Test]]:
    """Return what tells whether an argument fits: in the order of the parameters, and by name."""
    signature, hints = _declared(call, functions_alone)
    tests = {name: _test_of(hint) for name, hint in hints.items()}
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    in_order = [name for name, parameter in signature.parameters.items() if parameter.kind in kinds]
    return [tests.get(name, lambda value: True) for name in in_order], tests


@cache
def _test_of(hint: Any) -> _Test:
    """Return what tells whether a value fits an annotation. The usual values are known by their type alone."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    ours = {part for part in parts if isinstance(part, type) and part.__module__.startswith("mixformer.")}
    quick = ours | {part for part in parts if part in (bool, NoneType) or (part is str and Path not in parts)}
    numbers = {kind for kind in (int, float) if kind in parts} | ({int} if float in parts else set())

    def takes(value: Any) -> bool:
        kind = type(value)
        return kind in quick or (kind in numbers and -LARGEST < value < LARGEST) or _takes(hint, value)

    return takes


def _refuse(call: Callable[..., Any], functions_alone: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise ConfigError for the first argument that does not fit, unless Python refuses the call itself."""
    signature, hints = _declared(call, functions_alone)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:  # too many, too few or unknown names: the call raises it
        return
    for name, value in given.items():
        if name in hints and not _takes(hints[name], value):
            zero = " without a zero byte" if isinstance(value, str) and "\0" in value else ""
            what = f"{described(hints[name])}{zero}, not {shown(value)}"
            where = call.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
            raise ConfigError(f"{where}: {name} must be {what}")


@cache
def _declared(call: Callable[..., Any], functions_alone: bool) -> tuple[inspect.Signature, dict[str, Any]]:
    """Return the signature of a call, and the annotations that can be compared with values."""
    signature, hints, names = inspect.signature(call), dict[str, Any](), _Names(call.__globals__)
    for name, parameter in signature.parameters.items():
        if parameter.kind not in _VARIADIC and parameter.annotation is not inspect.Parameter.empty:
            try:
                hint = parameter.annotation
                hint = eval(hint, {}, names) if isinstance(hint, str) else hint
            except (AttributeError, TypeError):
                continue
            if not functions_alone or any(get_origin(part) is Callable for part in (hint, *get_args(hint))):
                hints[name] = hint
    return signature, hints


class _Names(dict[str, Any]):
    """Names of a module. One that type checkers alone can read stands for anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _takes(hint: Any, value: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        is_path = Path in parts and isinstance(value, str)
        return any(_takes(part, value) for part in parts) and not (is_path and "\0" in value)
    if hint is bool:
        return isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1))
    if hint is Path:
        return isinstance(value, os.PathLike)
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    if origin is Callable:
        return _can_call(value, *parts)
    if origin in (Sequence, Iterable):
        return (origin is Iterable and parts == (float,)) or _holds(parts[0], origin, value)
    if getattr(hint, "_is_protocol", False) and hint.__module__.startswith("mixformer."):
        return True
    return fits(hint, value if isinstance(value, Mapping) else from_plain(hint, value))


def _holds(part: Any, origin: Any, value: Any) -> bool:
    """Tell whether a value can be iterated over, and its items fit. Items that are made on demand are not looked at."""
    is_array = hasattr(value, "shape")  # an array of another library, or a single number of it, is no list of things
    known = isinstance(value, np.ndarray) and value.ndim > 0 if is_array else isinstance(value, origin)
    if not known or isinstance(value, str | bytes):
        return False
    kinds = Real if part is float else None  # also NaN and infinity, which stand for what is not known
    test = _test_of(part)
    there = value if isinstance(value, list | tuple | set | frozenset | dict | np.ndarray) else ()
    return all(isinstance(each, kinds) if kinds else test(each) for each in there)


def _can_call(value: Any, wanted: Any = ..., gives: Any = Any) -> bool:
    """Tell whether a value is a function of so many values. A class makes objects: it is none that gives nothing."""
    nothing = gives in (None, object) or NoneType in get_args(gives)
    if not callable(value) or (nothing and isinstance(value, type)):
        return False
    try:
        return wanted is ... or bool(inspect.signature(value).bind(*wanted))
    except TypeError:
        return False
    except ValueError:  # it does not say what it takes
        return True
