"""Import optional packages, and name their install commands when they are missing.

tkinter is not handled here: it comes with Python, and no pip command installs it (see `mixformer.video.window`).

Some packages report their use, and some write into the user's home. This module switches off the first and moves the
second, unless the user has set it otherwise.
"""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

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
    "supervision": "mixformer[supervision]",
    "ray": "mixformer[ray]",
    "tensorboard": "mixformer[tensorboard]",
    "huggingface_hub": "mixformer[hub]",
    "mlflow": "mixformer[mlflow]",
    "shtab": "mixformer[completion]",
    "wandb": "mixformer[wandb]",
    "fastapi": "mixformer[web]",
    "uvicorn": "mixformer[web]",
    "websockets": "mixformer[web]",
}


def installed(package: str) -> bool:
    """Tell whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # refused by an import hook, or half loaded
        return False


def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def missing(package: str, purpose: str, more: str = "") -> MissingDependencyError:
    """Make the error for a missing package.

    Args:
        package: name of the package in an import.
        purpose: the beginning of the sentence, which says what needs the package: "training".
        more: the end of the sentence, after the install command: " (or do without)".
    """
    return MissingDependencyError(f"{purpose} needs {package}: pip install '{_INSTALLS.get(package, package)}'{more}")


def require(package: str, purpose: str, more: str = "") -> None:
    """Raise MissingDependencyError, of the words of `missing`, if a package is not installed. It is not imported."""
    if not installed(package):
        raise missing(package, purpose, more)


def load(package: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        package: as in `missing`.
        purpose: as in `missing`.

    Raises:
        MissingDependencyError: if it is missing or cannot be used, such as OpenCV without a library of the system.
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


def lazy_names() -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make `__getattr__`, `__dir__`, `__all__` of the calling package, so that it imports names at first use (PEP 562).

    The package lists its names once, as `from module import name as name` under `if TYPE_CHECKING`. Type checkers read
    this list. Python skips it, but compiles it, and this function finds the names in the compiled code. Call it under
    the `else`: a checker that sees `__getattr__` takes any name for one of the package. No module may have the name of
    a public name of its package, since importing it would hide that name.

    Example:
        >>> import mixformer.video
        >>> "open_video" in mixformer.video.__all__
        True
        >>> mixformer.video.__getattr__("open_video").__name__
        'open_video'
    """
    caller = sys._getframe(1)
    package, module, homes = caller.f_globals["__name__"], "", dict[str, str]()
    for step in dis.get_instructions(caller.f_code):
        if step.opname == "IMPORT_NAME":
            module = step.argval
        elif step.opname == "IMPORT_FROM" and step.argval not in caller.f_globals:  # not imported yet
            homes[step.argval] = module

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with explain_missing(f"{package}.{name}"):
            return getattr(import_module(homes[name]), name)

    # Constants, then classes, then functions.
    public = sorted(homes, key=lambda name: (not name.isupper(), name.islower(), name))
    return get, lambda: public, public


CACHE_VARIABLE = "MIXFORMER_CACHE"
"""Environment variable with the folder of cached files, or "off"."""
_OPT_OUTS = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.31 sends reports, and writes an identifier into the home folder
    "ORT_TELEMETRY_DISABLED": "1",  # the same in later versions
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}


class _Folder(NamedTuple):
    """The folder of a package's own files."""

    variable: str  # environment variable of the folder
    always: bool = False  # whether the package always needs a folder


_FOLDERS = {
    "matplotlib": _Folder("MPLCONFIGDIR", always=True),  # list of fonts
    "inductor": _Folder("TORCHINDUCTOR_CACHE_DIR"),  # kernels of torch.compile
    "triton": _Folder("TRITON_CACHE_DIR"),
    "cuda": _Folder("CUDA_CACHE_PATH"),  # kernels of the driver
}


def cache_folder(kind: str = "openvino") -> Path | None:
    """Return the folder of cached files of a kind, or None if the cache is switched off.

    Args:
        kind: "openvino" for compiled graphs, which are in `MIXFORMER_CACHE` itself; other kinds have a folder in it.
    """
    said = os.environ.get(CACHE_VARIABLE, "")
    if said.lower() == "off":
        return None
    if said:
        return Path(said) if kind == "openvino" else Path(said) / kind
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():  # a user whom the system does not know, as in a container
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "mixformer" / kind


def refuse_telemetry() -> None:
    """Keep other packages from reporting their use to their makers. This runs when `mixformer` is imported.

    `openvino_telemetry` contacts a host and writes into the home folder as soon as OpenVINO is imported. If it cannot
    be imported, OpenVINO and NNCF use stubs instead.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    for variable, value in _OPT_OUTS.items():
        os.environ.setdefault(variable, value)


def keep_in_cache(*packages: str) -> None:
    """Let packages keep their files in the cache folder of `mixformer`. Call this before they are imported or used.

    Args:
        packages: "matplotlib", "inductor", "triton" or "cuda".
    """
    for package in packages:
        folder = _FOLDERS[package]
        if folder.variable in os.environ or (package == "matplotlib" and _has_own_matplotlib()):
            continue
        place = cache_folder(package) or (_for_this_process() if folder.always else None)
        if place is not None:
            os.environ[folder.variable] = str(place)


def forget_cached(package: str) -> bool:
    """Remove the files that a package keeps in the cache folder of `mixformer`; False if it keeps them elsewhere."""
    import shutil

    folder = cache_folder(package)
    if folder is None or os.environ.get(_FOLDERS[package].variable) != str(folder):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _has_own_matplotlib() -> bool:
    """Tell whether matplotlib is loaded, or the user has settings for it, which another folder would hide."""
    home = Path(os.path.expanduser("~"))
    base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return "matplotlib" in sys.modules or (base / "matplotlib").is_dir() or (home / ".matplotlib").is_dir()


def _for_this_process() -> Path:
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="mixformer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
