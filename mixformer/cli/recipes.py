"""`mixformer recipes`."""

from __future__ import annotations

import json

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console, print_filled
from mixformer.cli.parser import add_flag

DESCRIPTION = """List the recipes that come with the package, with a sentence on each.

mixformer train takes their names. The first lines of each file say more.

  mixformer recipes
  mixformer recipes --json
  mixformer train mixvit_stage1 --out runs/mixvit_stage1
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    add_flag(made, "--json", "print the list as JSON, with the paths of the files")


def run(options: Namespace) -> None:
    """Print the list."""
    from mixformer.training.recipe_list import list_recipes

    console, entries = make_console(), list_recipes()
    if options.json:
        console.print(json.dumps([{**vars(entry), "path": str(entry.path)} for entry in entries], indent=2))
        return
    for entry in entries:
        console.print(entry.name)
        print_filled(console, "    ", entry.summary)
    if entries:
        console.print(f"\nfiles: {entries[0].path.parent}")
    console.print("More: docs/recipes.md, docs/training.md")
