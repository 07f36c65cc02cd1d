"""The measurements, decisions and result of `finetune`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mixformer.configs.base_config import BaseConfig
from mixformer.errors import ConfigError
from mixformer.evaluation.metrics import DEFAULT_CONVENTION, SequenceResult, bin_scores, compute_metrics, score_pairs
from mixformer.files import write_text
from mixformer.training.metric_logger import as_logged, read_log
from mixformer.training.platt import joined
from mixformer.training.training_state import CHECKPOINT

REPORT = "finetune.json"
"""File of the result, beside the model."""
PLAN = "plan.json"
UNFINISHED = "unfinished"
"""A file that is there from the plan to the result."""
_EARLIER = "earlier"  # what an earlier run left, until the new one is whole
BESIDE = ("data", PLAN, UNFINISHED, _EARLIER)
"""What may be in the folder of a run that has no checkpoint yet."""
_OF_A_RUN = (CHECKPOINT, "best", "log.jsonl", PLAN, "recipe.json")


@dataclass(frozen=True)
class TrackingNumbers(BaseConfig):
    """Numbers of tracked sequences, under the convention "pytracking"; fractions 0..1.

    Attributes:
        auc: success AUC, the mean over sequences.
        precision: fraction of centers within 20 pixels.
        op50: fraction of boxes with an IoU above 0.5.
        op75: fraction of boxes with an IoU above 0.75.
        ece: expected calibration error of the score; None for a model without a score.
        sequences: success AUC of each sequence.

    Example:
        >>> from mixformer.training import TrackingNumbers
        >>> TrackingNumbers(auc=0.61, precision=0.8, op50=0.75, op75=0.4, ece=0.05, sequences={"dog": 0.61}).auc
        0.61
    """

    auc: float
    precision: float
    op50: float
    op75: float
    ece: float | None
    sequences: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TuningPlan(BaseConfig):
    """Decisions of a run when it began; a resumed run reads them."""

    settings: dict[str, Any]  # what the caller asked for
    steps: int
    interval: int  # steps between checks
    precision: str
    train: tuple[str, ...]  # names of the sequences of each part
    choose: tuple[str, ...]
    measure: tuple[str, ...]
    start: float  # success AUC of the start weights on `choose`
    before: dict[str, Any]  # `TrackingNumbers` of the start weights on `measure`

    def require_same(self, out: Path, settings: Mapping[str, Any], names: tuple[tuple[str, ...], ...]) -> None:
        """Check that a call may go on with the run in `out`: its settings, and the names of the sequences of each part.

        Raises ConfigError if not: with other sequences, some that were held back would be trained on.
        """
        other = ", ".join(key for key in settings if self.settings.get(key) != settings[key])
        if other or (self.train, self.choose, self.measure) != names:
            what = f"with another value of: {other}" if other else "that began with other sequences in these data"
            raise ConfigError(
                f"{out} holds a run {what}; give the same again to resume it, or --overwrite to start anew"
            )


@dataclass(frozen=True)
class FineTuned:
    """Result of `finetune`.

    Attributes:
        folder: the model folder.
        before: numbers of the start weights on the held-back sequences that were only measured.
        after: those of the result.
        steps: steps done.
        best_step: step of the weights in `folder`; 0 if no check was better than the start, which is then the result.
        stopped_early: whether the run ended because checks no longer got better.
        scale: factor on the logit of the score, from the calibration after training; 1 without one.
        offset: added to the scaled logit; 0 without a calibration.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.training import FineTuned, TrackingNumbers
        >>> before = TrackingNumbers(auc=0.5, precision=0.7, op50=0.6, op75=0.3, ece=0.1)
        >>> done = FineTuned(Path("mine"), before, before.replace(auc=0.6), 400, 350, stopped_early=False)
        >>> round(done.gain, 3)
        0.1
    """

    folder: Path
    before: TrackingNumbers
    after: TrackingNumbers
    steps: int
    best_step: int
    stopped_early: bool
    scale: float = 1.0
    offset: float = 0.0

    @property
    def gain(self) -> float:
        """Success AUC after minus before."""
        return self.after.auc - self.before.auc

    def save(self, plan: TuningPlan) -> None:
        """Write `finetune.json`, with the names of the sequences of each part; now what it replaces may go."""
        said: Mapping[str, Any] = {
            **{name: value for name, value in asdict(self).items() if name != "folder"},
            **{name: getattr(plan, name) for name in ("settings", "train", "choose", "measure")},
        }
        write_text(self.folder / REPORT, json.dumps(said, indent=2) + "\n")
        shutil.rmtree(self.folder / "run" / _EARLIER, ignore_errors=True)
        (self.folder / "run" / UNFINISHED).unlink(missing_ok=True)


def begin_run(run: Path, plan: TuningPlan) -> None:
    """Write the plan of a new run, and set aside what an earlier one left; it comes back if the plan cannot be written.

    If the earlier run itself was to replace one, what that one left is what stays.
    """
    kept, moved = run / _EARLIER, list[str]()
    there = [name for name in _OF_A_RUN if (run / name).exists()]
    if kept.exists():
        (run / CHECKPOINT).unlink(missing_ok=True)
        there = []
    try:
        for name in there:
            kept.mkdir(exist_ok=True)
            (run / name).rename(kept / name)
            moved.append(name)
        write_text(run / UNFINISHED, "")
        plan.to_file(run / PLAN)
    except OSError:
        for name in moved:
            (kept / name).rename(run / name)
        if moved:
            kept.rmdir()
            (run / UNFINISHED).unlink(missing_ok=True)
        raise


def numbers_of(runs: Sequence[SequenceResult]) -> TrackingNumbers:
    """Measure tracked sequences."""
    summary = compute_metrics(DEFAULT_CONVENTION, runs)
    pairs = [pair for pair in score_pairs(runs) if len(pair[0])]
    return TrackingNumbers(
        auc=float(summary["auc"]),
        precision=float(summary["precision"]),
        op50=float(summary["op50"]),
        op75=float(summary["op75"]),
        ece=float(bin_scores(*joined(pairs)).error) if pairs else None,
        sequences={name: float(values["auc"]) for name, values in summary.per_sequence.items()},
    )


def best_step(log: Path, start: float) -> int:
    """Step of the best check in the log of a run; 0 if none was better than the start."""
    best, step = as_logged(start), 0
    for line in read_log(log):
        if line.get("validation", 0.0) > best:
            best, step = line["validation"], line["step"]
    return step
