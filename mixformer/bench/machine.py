"""Describe the machine of a measurement, without its name or paths on it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from mixformer import __version__
from mixformer.configs.base_config import BaseConfig
from mixformer.engines.devices import cpu_instructions, processor, usable_cores
from mixformer.optional import package_version

PACKAGES = ("torch", "openvino", "onnxruntime", "numpy", "av")


@dataclass(frozen=True)
class Machine(BaseConfig):
    """The properties of a machine that decide its speed."""

    processor: str  # model name
    cores: int  # cores that this process may use
    instructions: tuple[str, ...]  # instruction sets for matrix products, by the kernel's names
    memory_gb: float | None  # memory of the whole machine in GiB
    gpu: str | None  # name of the measured GPU
    system: str  # operating system and architecture
    python: str  # version of Python
    packages: dict[str, str]  # versions of packages


def describe_machine(device: str = "cpu") -> Machine:
    """Describe the machine that runs this. `device` is PyTorch's name of the measured GPU ("cuda:0"), or "cpu"."""
    gpu = memory = None
    if device.startswith("cuda"):
        import torch

        gpu = str(torch.cuda.get_device_name(torch.device(device)))
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return Machine(
        processor=processor(),
        cores=usable_cores(),
        instructions=cpu_instructions(),
        memory_gb=memory,
        gpu=gpu,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={"mixformer": __version__} | {name: found for name in PACKAGES if (found := package_version(name))},
    )
