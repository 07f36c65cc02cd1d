"""Find the devices of this machine. PyTorch is imported only if there may be a GPU."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mixformer.optional import installed

_INSTRUCTIONS = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "neon", "asimd",
    "bf16", "i8mm", "sve",
)  # fmt: skip
_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def may_have_gpu() -> bool:
    """Tell whether this machine has a GPU driver for PyTorch, without importing PyTorch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").is_file()
    return any(Path(file).exists() for file in _DRIVERS)


def gpu_count() -> int:
    """Count the GPUs that PyTorch can use through CUDA; 0 without PyTorch.

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
    """Return PyTorch's name of a device of this machine, such as "cuda:0"; "auto" is the first of CUDA, MPS and CPU."""
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    from mixformer.engines.torch_engine import find_device

    return str(find_device(name))


def torch_threads(count: int) -> AbstractContextManager[None]:
    """Let PyTorch use this many threads inside a `with` block; without PyTorch, do nothing."""
    if not installed("torch"):
        return nullcontext()
    from mixformer.engines.torch_engine import using_threads

    return using_threads(count)


def processor() -> str:
    """Return the model name of the processor."""
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cpu_instructions() -> tuple[str, ...]:
    """List the instruction sets that speed up matrix products, by their names in /proc/cpuinfo."""
    flags = {word for line in _cpu_lines() if line.startswith(("flags", "Features")) for word in line.split()}
    return tuple(name for name in _INSTRUCTIONS if name in flags)


def has_bfloat16(device: str) -> bool:
    """Tell whether a device has instructions for bfloat16. Processors without them take many times as long with it."""
    return device != "cpu" or any("bf16" in name for name in cpu_instructions())


def hides_amx() -> bool:
    """Tell whether an Intel processor that has AMX does not offer it, as in some virtual machines.

    There OpenVINO's bfloat16 takes 1.5 times as long as float32 (docs/notes/speed.md). The instructions that came with
    AMX are those for 16-bit floating-point numbers.
    """
    there = cpu_instructions()
    return "avx512_fp16" in there and "amx_bf16" not in there and "Intel" in processor()


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []
