"""Curves in other programs, written by a whole run, and read again by these programs."""

import signal
import sys
from contextlib import nullcontext

import pytest

from mixformer.errors import MissingDependencyError, TrainingDivergedError
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


def test_tensorboard_reads_the_values_of_a_run(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(TINY.replace(tensorboard=True), tmp_path / "one", dry_run=True)
    found = reader.EventAccumulator(str(tmp_path / "one" / "tensorboard")).Reload()
    assert found.Scalars("loss")[-1].step == 2


ENDS = [(None, "finished"), (KeyboardInterrupt, "stopped"), (TrainingDivergedError, "failed")]


class Board:
    """A program that notes how a run ends."""

    def __init__(self):
        self.ends = []

    def write(self, step, values):
        pass

    def close(self, end):
        self.ends.append(end)
        if end != "finished":
            raise OSError("the server is gone")  # does not hide why the run ends


def run_until(error, folder, recipe=TINY):
    """Train two steps; the second ends with an error."""

    def progress(step, values):
        if step == 2 and error is not None:
            raise error("the end")

    train(recipe, folder, progress=progress, dry_run=True)


@pytest.mark.parametrize(("error", "end"), ENDS)
def test_a_run_is_ended_on_its_boards_however_it_ends(error, end, tmp_path, monkeypatch):
    board = Board()
    monkeypatch.setattr("mixformer.training.metric_logger.boards_of", lambda *_: [lambda: board])
    with nullcontext() if error is None else pytest.raises(error, match="the end"):
        run_until(error, tmp_path / "one")
    assert board.ends == [end]


@pytest.mark.parametrize(("signals", "end"), [(1, "stopped"), (0, "finished")])
def test_ctrl_c_ends_a_run_as_stopped(signals, end, tmp_path, monkeypatch):
    board = Board()
    monkeypatch.setattr("mixformer.training.metric_logger.boards_of", lambda *_: [lambda: board])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets programs behind & ignore it

    def interrupt(step, values):
        for _ in range(signals):
            signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt) if signals else nullcontext():
            train(TINY, tmp_path / "one", progress=interrupt, dry_run=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert board.ends == [end]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (TrainingDivergedError, "FAILED")])
def test_mlflow_knows_a_run_that_did_not_finish(error, status, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(error):
        run_until(error, tmp_path / "one", TINY.replace(mlflow=True))
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "one" / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("mixformer").experiment_id])
    assert run.info.status == status


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 255), (TrainingDivergedError, 1)])
def test_weights_and_biases_gets_the_exit_code_of_a_run_that_did_not_finish(error, code, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    codes, finish = [], wandb.Run.finish

    def note(run, exit_code=None, **more):
        codes.append(exit_code)
        finish(run, exit_code=exit_code, **more)

    monkeypatch.setattr(wandb.Run, "finish", note)
    with pytest.raises(error):
        run_until(error, tmp_path / "one", TINY.replace(wandb=True))
    assert codes == [code]
    assert wandb.run is None


@pytest.mark.parametrize("name", BOARDS)
def test_a_missing_package_is_named_before_anything_is_written(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard" if name == "tensorboard" else name, None)
    with pytest.raises(MissingDependencyError, match=rf"mixformer\[{name}\]"):
        MetricLogger(tmp_path, 1, 1, boards=TINY.replace(**{name: True}).boards)
    assert not list(tmp_path.iterdir())
    MetricLogger(tmp_path, 1, 1, boards=[name], enabled=False)  # of several processes, only the first writes
