"""The command line: one file per verb, each imported only when it is used."""

from mixformer.cli.main import main

__all__ = ["main"]
