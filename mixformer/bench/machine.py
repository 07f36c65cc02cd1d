"""The machine of a measurement, without its name or a path on it."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mixformer import __version__
from mixformer.configs.base_config import BaseConfig

PACKAGES = ("torch", "openvino", "onnxruntime", "numpy", "av")
INSTRUCTIONS = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "neon", "asimd",
    "bf16", "i8mm", "sve",
)  # fmt: skip


@dataclass(frozen=True)
class Machine(BaseConfig):
    """A machine as far as speed depends on it.

    `cores` are those that this process may use, `instructions` the sets that matter for matrix products, as the kernel
    names them, `memory_gb` that of the whole machine, and `gpu` the one that was measured.
    """

    processor: str
    cores: int
    instructions: tuple[str, ...]
    memory_gb: float | None
    gpu: str | None
    system: str
    python: str
    packages: dict[str, str]


def describe_machine(device: str = "cpu") -> Machine:
    """The machine that runs this; `device` is one of PyTorch ("cuda:0") if a GPU is measured."""
    gpu = memory = None
    if device.startswith("cuda"):
        import torch

        gpu = str(torch.cuda.get_device_name(torch.device(device)))
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return Machine(
        processor=processor(),
        cores=usable_cores(),
        instructions=tuple(name for name in INSTRUCTIONS if name in cpu_flags()),
        memory_gb=memory,
        gpu=gpu,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={"mixformer": __version__} | {name: found for name in PACKAGES if (found := _version(name))},
    )


def processor() -> str:
    """Model of the processor."""
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cpu_flags() -> set[str]:
    """Instruction sets as the kernel names them; empty where there is no /proc/cpuinfo."""
    return {word for line in _cpu_lines() if line.startswith(("flags", "Features")) for word in line.split()}


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
