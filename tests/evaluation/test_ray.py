"""The same job on a Ray cluster of two nodes on this machine: equal results, killed workers, failures."""

import pytest

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Runtime
from mixformer.errors import ConfigError, MixFormerError
from mixformer.evaluation.runs import EvaluationRun, run_evaluation
from mixformer.run.process_executor import ProcessExecutor
from mixformer.run.ray_executor import RayExecutor
from mixformer.tracking.factory import TrackerFactory
from tests.helpers import trackers
from tests.helpers.trackers import CannotStart, MakeBad, MakeStays, box_files, make_sequences

pytestmark = pytest.mark.sweep  # starting a cluster takes a quarter of a minute


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="pip install 'mixformer[ray]'")
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(trackers)  # this folder is not on the workers' path
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    made.add_node(**node)
    ray.init(address=made.address, log_to_driver=False)
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    return make_sequences(tmp_path_factory.mktemp("data"))


def test_results_are_those_of_one_process(cluster, tiny_model, sequences, tmp_path):
    plan = TrackerFactory(str(tiny_model), TrackerConfig(update_interval=2), Runtime(device="cpu"))
    found = []
    for name, executor in (("ray", RayExecutor(2)), ("local", ProcessExecutor(1))):
        outcome = run_evaluation(EvaluationRun(name, "squares", sequences, plan, tmp_path), executor)
        assert sorted(outcome.done) == ["clip_0", "clip_1", "clip_2"]
        found.append(box_files(outcome.folder))
    assert found[0] == found[1]


def test_a_killed_worker_is_replaced_and_its_sequence_tried_again(cluster, sequences, tmp_path):
    job = EvaluationRun("bad", "squares", sequences, MakeBad("die once", tmp_path / "mark"), tmp_path)
    outcome = run_evaluation(job, RayExecutor(2))
    assert (tmp_path / "mark").exists()
    assert sorted(outcome.done) == ["clip_0", "clip_1", "clip_2"]
    assert not outcome.failed


def test_failures_stay_apart(cluster, sequences, tmp_path):
    raises = EvaluationRun("raises", "squares", sequences, MakeBad("raise", tmp_path / "mark"), tmp_path)
    assert "the tracker is tired" in run_evaluation(raises, RayExecutor(2)).failed["clip_1"]
    dies = EvaluationRun("dies", "squares", sequences, MakeBad("die", tmp_path / "mark"), tmp_path)
    outcome = run_evaluation(dies, RayExecutor(1, retries=1))
    assert list(outcome.failed) == ["clip_1"]
    assert "worker died 2 times" in outcome.failed["clip_1"]
    assert sorted(outcome.done) == ["clip_0", "clip_2"]


def test_what_cannot_work_is_one_error(cluster, sequences, tmp_path):
    with pytest.raises(MixFormerError, match=r"a worker could not be made.*no such model"):
        run_evaluation(EvaluationRun("none", "squares", sequences, CannotStart(), tmp_path), RayExecutor(1))
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        RayExecutor(0)


def test_more_workers_than_the_cluster_has_processors(cluster, sequences, tmp_path):
    outcome = run_evaluation(EvaluationRun("many", "squares", sequences, MakeStays(), tmp_path), RayExecutor(3, cpus=1))
    assert sorted(outcome.done) == ["clip_0", "clip_1", "clip_2"]
