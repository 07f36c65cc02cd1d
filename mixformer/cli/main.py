"""Choosing the verb, and turning errors into messages and exit codes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.logging import RichHandler

from mixformer import __version__
from mixformer.cli import bench, convert, data, evaluate, info, inspect, models, pack, prune, report, track, train, vot
from mixformer.cli.parser import make_parser
from mixformer.errors import CheckpointError, ConfigError, MixFormerError, OutputError, SourceError

OK, FAILED, USAGE, SOURCE, OUTPUT, MODEL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

_DESCRIPTION = """Follow one object through a video, given its box in the first frame.

  mixformer demo                                        track the bundled clip
  mixformer track clip.mp4 --box 260 29 41 142          write clip_tracked.mp4
  mixformer track clip.mp4 --box 260 29 41 142 --json boxes.jsonl
  mixformer models                                      what can be loaded
  mixformer evaluate --dataset lasot --root LaSOT       raw results and numbers on a data set
  mixformer inspect clip.mp4 --box 260 29 41 142 --frame 30 --out seen
                                                        pictures of the attention and of the edge distributions
"""
_EPILOG = """exit codes: 0 done, 1 another error, 2 wrong usage or box, 3 the source cannot be read,
4 a result cannot be written, 5 the model cannot be used, 130 stopped with Ctrl-C (what was written is valid)."""

_VERBS = {
    "track": (track.track_parser, track.run),
    "demo": (track.demo_parser, track.run),
    "inspect": (inspect.parser, inspect.run),
    "models": (models.parser, models.run),
    "info": (info.parser, info.run),
    "convert": (convert.parser, convert.run),
    "prune": (prune.parser, prune.run),
    "train": (train.parser, train.run),
    "data": (data.parser, data.run),
    "evaluate": (evaluate.parser, evaluate.run),
    "pack": (pack.parser, pack.run),
    "report": (report.parser, report.run),
    "bench": (bench.parser, bench.run),
    "vot": (vot.parser, vot.run),
}
_INNER = {"data": data.add_verbs, "vot": vot.add_verbs}


def build_parser() -> ArgumentParser:
    """The whole command line."""
    parser = make_parser(_DESCRIPTION, prog="mixformer", epilog=_EPILOG, version=__version__)
    parser.add_argument("--debug", action="store_true", help="show where an error comes from, and more messages")
    verbs = parser.add_subcommands(required=True, metavar="VERB", title="verbs (each has --help)")
    for name, (make, _) in _VERBS.items():
        verb = make()
        verbs.add_subcommand(name, verb, help=str(verb.description).split("\n")[0])
        if name in _INNER:  # jsonargparse wants inner verbs added after the outer one
            _INNER[name](verb)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the command's name; None takes the process's own.

    Returns:
        The exit code; see `mixformer --help`.
    """
    settings = build_parser().parse_args(arguments)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    _set_up_logging(errors, settings.debug)
    try:
        _VERBS[settings.subcommand][1](settings[settings.subcommand])
    except KeyboardInterrupt:
        errors.print("stopped; what was written so far is valid")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        return OK
    except MixFormerError as error:
        if settings.debug:
            raise
        errors.print(f"[bold red]error:[/] {_plain(error)}")
        return exit_code(error)
    return OK


def exit_code(error: MixFormerError) -> int:
    """The exit code of an error."""
    for kind, code in ((SourceError, SOURCE), (OutputError, OUTPUT), (CheckpointError, MODEL), (ConfigError, USAGE)):
        if isinstance(error, kind):
            return code
    return USAGE if isinstance(error, ValueError) else FAILED


def _set_up_logging(console: Console, debug: bool) -> None:
    handler = RichHandler(console=console, show_time=False, show_path=debug)
    logging.basicConfig(
        level=logging.INFO if debug else logging.WARNING, format="%(message)s", handlers=[handler], force=True
    )
    logging.getLogger("libav").setLevel(logging.CRITICAL)  # we report unreadable frames ourselves


def _plain(error: Exception) -> str:
    return str(error).replace("[", "\\[")
