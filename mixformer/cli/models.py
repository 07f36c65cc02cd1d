"""`mixformer models`."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.table import Table

from mixformer.cli.parser import make_parser
from mixformer.configs.model import ModelConfig

_DESCRIPTION = """List the models: network, sizes, operations, whether weights come with the package, license."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    return make_parser(_DESCRIPTION)


def network(config: ModelConfig) -> str:
    """Backbone, depth and head in a few letters."""
    backbone = {"vit": "ViT", "convmae": "ConvMAE", "cvt": "CvT"}[config.backbone]
    depth = "-".join(map(str, (*config.early_depths, config.depth)))
    head = f"{config.prediction_tokens} tokens" if config.head == "token" else config.head
    return f"{backbone} {depth}, {head}"


def run(_: Namespace) -> None:
    """Print the table."""
    from mixformer.configs.variants import DEFAULT_MODEL
    from mixformer.weights.catalog import list_models

    table = Table(
        caption="* default. GFLOP: per frame with templates remembered, 2 per multiply-add.", caption_justify="left"
    )
    table.add_column("model", no_wrap=True)
    table.add_column("network", no_wrap=True)
    for heading in ("params", "GFLOP", "search", "template"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    models = list_models()
    for entry in models:
        table.add_row(
            entry.name + ("*" if entry.name == DEFAULT_MODEL else ""),
            network(entry.config),
            f"{entry.parameters / 1e6:.1f} M",
            f"{entry.flops / 1e9:.2f}",
            f"{entry.config.search_size} px",
            f"{entry.config.template_size} px",
            "included" if entry.available else "convert",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print("Origin of the models, and license of their weights:")
    origins = {entry.name: f"{entry.source}; {entry.license}" for entry in models}
    for origin in dict.fromkeys(origins.values()):
        names = ", ".join(name for name, its in origins.items() if its == origin)
        console.print(f"  {origin}:\n    {names}")
    console.print("Official weights: `mixformer convert FILE.pth.tar --out FOLDER`, then give the folder as --model.")
    console.print(
        "Names with _stage1 are networks without score, as after the first training stage. More: docs/models.md"
    )
