"""What keeps other packages from calling home or writing into the home folder: the one place that knows.

Some packages count their users unless they are told not to, and some write beside a user's own files. Here they are
told. Whatever the user has set stays as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

CACHE_VARIABLE = "MIXFORMER_CACHE"
"""Environment variable: folder for what can be made again, or "off"."""
_OPT_OUTS = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.31: reports to its makers, and an identifier in the home folder
    "ORT_TELEMETRY_DISABLED": "1",  # the same in later versions
    "RAY_USAGE_STATS_ENABLED": "0",
}


class _Folder(NamedTuple):
    """Where a package keeps files of its own: the variable that moves them, and whether it needs some folder always."""

    variable: str
    always: bool = False


_FOLDERS = {
    "matplotlib": _Folder("MPLCONFIGDIR", always=True),  # its list of fonts
    "inductor": _Folder("TORCHINDUCTOR_CACHE_DIR"),  # kernels that torch.compile has made
    "triton": _Folder("TRITON_CACHE_DIR"),
    "cuda": _Folder("CUDA_CACHE_PATH"),  # kernels that the driver has made
}


def cache_folder(kind: str = "openvino") -> Path | None:
    """Where files of a kind are kept; None if the cache is switched off.

    Args:
        kind: "openvino" for compiled graphs, which `MIXFORMER_CACHE` names the folder of; others have a folder in it.
    """
    said = os.environ.get(CACHE_VARIABLE, "")
    if said.lower() == "off":
        return None
    if said:
        return Path(said) if kind == "openvino" else Path(said) / kind
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "mixformer" / kind


def refuse_telemetry() -> None:
    """Keep OpenVINO, NNCF, ONNX Runtime and Ray from reporting their use; runs when `mixformer` is imported.

    `openvino_telemetry` looks up a host and writes into the home folder as soon as OpenVINO is imported. Where it
    cannot be imported, OpenVINO and NNCF use stubs of their own.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    for variable, value in _OPT_OUTS.items():
        os.environ.setdefault(variable, value)


def keep_in_cache(*packages: str) -> None:
    """Let packages keep their files in the cache folder of `mixformer`, before they are first imported or used.

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


def _has_own_matplotlib() -> bool:
    """Whether matplotlib is loaded, or the user has settings for it, which moving its folder would hide."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return "matplotlib" in sys.modules or (base / "matplotlib").is_dir() or (Path.home() / ".matplotlib").is_dir()


def _for_this_process() -> Path:
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="mixformer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
