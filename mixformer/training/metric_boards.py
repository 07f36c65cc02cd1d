"""Curves of a training run in other programs: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mixformer.optional import load, missing

_PROJECT = "mixformer"
End = Literal["finished", "stopped", "failed"]
"""How a run ended: at its last step, by Ctrl-C or SIGTERM, or with an error."""


class TensorBoard:
    """TensorBoard's files, in the folder `tensorboard` of the run."""

    def __init__(self, make: Callable[..., Any], folder: Path, start: int) -> None:
        self._writer = make(str(folder / "tensorboard"), purge_step=start + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, end: End) -> None:
        """End the run there; its files do not say how."""
        self._writer.close()


class WandbBoard:
    """A run of Weights & Biases; it stays in the folder `wandb` of the run unless WANDB_MODE says "online"."""

    def __init__(self, wandb: Any, folder: Path) -> None:
        self._run = wandb.init(
            project=_PROJECT,
            name=folder.resolve().name,
            dir=str(folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(console="off", silent=True, disable_code=True, disable_git=True),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of a step."""
        self._run.log(dict(values), step=step)

    def close(self, end: End) -> None:
        """End the run there."""
        self._run.finish(exit_code={"finished": 0, "stopped": 255, "failed": 1}[end])  # 255 reads "killed" there


class MlflowBoard:
    """A run of MLflow, in the folder `mlruns` of the run or at MLFLOW_TRACKING_URI."""

    def __init__(self, mlflow: Any, folder: Path) -> None:
        address = os.environ.get("MLFLOW_TRACKING_URI")
        if not address:
            # MLflow 3 prefers a database, which needs more packages than its small edition has.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            address = (folder / "mlruns").resolve().as_uri()
        self._client = mlflow.MlflowClient(tracking_uri=address)
        known = self._client.get_experiment_by_name(_PROJECT)
        experiment = known.experiment_id if known else self._client.create_experiment(_PROJECT)
        self._run = self._client.create_run(experiment, run_name=folder.resolve().name).info.run_id

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of a step."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def close(self, end: End) -> None:
        """End the run there."""
        self._client.set_terminated(self._run, {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}[end])


MetricBoard = TensorBoard | WandbBoard | MlflowBoard
BOARDS = ("tensorboard", "wandb", "mlflow")
"""Fields of a recipe that ask for a board."""


def boards_of(names: Sequence[str], folder: Path, start: int) -> list[Callable[[], MetricBoard]]:
    """Return functions that make the wanted boards. A missing package is noticed here, before anything is written."""
    made: list[Callable[[], MetricBoard]] = []
    if "tensorboard" in names:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise missing("tensorboard", "a TensorBoard log", ", or set tensorboard = false") from error
        made.append(partial(TensorBoard, SummaryWriter, folder, start))
    if "wandb" in names:
        made.append(partial(WandbBoard, load("wandb", "wandb = true in a recipe"), folder))
    if "mlflow" in names:
        made.append(partial(MlflowBoard, load("mlflow", "mlflow = true in a recipe"), folder))
    return made
