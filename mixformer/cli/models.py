"""`mixformer models`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console, make_table, print_filled, print_table
from mixformer.cli.parser import add_flag
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import DEFAULT_MODEL

if TYPE_CHECKING:
    from mixformer.weights.catalog import ModelInfo

DESCRIPTION = """List the models: network, sizes, operations, included weights, license.

  mixformer models
  mixformer models --json > models.json
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    add_flag(made, "--json", "print the list as JSON, with exact numbers")


def network(config: ModelConfig) -> str:
    """Backbone, depth and head in a few letters."""
    backbone = {"vit": "ViT", "convmae": "ConvMAE", "cvt": "CvT"}.get(config.backbone, config.backbone)
    depth = "-".join(map(str, (*config.early_depths, config.depth)))
    head = f"{config.prediction_tokens} tokens" if config.head == "token" else config.head
    return f"{backbone} {depth} {head}"


def run(options: Namespace) -> None:
    """Print the table, or the JSON."""
    from mixformer.weights.catalog import list_models

    console = make_console()
    models = list_models()
    if options.json:
        console.print(json.dumps([_record(entry) for entry in models], indent=2))
        return
    print_table(console, make_table(_HEADINGS, map(_row, models), left=2))
    console.print("* the default. GFLOP: for one frame, 2 per multiply-add.")
    console.print("crops: sides of the search region and of a template, in pixels.")
    console.print("bundled: weights come with the package. convert: get the official checkpoint,")
    console.print("run `mixformer convert FILE.pth.tar --out FOLDER`, and give FOLDER as --model.")
    console.print("Models with _stage1 are those of the first training stage, without a score.")
    console.print("\nOrigin of the models, and license of their weights:")
    origins = {entry.name: f"{entry.source}; {entry.license}" for entry in models}
    for origin in dict.fromkeys(origins.values()):
        names = ", ".join(name for name, its in origins.items() if its == origin)
        for text, indent in ((f"{origin}:", "  "), (names, "    ")):
            print_filled(console, indent, text, indent=4)
    console.print("More: docs/models.md")


_HEADINGS = ("model", "network", "params", "GFLOP", "crops", "weights")


def _row(entry: ModelInfo) -> tuple[str, ...]:
    return (
        entry.name + ("*" if entry.name == DEFAULT_MODEL else ""),
        network(entry.config),
        f"{entry.parameters / 1e6:.1f}M",
        f"{entry.flops / 1e9:.3g}",
        f"{entry.config.search_size}/{entry.config.template_size}",
        "bundled" if entry.available else "convert",
    )


def _record(entry: ModelInfo) -> dict[str, Any]:
    return {
        "name": entry.name,
        "default": entry.name == DEFAULT_MODEL,
        "available": entry.available,
        "parameters": entry.parameters,
        "flops": entry.flops,
        "search_size": entry.config.search_size,
        "template_size": entry.config.template_size,
        "network": network(entry.config),
        "source": entry.source,
        "license": entry.license,
    }
