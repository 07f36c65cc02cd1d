"""`mixformer completion`."""

from __future__ import annotations

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.optional import load

DESCRIPTION = """Print a script that completes commands and options with the Tab key.

  mixformer completion bash > ~/.mixformer_completion
  mixformer completion zsh > ~/.zfunc/_mixformer    # a folder of $fpath
  mixformer completion fish > ~/.config/fish/completions/mixformer.fish

For bash, add `source ~/.mixformer_completion` to ~/.bashrc. Then open a new terminal.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument(
        "shell", type=Literal["bash", "zsh", "fish"], help="the shell: bash, zsh or fish", metavar="SHELL"
    )


def run(options: Namespace) -> None:
    """Print the script for all verbs.

    Raises MissingDependencyError if shtab is not installed.
    """
    from mixformer.cli.main import build_parser

    load("shtab", "mixformer completion")
    make_console().print(build_parser().get_completion_script(f"shtab-{options.shell}"), end="")
