"""`mixformer info`."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.table import Table

from mixformer.cli.parser import make_parser

_DESCRIPTION = """Print versions, processor and devices, for bug reports."""
_PACKAGES = ("torch", "numpy", "av", "safetensors", "pillow", "rich", "jsonargparse")
_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8", "neon", "asimd")


def parser() -> ArgumentParser:
    """Options of the verb."""
    return make_parser(_DESCRIPTION)


def run(_: Namespace) -> None:
    """Print the report."""
    table = Table(show_header=False, box=None)
    for name, value in rows():
        table.add_row(name, value)
    Console(soft_wrap=True).print(table)


def rows() -> list[tuple[str, str]]:
    """Name and value of every line."""
    import torch

    from mixformer import __version__
    from mixformer.weights.registry import list_models

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [
        ("mixformer", __version__),
        ("python", f"{sys.version.split()[0]} ({platform.python_implementation()})"),
        ("system", platform.platform()),
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("features", ", ".join(_features()) or "unknown"),
        ("torch threads", str(torch.get_num_threads())),
        ("devices", ", ".join(["cpu", *devices, *mps])),
        *((name, _version(name)) for name in _PACKAGES),
        ("weights included", ", ".join(m.name for m in list_models() if m.available) or "none"),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def _processor() -> str:
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _features() -> list[str]:
    flags = {word for line in _cpu_lines() if line.startswith(("flags", "Features")) for word in line.split()}
    return [feature for feature in _FEATURES if feature in flags]
