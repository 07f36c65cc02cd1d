"""Curves in other programs, written by a whole run, and read again by these programs."""

import sys

import pytest

from mixformer.errors import MissingDependencyError
from mixformer.training import train
from mixformer.training.metric_boards import BOARDS
from mixformer.training.metric_logger import MetricLogger
from tests.training.test_stages import RECIPE

TINY = RECIPE.replace(
    model="mixformerv2_s",
    model_overrides={"depth": 1, "dim": 32, "heads": 2, "search_size": 64, "template_size": 32},
    max_steps=2,
)


def test_mlflow_has_the_values_of_a_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train(TINY.replace(mlflow=True), tmp_path / "one", dry_run=True)
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "one" / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("mixformer").experiment_id])
    assert run.info.run_name == "one"
    assert run.info.status == "FINISHED"
    assert client.get_metric_history(run.info.run_id, "loss")[-1].step == 2


def test_weights_and_biases_stays_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    train(TINY.replace(wandb=True), tmp_path / "one", dry_run=True)
    (written,) = (tmp_path / "one" / "wandb").glob("offline-run-*/*.wandb")
    content = written.read_bytes()
    assert b"loss" in content
    assert b"samples_per_second" in content


@pytest.mark.parametrize("name", BOARDS)
def test_a_missing_package_is_named_before_anything_is_written(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard" if name == "tensorboard" else name, None)
    with pytest.raises(MissingDependencyError, match=rf"mixformer\[{name}\]"):
        MetricLogger(tmp_path, 1, 1, boards=TINY.replace(**{name: True}).boards)
    assert not list(tmp_path.iterdir())
    MetricLogger(tmp_path, 1, 1, boards=[name], enabled=False)  # of several processes, only the first writes
