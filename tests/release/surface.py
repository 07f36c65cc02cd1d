"""The public names of every room and the flags of every command.

python -m tests.release.surface                 # write them into surface.txt
"""

from __future__ import annotations

import importlib
from pathlib import Path

import mixformer
from mixformer.cli.main import build_parser
from tests.helpers.commands import parsers
from tests.test_faces import FACES

FILE = Path(__file__).with_name("surface.txt")


def public_names() -> list[str]:
    names = [f"mixformer.{name}" for name in dir(mixformer)]
    for room in FACES:
        names += [f"mixformer.{room}.{name}" for name in importlib.import_module(f"mixformer.{room}").__all__]
    return sorted(names)


def commands() -> list[str]:
    lines = []
    for words, parser in parsers(build_parser()):
        flags = {flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")}
        lines += [words, *(f"{words} {flag}" for flag in flags - {"--help"})]
    return sorted(set(lines))


def surface() -> list[str]:
    """Public names, and commands with their flags."""
    return [*public_names(), *commands()]


if __name__ == "__main__":
    FILE.write_text("\n".join(surface()) + "\n")
