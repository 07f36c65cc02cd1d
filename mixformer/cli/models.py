"""`mixformer models`."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.table import Table

from mixformer.cli.parser import make_parser

_DESCRIPTION = """List the models: sizes, operations, whether weights come with the package, licence."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    return make_parser(_DESCRIPTION)


def run(_: Namespace) -> None:
    """Print the table."""
    from mixformer.variants import DEFAULT_MODEL
    from mixformer.weights.registry import list_models

    table = Table(
        caption="* default. GFLOP: per frame with templates remembered, 2 per multiply-add.", caption_justify="left"
    )
    table.add_column("model", no_wrap=True)
    for heading in ("params", "GFLOP", "search", "template"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    models = list_models()
    for entry in models:
        table.add_row(
            entry.name + ("*" if entry.name == DEFAULT_MODEL else ""),
            f"{entry.parameters / 1e6:.1f} M",
            f"{entry.flops / 1e9:.2f}",
            f"{entry.config.search_size} px",
            f"{entry.config.template_size} px",
            "included" if entry.available else "convert",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print("Where they come from, and the licence of their weights:")
    for entry in models:
        console.print(f"  {entry.name}: {entry.source}; {entry.licence}")
    console.print("Official weights: `mixformer convert FILE.pth.tar --out FOLDER`, then give the folder as --model.")
