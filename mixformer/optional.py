"""Packages that not every installation has, and how to get them: the one place that knows.

tkinter is not handled here: it comes with Python, and no pip command installs it (see `mixformer.video.window`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mixformer.errors import MissingDependencyError

_INSTALLS = {
    "torch": "mixformer[torch]",
    "openvino": "openvino",
    "onnxruntime": "mixformer[onnx]",
    "onnx": "mixformer[export]",
    "onnxscript": "mixformer[export]",
    "nncf": "mixformer[int8]",
    "lmdb": "mixformer[lmdb]",
    "cv2": "mixformer[masks]",
    "matplotlib": "mixformer[plots]",
    "pandas": "pandas",
    "ray": "mixformer[ray]",
    "tensorboard": "mixformer[tensorboard]",
}


def installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # refused by an import hook, or half loaded
        return False


def missing(package: str, purpose: str, more: str = "") -> MissingDependencyError:
    """The error for a package that is not there.

    Args:
        package: name that is imported, one of those this module knows.
        purpose: what needs it, as the beginning of a sentence: "training".
        more: how the sentence goes on after the install command: " (or do without)".
    """
    return MissingDependencyError(f"{purpose} needs {package}: pip install '{_INSTALLS[package]}'{more}")


def load(package: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        package: as in `missing`.
        purpose: as in `missing`.

    Raises:
        MissingDependencyError: if it is not there or cannot be used, such as OpenCV without a library of the system.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise missing(package, purpose, f" ({error})") from error


@contextmanager
def explain_missing(purpose: str) -> Iterator[None]:
    """Turn the failed import of an optional package into an error that names its install command.

    Raises:
        MissingDependencyError: if a package of this module's list is missing. Other failed imports pass unchanged.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in _INSTALLS:
            raise
        raise missing(package, purpose) from error


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose public names are imported when they are first used (PEP 562).

    Args:
        package: the package's `__name__`.
        homes: the module of each public name. No module may be called like a public name of its package: importing
            it would hide the name.

    Example:
        >>> get, names = lazy_names("mixformer.video", {"open_video": "mixformer.video.reader"})
        >>> names()
        ['open_video']
        >>> get("open_video").__name__
        'open_video'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with explain_missing(f"{package}.{name}"):
            return getattr(import_module(homes[name]), name)

    return get, lambda: sorted(homes)
