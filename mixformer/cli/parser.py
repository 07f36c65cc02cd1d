"""Shared parts of the command line: parsers, groups of commands, and options of several commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.help_text import HelpFormatter
from mixformer.cli.usage import Parser
from mixformer.configs.runtime import Runtime
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.run.executor import Executor

Command = tuple[str, Callable[[ArgumentParser], None], Callable[[Namespace], None]]
"""Help text of a command, the function that adds its options, and the function that runs it."""


def make_parser(description: str, **options: Any) -> ArgumentParser:
    """A parser with a multi-line description; its first line is the summary shown in the list of verbs."""
    return Parser(description=description, formatter_class=HelpFormatter, **options)


def add_verb(verbs: Any, name: str, description: str, add_options: Callable[[ArgumentParser], None]) -> None:
    """Add a command to the result of `add_subcommands`; its description's first line is shown in the list."""
    made = make_parser(description)
    verbs.add_subcommand(name, made, help=description.split("\n")[0])
    add_options(made)  # at the end, since jsonargparse wants commands of a group added after the group


@dataclass(frozen=True)
class CommandGroup:
    """A command that consists of other commands, such as `mixformer data check`."""

    commands: Mapping[str, Command]  # the commands by name

    def add_options(self, made: ArgumentParser) -> None:
        """Add the commands."""
        title = "what to do (each has --help)"
        added = made.add_subcommands(required=True, metavar="COMMAND", title=title, description=None)
        for name, (description, add_options, _) in self.commands.items():
            add_verb(added, name, description, add_options)

    def run(self, options: Namespace) -> None:
        """Run the command that was asked for."""
        self.commands[options.subcommand][2](options[options.subcommand])


def add_option(parser: Any, name: str, kind: Any, text: str, default: Any = None, **more: Any) -> None:
    """Add an option with a value to a parser or a group; one without a default may be missing, and is None then."""
    may_be_none = default is None and not more.keys() & {"required", "nargs"}
    parser.add_argument(name, type=kind | None if may_be_none else kind, default=default, help=text, **more)


def add_flag(parser: Any, name: str, text: str) -> None:
    """Add an option without a value."""
    parser.add_argument(name, action="store_true", help=text)


def add_source(parser: ArgumentParser, frame: str) -> None:
    """Add the video and --box, which belongs to `frame`, such as "the first frame"."""
    source = "video file, folder of pictures, webcam number, or rtsp:// or http:// address"
    parser.add_argument("source", type=str, help=source)
    add_box(
        parser,
        f"target in {frame}, in pixels; X,Y,W,H or a line of JSON results works too; without it, you draw it in a "
        "window",
    )


def add_box(parser: ArgumentParser, text: str) -> None:
    """Add --box; `text` is its help."""
    add_option(parser, "--box", float, text, nargs=4, metavar=("X", "Y", "W", "H"))


def add_model(parser: ArgumentParser) -> None:
    """Add --model."""
    add_option(parser, "--model", str, "name, folder or checkpoint file of a model", DEFAULT_MODEL)


def add_runtime(parser: Any, threads: int | None = None) -> None:
    """Add --engine, --device, --precision and --threads, which `runtime_from` reads, to a parser or a group.

    `threads` is the default of --threads; None leaves it to the engine.
    """
    from mixformer.engines import ENGINES

    engines = ", ".join(f"{spec.name} ({spec.title})" for spec in ENGINES.values())
    engine = f"what runs the network: auto (the fastest engine available), {engines}. See docs/engines.md"
    precision = (
        "float32, bfloat16 (about twice as fast on processors that have it: see mixformer info), float16, int8 "
        "(OpenVINO), or auto (bfloat16 on a GPU, and in OpenVINO on a processor where it is faster; else float32)"
    )
    shown = "the engine's own number" if threads is None else threads
    add_option(parser, "--engine", str, engine, "auto")
    add_option(parser, "--device", str, "auto, cpu, cuda, cuda:N or mps", "auto")
    add_option(parser, "--precision", str, precision, "auto")
    parser.add_argument(
        "--threads",
        type=int | None,
        default=threads,
        help=f"CPU threads of the engine, in each process; default: {shown}",
    )


def runtime_from(options: Namespace) -> Runtime:
    """The runtime that the options of `add_runtime` describe; "auto" for each option that a command lacks.

    Raises ConfigError if one of them is wrong.
    """
    names = (field.name for field in fields(Runtime))
    return Runtime(**{name: options[name] for name in names if name in options})


def add_changes(parser: ArgumentParser, text: str) -> None:
    """Add --set, which changes fields of a recipe and may be given several times; `text` is its help."""
    parser.add_argument("--set", type=str, nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=text)


def add_training_device(parser: ArgumentParser) -> None:
    """Add --device of the commands that train."""
    add_option(parser, "--device", str, "auto, cpu, cuda or cuda:N", "auto")


def add_scale(made: ArgumentParser) -> None:
    """Add the options of the commands that train several recipes."""
    scale = "paper: the published size. tiny: small networks, for a try"
    data = "paper: folder of the data sets, by default data. tiny: folder of annotated sequences"
    add_option(made, "--scale", Literal["paper", "tiny"], scale, "paper")
    add_option(made, "--data", Path, data, metavar="ROOT")
    add_option(made, "--steps", int, "tiny: optimizer steps of each stage; 0: some minutes in all", 0)
    add_training_device(made)


def add_split(parser: ArgumentParser) -> None:
    """Add --split of the commands that measure on a data set."""
    add_option(parser, "--split", str, "split of the data set; default: test, else val", "")


def add_quiet(parser: Any) -> None:
    """Add --quiet."""
    add_flag(parser, "--quiet", "print nothing but errors")


def add_overwrite(parser: ArgumentParser) -> None:
    """Add --overwrite, which lets a command replace its own earlier result."""
    add_flag(parser, "--overwrite", "replace an earlier result when the new one is complete")


def add_executor(parser: Any, workers: int, what: str) -> None:
    """Add the options that `executor_from` reads, and --quiet, to a parser or a group.

    `workers` is the default of --workers, and `what` explains it.
    """
    ray = "ray: use a Ray cluster. Needs: pip install 'mixformer[ray]'"
    add_option(parser, "--workers", int, what, workers)
    add_option(parser, "--executor", Literal["local", "ray"], ray, "local")
    add_option(parser, "--address", str, "the Ray cluster; default: RAY_ADDRESS, else this machine")
    add_option(parser, "--gpus", float, "GPUs per Ray worker; 0.5: two workers on one", 0.0)
    add_quiet(parser)


def executor_from(options: Namespace, cpus: int = 1) -> Executor:
    """Make the executor that the options describe; each worker takes so many `cpus` of a cluster.

    Raises ConfigError for a number out of range, or options of a cluster without one.
    """
    from mixformer.run.executor import SerialExecutor
    from mixformer.run.process_executor import ProcessExecutor

    require_cluster(options)
    if options.executor == "ray":
        from mixformer.run.ray_executor import RayExecutor

        return RayExecutor(options.workers, address=options.address, cpus=cpus, gpus=options.gpus)
    if options.workers < 0 or cpus < 1:
        raise ConfigError("--workers must be 0 or more, and --threads 1 or more")
    return ProcessExecutor(options.workers) if options.workers else SerialExecutor()


def require_cluster(options: Namespace) -> None:
    """Raise ConfigError for options of `add_executor` that are of a Ray cluster, where none is wanted."""
    if options.executor != "ray" and (options.address is not None or options.gpus):
        raise ConfigError("--address and --gpus are of a Ray cluster; give --executor ray too, or leave them out")
