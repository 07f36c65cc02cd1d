"""Parsers whose descriptions keep their lines, so that examples stay readable."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from typing import Any

from jsonargparse import ArgumentParser, DefaultHelpFormatter


class _Formatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions as they are written."""


def make_parser(description: str, **options: Any) -> ArgumentParser:
    """A parser with a multi-line description; its first line is the summary shown in the list of verbs."""
    return ArgumentParser(description=description, formatter_class=_Formatter, **options)


def add_machine(parser: Any, threads: int | None = None) -> None:
    """The options of everything that runs a network: --engine, --device, --precision and --threads.

    Args:
        parser: or a group of options in one.
        threads: default of --threads; None leaves it to the engine.
    """
    parser.add_argument(
        "--engine",
        type=str,
        default="auto",
        help="what runs the network: auto (the fastest that can here), torch, graph (PyTorch with a CUDA graph), "
        "compile (PyTorch, compiled), openvino or onnx (ONNX Runtime). See docs/engines.md",
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision",
        type=str,
        default="auto",
        help="float32, bfloat16 (about twice as fast on processors that have it: see mixformer info), float16, or auto "
        "(bfloat16 on a GPU and in OpenVINO on a processor that has it, else float32)",
    )
    shown = "the engine's own number" if threads is None else threads
    parser.add_argument(
        "--threads",
        type=int | None,
        default=threads,
        help=f"of the engine on the CPU, in each process; default: {shown}",
    )
