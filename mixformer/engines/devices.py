"""Devices of this machine. PyTorch is imported only where there may be a GPU."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from mixformer.optional import installed

_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def may_have_gpu() -> bool:
    """Return whether this machine has a driver that PyTorch may use a GPU through, found without importing PyTorch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").is_file()
    return any(Path(file).exists() for file in _DRIVERS)


def gpu_count() -> int:
    """Number of GPUs that PyTorch can use through CUDA; 0 without PyTorch.

    Example:
        >>> from mixformer.engines import gpu_count
        >>> gpu_count() >= 0
        True
    """
    if not (installed("torch") and may_have_gpu()):
        return 0
    import torch

    return torch.cuda.device_count()


def torch_device(name: str) -> str:
    """PyTorch's name of a device, such as "cuda"; "auto" is the first of CUDA, MPS and CPU that is there.

    Raises ConfigError if there is no such device on this machine.
    """
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    from mixformer.engines.torch_engine import find_device

    return str(find_device(name))
