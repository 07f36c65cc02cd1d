"""`mixformer prune`."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_option, add_overwrite
from mixformer.errors import ConfigError, counted

DESCRIPTION = """Make a smaller network from a larger one, to be trained by distillation afterwards.

Blocks count from 0. The result is a model folder, for `init_from` in a recipe.

  mixformer prune runs/v2_s_4/model --out runs/v2_s_4_mlp1 --mlp-ratio 1
  mixformer prune runs/v2_dense_to_sparse/model --out runs/first4 --keep-first 4
  mixformer prune runs/v2_dense_to_sparse/model --out runs/skip4 --skip 4
  mixformer prune runs/v2_dense_to_sparse/model --out runs/eight --remove 0 3 6 9
  mixformer prune mixformerv2_dino_s8 --out faster --eliminate 3:59

--eliminate 3:59 keeps 59 search tokens after block 3. The model is faster, but less accurate until it is trained
this way. `mixformer export faster --out faster` then writes its graphs.

Training with fading blocks ([pruning] in a recipe) removes those blocks from its model by itself.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("source", type=Path, help="model folder, official checkpoint or name of a model with weights")
    add_option(made, "--out", Path, "folder to write", required=True)
    ways = made.add_mutually_exclusive_group(required=True)
    narrow = "narrow every MLP to R times the width of the network; keep its first units"
    fewer = "number of search tokens to keep after a block; without values, keep all"
    ways.add_argument("--keep-first", type=int, metavar="N", help="keep the first N blocks")
    ways.add_argument("--skip", type=int, metavar="N", help="keep N evenly spaced blocks, including the last")
    ways.add_argument("--remove", type=int, nargs="+", metavar="BLOCK", help="remove these blocks")
    ways.add_argument("--mlp-ratio", type=float, metavar="R", help=narrow)
    ways.add_argument("--eliminate", type=str, nargs="*", metavar="BLOCK:N", help=fewer)
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Prune."""
    from mixformer.configs.flops import locate_flops, parameter_count
    from mixformer.files.places import claimed_folder
    from mixformer.weights.catalog import CONFIG_FILE
    from mixformer.weights.load_save import ModelWeights, load_weights, save_weights
    from mixformer.weights.pruning import CUTS

    way = next(name for name in CUTS if options[name] is not None)
    value = list(map(_kept_after, options.eliminate)) if way == "eliminate" else options[way]
    with claimed_folder(options.out, CONFIG_FILE, "model folder", options.overwrite):
        weights = load_weights(options.source)
        state, config = CUTS[way](weights.state, weights.config, value)
        folder = save_weights(ModelWeights(config, state, weights.tracker), options.out)
    sizes = (weights.config, config)
    before, after, flops, fewer = (count(each) for count in (parameter_count, locate_flops) for each in sizes)
    console = make_console()
    console.print(
        f"{config.name}: {counted(config.depth, 'block')}, MLP ratio {config.mlp_ratio:g}, "
        f"{after / 1e6:.1f} M parameters of {before / 1e6:.1f} M, {fewer / 1e9:.2f} GFLOP a frame of {flops / 1e9:.2f}"
    )
    console.print(f"wrote {folder.resolve()}")


def _kept_after(words: str) -> tuple[int, int]:
    """A block and a number of tokens, as in "3:59"."""
    block, _, count = words.partition(":")
    if not (block.isdecimal() and count.isdecimal()):
        raise ConfigError(f"--eliminate takes pairs of a block and a number of tokens, such as 3:59, not {words!r}")
    return int(block), int(count)
