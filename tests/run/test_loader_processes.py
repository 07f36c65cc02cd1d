"""Tasks in workers may have processes of their own, as a training has loaders; `make sweep` asks a Ray cluster too."""

import multiprocessing
import os
import sys

import pytest

from mixformer.run import Completed, ProcessExecutor, RayExecutor


class Loads:
    """Makes workers that let a process of their own do the work."""

    def __call__(self, number):
        def work(task, report):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                return pool.apply(abs, (task,)), pool.apply(os.getppid) == os.getpid()

        return work


def check(executor):
    events = list(executor.run(Loads(), [("a", -1), ("b", -2), ("c", -3)]))
    ended = {event.name: event.result for event in events if isinstance(event, Completed)}
    assert ended == {"a": (1, True), "b": (2, True), "c": (3, True)}, events


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_of_this_machine():
    check(ProcessExecutor(2))


@pytest.mark.sweep
def test_workers_of_ray():
    ray = pytest.importorskip("ray", reason="pip install 'mixformer[ray]'")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # this folder is not on the workers' path
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    try:
        check(RayExecutor(2))
    finally:
        ray.shutdown()
