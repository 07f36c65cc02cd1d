"""Do tasks on a Ray cluster (`pip install 'mixformer[ray]'`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from mixformer.errors import ConfigError, MixFormerError
from mixformer.optional import load
from mixformer.run.executor import Completed, Events, Failed, Maker, Tasks, Work, attempt, began

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds without news before a warning


class RayExecutor:
    """Do the tasks with Ray actors on the machines of a cluster.

    If an actor dies, Ray starts it again, perhaps on another machine, and repeats its task. Every machine needs the
    same Python packages, and the model and the pictures under the same paths. Only the caller writes results.

    Example:
        >>> from mixformer.run import RayExecutor
        >>> RayExecutor(workers=0)
        Traceback (most recent call last):
        mixformer.errors.ConfigError: workers must be 1 or more and retries 0 or more, not 0 and 3
    """

    def __init__(
        self, workers: int = 1, *, address: str | None = None, cpus: float = 1, gpus: float = 0, retries: int = 3
    ) -> None:
        """Connect to the cluster, unless this process is connected already.

        Args:
            workers: number of actors, 1 or more.
            address: address of the cluster, such as "auto" or "ray://HOST:10001". None takes the variable RAY_ADDRESS
                or, without it, starts Ray on this machine.
            cpus: number of CPUs for an actor.
            gpus: number of GPUs for an actor; below 1 if several share one.
            retries: number of times that a task is repeated after its actor died.

        Raises:
            ConfigError: for numbers out of range, or if there is no cluster at that address.
            MissingDependencyError: if Ray is not installed.
        """
        if workers < 1 or retries < 0:
            raise ConfigError(f"workers must be 1 or more and retries 0 or more, not {workers} and {retries}")
        self._ray = ray = load("ray", "a Ray cluster")
        self.workers, self.cpus, self.gpus, self.retries = workers, cpus, gpus, retries
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ConfigError(
                    f"no Ray cluster at {address or 'the default address'}: {error}; start one, or check the address"
                ) from error

    def run(self, make: Maker, tasks: Tasks) -> Events:
        """See `Executor.run`; steps are not reported."""
        ray = self._ray
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_restarts": -1, "max_task_retries": self.retries}
        remote = ray.remote(**options)(_Actor)
        actors = [remote.remote(make, number) for number in range(self.workers)]
        try:
            yield from self._feed(actors, iter(tasks))
        finally:
            for actor in actors:
                ray.kill(actor)

    def _feed(self, actors: list[Any], tasks: Iterator[tuple[str, Any]]) -> Events:
        """Give each running actor one task at a time."""
        ray = self._ray
        running: dict[Any, tuple[Any, str]] = {actor.start.remote(): (actor, "") for actor in actors}
        task = next(tasks, None)
        while task or any(name for _, name in running.values()):
            done, _ = ray.wait(list(running), num_returns=1, timeout=_PATIENCE)
            if not done:
                if not any(name for _, name in running.values()):
                    log.warning(
                        "no worker could start yet: each needs %g CPUs and %g GPUs, but the cluster has only %s free",
                        self.cpus,
                        self.gpus,
                        {kind: ray.available_resources().get(kind, 0) for kind in ("CPU", "GPU")},
                    )
                continue
            actor, name = running.pop(done[0])
            if found := self._result(done[0], name):
                yield found
            if task:
                running[actor.do.remote(*task)] = actor, task[0]
                yield began(*task)
                task = next(tasks, None)
            else:  # its place is for an actor that lost its machine, whose task would wait for ever
                actors.remove(actor)
                ray.kill(actor)

    def _result(self, done: Any, name: str) -> Completed | Failed | None:
        """Return the result of a task, or None for an actor that has started. Raises MixFormerError if it could not."""
        errors = self._ray.exceptions
        try:
            found: Completed | Failed | str | None = self._ray.get(done)
        except errors.RayTaskError as error:
            raise MixFormerError(f"a worker failed outside its task: {error}") from error
        except errors.RayError as error:
            if not name:
                raise MixFormerError(f"a worker could not be made: {error}") from error
            return Failed(name, f"its worker died {self.retries + 1} times (out of memory?): {error}")
        if isinstance(found, str):
            raise MixFormerError(f"a worker could not be made: {found}")
        return found


class _Actor:
    """A worker. A separate call makes it, so that its errors can be reported."""

    def __init__(self, make: Maker, number: int) -> None:
        self._make, self._number = make, number
        self._work: Work | None = None

    def start(self) -> str | None:
        """Make the worker; return the reason if that fails, else None."""
        try:
            self._work = self._make(self._number)
        except Exception as error:  # a string can always be sent back
            return f"{type(error).__name__}: {error}"
        return None

    def do(self, name: str, task: Any) -> Completed | Failed | str:
        """Do a task and return its result, or the reason why the worker could not be made."""
        if self._work is None and (reason := self.start()):  # Ray has restarted this actor
            return reason
        assert self._work is not None
        return attempt(self._work, name, task, lambda steps: None)
