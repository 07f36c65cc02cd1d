"""Choose the verb, and turn errors into messages and exit codes."""

from __future__ import annotations

import errno
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.text import Text

from mixformer import __version__
from mixformer.cli.ask import spread_box
from mixformer.cli.console import be_robust, drop_output, make_console, no_place
from mixformer.cli.deprecated import renew
from mixformer.cli.parser import add_verb, make_parser
from mixformer.cli.usage import no_command
from mixformer.errors import CheckpointError, MixFormerError, OutputError, SourceError, printable, remedy
from mixformer.files import pipes_kept
from mixformer.optional import explain_missing
from mixformer.run.stopping import exit_code_of_stop, stops_as_errors

_USAGE = "mixformer COMMAND [options]"
OK, FAILED, USAGE, SOURCE, OUTPUT, MODEL = 0, 1, 2, 3, 4, 5

_DESCRIPTION = """Follow one object through a video, given its box in the first frame.

  mixformer demo                                  track the bundled clip
  mixformer track clip.mp4 --box 260 29 41 142    write clip_tracked.mp4
  mixformer track-all jobs.csv --out tracked      many videos, several at once
  mixformer web                                   annotate in the browser
  mixformer models                                list the models
  mixformer evaluate --root LaSOT                 measure on a data set
"""
_EPILOG = """exit codes: 0 done; 1 another error; 2 wrong usage or box; 3 the source cannot be read, or ends
too early (the frames before are tracked and written); 4 a result cannot be written; 5 the model
cannot be used; 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by closing the terminal (the files
written until then are valid)."""


# Each is a module of this folder with a DESCRIPTION and the functions `add_options` and `run`.
_VERBS = (
    *("track", "demo", "track-all", "annotate", "web", "inspect", "models", "info", "completion", "doctor", "convert"),
    *("export", "prune", "calibrate", "train", "finetune", "pipeline", "ablate", "recipes", "data", "evaluate"),
    *("submit", "report", "bench", "vot"),
)


def _module(verb: str) -> Any:
    """Import the module of a verb, which is done only when the verb is used."""
    return import_module(f"mixformer.cli.{'train_route' if verb == 'pipeline' else verb.replace('-', '_')}")


def build_parser(only: str | None = None) -> ArgumentParser:
    """Make the parser of the command line, if wanted with a single verb, since the modules of all take a while."""
    parser = make_parser(_DESCRIPTION, prog="mixformer", epilog=_EPILOG, version=__version__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error, and more messages")
    verbs = parser.add_subcommands(
        required=True, metavar="COMMAND", title="commands (each has --help)", description=None
    )
    for name in _VERBS if only is None else [only]:
        module = _module(name)
        add_verb(verbs, name, module.DESCRIPTION, module.add_options)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the arguments of the process, and return the exit code."""
    be_robust()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            return _main(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        drop_output(sys.stdout)
        return OK
    except OSError as error:  # as that of `--help`, which ends by SystemExit
        if "--debug" in words:  # it may be any error, which has said nothing yet
            raise
        drop_output(sys.stdout)
        _say_error(make_console(stderr=True), no_place(error))
        return OUTPUT


def _main(arguments: Sequence[str]) -> int:
    warnings.filterwarnings("default", r".* is now called ", DeprecationWarning)
    if "--debug" not in arguments:
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    words = spread_box(renew(arguments))
    if words[:1] == ["help"]:  # `mixformer help track` is `mixformer track --help`
        words = [*words[1:], "--help"]
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in _VERBS:
        make_parser("", prog="mixformer", usage=_USAGE).error(no_command(first, _VERBS))
    if not words:
        build_parser().print_help()
        return OK
    settings = build_parser(first).parse_args(words)
    errors = make_console(stderr=True)
    _set_up_logging(errors, settings.debug)
    try:
        os.getcwd()  # without a current folder, libraries end the process
        with stops_as_errors(), pipes_kept(), explain_missing(f"mixformer {settings.subcommand}"):
            _module(settings.subcommand).run(settings[settings.subcommand])
    except KeyboardInterrupt as stop:
        errors.print("stopped; the files written so far are valid")
        return exit_code_of_stop(stop)
    except (MixFormerError, MemoryError, OSError, RuntimeError) as error:
        said = str(error) if isinstance(error, MixFormerError) else _what_ran_out(error)
        if settings.debug or said is None:
            raise
        _say_error(errors, said)
        return exit_code(error)
    return OK


def _say_error(console: Console, said: str) -> None:
    console.print(Text.assemble(("error:", "bold red"), f" {said}"))


def _what_ran_out(error: MemoryError | OSError | RuntimeError) -> str | None:
    """Advice for an error of the system that can come from anywhere; None for another error."""
    if isinstance(error, MemoryError):
        return "the memory is full; close other programs, or take fewer workers, smaller batches or a smaller model"
    if isinstance(error, RuntimeError):  # Python has no class of its own for this
        return f"{error}; {_NO_THREAD}" if "start new thread" in str(error) else None
    if error.errno == errno.ENOENT and error.filename is None:
        return f"the current folder does not exist any more; go to another one ({error})"
    advice = _OF_LIMITS.get(error.errno or 0) or remedy(error, "the system refused this; check the path")
    return f"{advice} ({error})"


_NO_THREAD = "raise the limits, as with `ulimit -u` and `ulimit -v`, or take fewer workers and --threads"
_OF_LIMITS = {
    errno.EMFILE: "too many files are open; raise the limit, as with `ulimit -n 1024`, or take fewer workers",
    errno.ENFILE: "too many files are open on this machine; close other programs",
    errno.EAGAIN: _NO_THREAD,
    errno.ENOMEM: "the memory is full; close other programs, or take fewer workers",
}


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    if not isinstance(error, MixFormerError):
        return OUTPUT if isinstance(error, OSError) and remedy(error, "") else FAILED
    for kind, code in ((SourceError, SOURCE), (OutputError, OUTPUT), (CheckpointError, MODEL)):
        if isinstance(error, kind):
            return code
    return USAGE if isinstance(error, ValueError) else FAILED


class _Messages(logging.Handler):
    """Prints messages as lines that begin with their level."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        self._console.print(f"{record.levelname.lower()}: {printable(self.format(record))}")


def _set_up_logging(console: Console, debug: bool) -> None:
    level = logging.INFO if debug else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Messages(console)], force=True)
    logging.getLogger("libav").setLevel(logging.CRITICAL)  # we report unreadable frames ourselves
