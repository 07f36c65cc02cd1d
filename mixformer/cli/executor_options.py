"""Options for where tasks run: in this process, in worker processes, or on a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import Namespace

from mixformer.cli.parser import add_option, add_quiet
from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.run.executor import Executor


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

    Raises ConfigError for a number out of range.
    """
    from mixformer.run.executor import SerialExecutor
    from mixformer.run.process_executor import ProcessExecutor

    if options.executor == "ray":
        from mixformer.run.ray_executor import RayExecutor

        return RayExecutor(options.workers, address=options.address, cpus=cpus, gpus=options.gpus)
    if options.workers < 0 or cpus < 1:
        raise ConfigError("--workers must be 0 or more, and --threads 1 or more")
    return ProcessExecutor(options.workers) if options.workers else SerialExecutor()
