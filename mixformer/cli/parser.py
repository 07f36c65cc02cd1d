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
