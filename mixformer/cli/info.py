"""`mixformer info`."""

from __future__ import annotations

import os
import platform
import sys

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console, print_filled
from mixformer.engines.devices import cpu_instructions, processor
from mixformer.errors import MixFormerError
from mixformer.optional import package_version

DESCRIPTION = """Print versions, processor and devices, for bug reports.

  mixformer info
"""
_PACKAGES = ("numpy", "av", "safetensors", "pillow", "rich", "jsonargparse")  # besides those of the engines


def add_options(_: ArgumentParser) -> None:
    """Add nothing: the command has no options."""


def run(_: Namespace) -> None:
    """Print the report."""
    console, lines = make_console(), rows()
    width = max(len(name) for name, _ in lines) + 2
    for name, value in lines:
        print_filled(console, name.ljust(width), value)


def rows() -> list[tuple[str, str]]:
    """Name and value of every line."""
    from mixformer import __version__
    from mixformer.configs.variants import DEFAULT_MODEL
    from mixformer.engines import ENGINES, select_engine
    from mixformer.weights.catalog import list_models

    packages = dict.fromkeys(spec.package for spec in ENGINES.values())
    try:
        choice = select_engine(DEFAULT_MODEL)
        engine = f"{choice.engine}, {choice.device}, {choice.precision}"
    except MixFormerError as error:
        engine = str(error)
    return [
        ("mixformer", __version__),
        ("python", f"{sys.version.split()[0]} ({platform.python_implementation()})"),
        ("system", platform.platform()),
        ("processor", f"{processor()}, {os.cpu_count()} cores"),
        ("features", ", ".join(cpu_instructions()) or "unknown"),
        ("devices", ", ".join(["cpu", *_gpus()])),
        ("engine", engine),
        ("engines here", ", ".join(spec.name for spec in ENGINES.values() if spec.installed) or "none"),
        *((name, package_version(name) or "not installed") for name in (*packages, *_PACKAGES)),
        ("weights included", ", ".join(m.name for m in list_models() if m.available) or "none"),
    ]


def _gpus() -> list[str]:
    """Names of the GPUs that PyTorch can use; torch is not imported where there can be none."""
    from mixformer.engines.devices import may_have_gpu
    from mixformer.optional import installed

    if not (may_have_gpu() and installed("torch")):
        return []
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return names + (["mps"] if torch.backends.mps.is_available() else [])
