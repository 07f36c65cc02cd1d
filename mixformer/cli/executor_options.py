"""Options for where tasks run: in this process, in worker processes, or on a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import Namespace

from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.run.executor import Executor


def add_executor(parser: Any, workers: int, what: str) -> None:
    """Add the options that `executor_from` reads.

    Args:
        parser: or a group of options in one.
        workers: default of --workers.
        what: explains --workers.
    """
    parser.add_argument("--workers", type=int, default=workers, help=what)
    parser.add_argument(
        "--executor",
        type=Literal["local", "ray"],
        default="local",
        help="ray: use a Ray cluster. Needs: pip install 'mixformer[ray]'",
    )
    parser.add_argument(
        "--address", type=str | None, default=None, help="the Ray cluster; default: RAY_ADDRESS, else this machine"
    )
    parser.add_argument("--gpus", type=float, default=0.0, help="GPUs per Ray worker; 0.5: two workers on one")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def executor_from(options: Namespace, cpus: int = 1) -> Executor:
    """The executor that the options describe.

    Args:
        options: of the command line.
        cpus: that a worker takes on a cluster.

    Raises ConfigError for a number of workers out of range.
    """
    from mixformer.run.executor import SerialExecutor
    from mixformer.run.process_executor import ProcessExecutor

    if options.executor == "ray":
        from mixformer.run.ray_executor import RayExecutor

        return RayExecutor(options.workers, address=options.address, cpus=cpus, gpus=options.gpus)
    if options.workers < 0 or cpus < 1:
        raise ConfigError("--workers must be 0 or more, and --threads 1 or more")
    return ProcessExecutor(options.workers) if options.workers else SerialExecutor()
