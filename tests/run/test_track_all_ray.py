"""`mixformer track-all --executor ray` on a local cluster: results of one process, a killed worker, a broken video."""

import json
import os
import sys
from pathlib import Path

import pytest

from mixformer.cli import main
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Runtime
from mixformer.run.batch import VideoWork
from mixformer.run.executor import Completed, Failed
from mixformer.run.jobs import read_jobs
from mixformer.run.process_executor import ProcessExecutor
from mixformer.tracking.factory import TrackerFactory
from tests.helpers.clips import moving_square, write_clip

pytestmark = pytest.mark.sweep  # starting processes and a cluster takes a while

RULES = TrackerConfig(update_interval=5)


class DiesOnce:
    """Makes workers of which the first to track video "b" is killed when it has written some frames."""

    def __init__(self, plan, mark):
        self.work, self.mark = VideoWork(plan), Path(mark)

    def __call__(self, number):
        work = self.work(number)

        def track(job, report):
            if job.name == "b" and not self.mark.exists():
                job.begin()
                job.folder.mkdir(parents=True)
                (job.folder / "boxes.jsonl").write_text('{"frame": 0, "bo')
                self.mark.touch()
                os.kill(os.getpid(), 9)
            return work(job, report)

        return track


@pytest.fixture
def jobs(tmp_path):
    for name, count in (("a", 12), ("b", 9), ("c", 7)):
        write_clip(tmp_path / f"{name}.mp4", moving_square(count)[0])
    (tmp_path / "d.mp4").write_text("no video")
    rows = "".join(f"{name}.mp4,10 30 20 20\n" for name in "abcd")
    (tmp_path / "jobs.csv").write_text(f"source,box\n{rows}")
    return tmp_path / "jobs.csv"


def frames(folder):
    return [json.loads(line)["frame"] for line in (folder / "boxes.jsonl").read_text().splitlines()]


def ends(events):
    return {event.name: event for event in events if isinstance(event, Completed | Failed)}


def check(ended, out):
    assert [name for name, event in sorted(ended.items()) if isinstance(event, Completed)] == ["a", "b", "c"]
    assert "is not a video" in ended["d"].message
    assert frames(out / "b") == list(range(9))
    assert (out / "b" / "done.json").exists()


def test_a_killed_process_is_replaced_and_its_video_tracked_again(jobs, tiny_model, tmp_path):
    plan = TrackerFactory(str(tiny_model), RULES, Runtime(device="cpu", engine="torch"))
    made = DiesOnce(plan, tmp_path / "mark")
    tasks = [(job.name, job) for job in read_jobs(jobs, tmp_path / "out")]
    check(ends(ProcessExecutor(1).run(made, tasks)), tmp_path / "out")
    assert (tmp_path / "mark").exists()


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="pip install 'mixformer[ray]'")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # this folder is not on the workers' path
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    yield
    ray.shutdown()


def test_on_ray(cluster, jobs, tiny_model, tmp_path, capsys):
    from mixformer.run.ray_executor import RayExecutor

    plan = TrackerFactory(str(tiny_model), RULES, Runtime(device="cpu", engine="torch"))
    tasks = [(job.name, job) for job in read_jobs(jobs, tmp_path / "out")]
    check(ends(RayExecutor(2).run(DiesOnce(plan, tmp_path / "mark"), tasks)), tmp_path / "out")
    assert (tmp_path / "mark").exists()
    written = []
    for name, words in (("ray", ["--executor", "ray", "--workers", "2"]), ("here", ["--concurrent-videos", "1"])):
        out = tmp_path / name
        model = ["--model", str(tiny_model), "--engine", "torch", "--device", "cpu", "--threads", "1"]
        assert main(["track-all", str(jobs), "--out", str(out), *model, *words]) == 1
        assert "3 videos tracked, 28 frames" in capsys.readouterr().out
        written.append([(out / name / "boxes.jsonl").read_text() for name in "abc"])
    assert written[0] == written[1]
