"""The machine of a measurement, without its name or a path on it."""

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
    """The properties of a machine that decide its speed.

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
        instructions=cpu_instructions(),
        memory_gb=memory,
        gpu=gpu,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={"mixformer": __version__} | {name: found for name in PACKAGES if (found := package_version(name))},
    )
