"""`mixformer prune`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import make_parser

if TYPE_CHECKING:
    from torch import Tensor

    from mixformer.configs.model import ModelConfig

_DESCRIPTION = """Make a smaller network from a larger one, to be trained by distillation afterwards.

Blocks count from 0. The result is a model folder, for `init_from` in a recipe.

  mixformer prune runs/v2_s_4/model --out runs/v2_s_4_mlp1 --mlp-ratio 1
  mixformer prune runs/v2_dense_to_sparse/model --out runs/first4 --keep-first 4
  mixformer prune runs/v2_dense_to_sparse/model --out runs/skip4 --skip 4
  mixformer prune runs/v2_dense_to_sparse/model --out runs/eight --remove 0 3 6 9

A run with fading blocks ([pruning] in its recipe) leaves them out of its model by itself.
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("source", type=Path, help="model folder, official checkpoint or name of a model with weights")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    ways = made.add_mutually_exclusive_group(required=True)
    ways.add_argument("--keep-first", type=int, metavar="N", help="keep the first N blocks")
    ways.add_argument("--skip", type=int, metavar="N", help="keep N evenly spaced blocks, including the last")
    ways.add_argument("--remove", type=int, nargs="+", metavar="BLOCK", help="remove these blocks")
    ways.add_argument(
        "--mlp-ratio", type=float, metavar="R", help="narrow every MLP to R times the width: its first units stay"
    )
    return made


def run(options: Namespace) -> None:
    """Prune."""
    from mixformer.configs.flops import parameter_count
    from mixformer.weights.load_save import ModelWeights, load_weights, save_weights
    from mixformer.weights.pruning import first_blocks, reduce_mlp, remove_blocks, skip_blocks

    ways: dict[str, Callable[..., tuple[dict[str, Tensor], ModelConfig]]] = {
        "keep_first": first_blocks,
        "skip": skip_blocks,
        "remove": remove_blocks,
        "mlp_ratio": reduce_mlp,
    }
    weights = load_weights(options.source)
    way = next(name for name in ways if options[name] is not None)
    state, config = ways[way](weights.state, weights.config, options[way])
    folder = save_weights(ModelWeights(config, state, weights.tracker), options.out)
    before, after = (parameter_count(sizes) / 1e6 for sizes in (weights.config, config))
    console = make_console()
    console.print(
        f"{config.name}: {config.depth} blocks, MLP ratio {config.mlp_ratio:g}, "
        f"{after:.1f} M parameters of {before:.1f} M"
    )
    console.print(f"wrote {folder.resolve()}")
