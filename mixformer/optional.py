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
    """Return whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # refused by an import hook, or half loaded
        return False


def missing(package: str, purpose: str, more: str = "") -> MissingDependencyError:
    """The error for a package that is not there.

    Args:
        package: name that is imported.
        purpose: what needs it, as the beginning of a sentence: "training".
        more: the end of the sentence, after the install command: " (or do without)".
    """
    return MissingDependencyError(f"{purpose} needs {package}: pip install '{_INSTALLS.get(package, package)}'{more}")


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


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names are imported when they are first used (PEP 562).

    Type checkers read the same imports under `if TYPE_CHECKING`, as `from module import name as name`.

    Args:
        package: the package's `__name__`.
        homes: module -> its public names, separated by spaces; a module that begins with a dot is in the package. No
            module may be called like a public name of its package: importing it would hide the name.

    Example:
        >>> get, _, public = lazy_names("mixformer.video", {".reader": "open_video VideoFrame"})
        >>> public
        ['VideoFrame', 'open_video']
        >>> get("open_video").__name__
        'open_video'
    """
    modules = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with explain_missing(f"{package}.{name}"):
            return getattr(import_module(modules[name], package), name)

    # Constants, then classes, then functions.
    public = sorted(modules, key=lambda name: (not name.isupper(), name.islower(), name))
    return get, lambda: public, public
