"""Fine-tune a model on your own annotated videos: the work of `mixformer finetune`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from mixformer.configs.argument_checks import checked
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.data.sampling import Mixture, Negatives
from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.engines.torch_engine import TorchEngine, find_device
from mixformer.errors import ConfigError, OutputError, counted
from mixformer.evaluation.metrics import SequenceResult, bin_scores, score_pairs
from mixformer.evaluation.sequence_runner import track_all
from mixformer.files.partial_names import real_path
from mixformer.files.places import require_place
from mixformer.models import MixFormer
from mixformer.training.build_data import mixture_dataset
from mixformer.training.distributed import Distributed
from mixformer.training.metric_logger import as_logged
from mixformer.training.own_videos import HeldBack, OwnVideoSamples, open_videos, shorten, split_videos
from mixformer.training.platt import cross_calibrated, fit_scale, joined, keeps_low_scores
from mixformer.training.recipe import Recipe
from mixformer.training.signals import only_writer
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Trainer, precision_on
from mixformer.training.tuning_results import (
    BESIDE,
    PLAN,
    REPORT,
    UNFINISHED,
    FineTuned,
    TrackingNumbers,
    TuningPlan,
    begin_run,
    best_step,
    numbers_of,
)
from mixformer.weights.load_save import ModelWeights, load_weights, network_of, save_weights
from mixformer.weights.state_dicts import scale_score
from mixformer.weights.tracker_settings import load_tracker_config

Tell = Callable[[str], None]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, the units done and all units."""

_CHECKS, _TIMED = 8, 3  # checks of a whole run; steps that are timed before it
_CHOOSE_FRAMES, _MEASURE_FRAMES = 240, 600  # tracked for each check, and before and after
_FEWEST, _MOST_STEPS, _CLEARLY = 16, 4000, 0.02  # steps of a run; least gain of the calibration error


@checked
def finetune(
    data: str | Path,
    out: str | Path,
    *,
    model: str | Path = DEFAULT_MODEL,
    minutes: float = 10.0,
    steps: int = 0,
    changes: Iterable[str] = (),
    device: str = "cpu",
    overwrite: bool = False,
    tell: Tell = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> FineTuned:
    """Fine-tune a model on your own annotated videos, and measure what it gains on videos that it did not see.

    A fifth of the videos is held back. During training the averaged weights track some of these; the best ones are
    kept, and the run ends early when it no longer gets better. The score is trained with the box, so that it stays the
    probability that the box is right, and calibrated afterwards if that helps.

    Args:
        data: folder of sequences, JSON file, public data set, or annotation project (`NAME.mixformer.json`).
        out: model folder to write; `out/run` holds what is needed to resume.
        model: name, folder or checkpoint file to start from.
        minutes: time to aim at, all measurements included. The number of steps follows from the speed of the machine.
        steps: optimizer steps; 0 = as many as fit into `minutes`.
        changes: "key=value", fields of the recipe `finetune` to change, such as "optimizer.lr=5e-5".
        device: "cpu", "cuda" or "cuda:N".
        overwrite: start again if there is a run in `out`. If that is interrupted, the same call without it resumes.
        tell: gets lines about what was found and decided.
        progress: gets what is being done and how much of it.

    Raises:
        DataError: if the data has errors (the message lists them), or there is too little of it.
        ConfigError: if a change is wrong, or the run in `out` has other settings.
        CheckpointError: if the start weights cannot be used.
        OutputError: if `out` holds something else, or another process is training there.
        TrainingDivergedError: if the loss is not a finite number.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the same call resumes the run.

    Example:
        >>> from mixformer.training import finetune
        >>> finetune("no/such/folder", "mine")
        Traceback (most recent call last):
        mixformer.errors.DataError: no/such/folder is not there; ...
    """
    if minutes <= 0 or steps < 0:
        raise ConfigError("minutes must be above 0, and steps 0 or more")
    out = Path(out)
    _require_free(out, overwrite)
    settings: dict[str, Any] = {"data": str(real_path(Path(data))), "model": str(model), "changes": list(changes)}
    with only_writer(out / "run", beside=BESIDE):
        sequences, problems = open_videos(Path(data), out / "run" / "data", fresh=overwrite)
        for each in problems:
            tell(f"{each.level}: {each.sequence}: {each.text}\n    {each.advice}")
        job = _Job(
            out, settings, load_weights(model), load_tracker_config(model), str(find_device(device)), tell, progress
        )
        recipe = job.recipe()
        parts, notes = split_videos(sequences, recipe.seed)
        for text in notes:
            tell(f"note: {text}")
        return job.run(recipe, parts, minutes, steps, fresh=overwrite)


def _require_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder that holds something else than a run of this kind, or a finished one."""
    require_place(out, overwrite=True)
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "run").is_dir())):
        raise OutputError(f"{out} exists and holds no fine-tuning; give a new folder")
    if (out / REPORT).is_file() and not overwrite and not (out / "run" / UNFINISHED).exists():
        raise OutputError(f"{out} holds a finished model; give another folder, or --overwrite to train it again")


@dataclass(frozen=True)
class _Job:
    """One fine-tuning: where it starts from and where it writes to."""

    out: Path
    settings: dict[str, Any]  # what the caller asked for
    start: ModelWeights
    tracker: TrackerConfig
    device: str
    tell: Tell
    progress: Progress

    def recipe(self) -> Recipe:
        """Settings of the run: the recipe `finetune`, for this network and tracker."""
        config = self.start.config
        recipe = Recipe.from_toml("finetune", self.settings["changes"])
        known = config.name if config.name in MODELS else DEFAULT_MODEL
        overrides = {} if MODELS[known] == config else config.to_dict()
        crops = recipe.crops.replace(
            search_factor=self.tracker.search_factor, template_factor=self.tracker.template_factor
        )
        loss, data = recipe.loss, recipe.data
        if not config.predicts_edges:
            loss = loss.replace(dfl=0.0)
        if config.score not in ("token", "token_mean"):
            loss, data = loss.replace(score=0.0), data.replace(negatives=0.0)
            if config.score != "none":
                self.tell("note: the score head of this model is not trained with the box; calibrate the result")
        return recipe.replace(
            model=known, model_overrides=overrides, init_from=str(self.settings["model"]), crops=crops, loss=loss,
            data=data, val_data=str(self.settings["data"]),
        )  # fmt: skip

    def run(self, recipe: Recipe, parts: HeldBack, minutes: float, steps: int, *, fresh: bool) -> FineTuned:
        """Train, choose the best weights and measure them; or go on with it."""
        choose = measure = shorten(parts.choose, _CHOOSE_FRAMES)
        if parts.measure is not parts.choose:
            measure = shorten(parts.measure, _MEASURE_FRAMES)
        names = tuple(tuple(each.name for each in part) for part in (parts.train, choose, measure))
        plan = None if fresh else self.earlier_plan(names)
        if plan is None:
            plan = self.make_plan(recipe, parts, choose, measure, minutes, steps)
        recipe = recipe.replace(
            max_steps=plan.steps, val_interval=plan.interval, save_interval=plan.interval, precision=plan.precision
        )
        trainer = self.trainer(recipe, parts.train, self.out / "run")
        if not trainer.resume():
            trainer.best = as_logged(plan.start)  # weights worse than those of the start are not kept
        trainer.run(
            progress=lambda step, means: self.progress("training", step, plan.steps),
            validate=lambda network: self.check(network, choose, trainer),
            begun=lambda: recipe.to_file(self.out / "run" / "recipe.json"),
        )
        chosen = best_step(self.out / "run" / "log.jsonl", plan.start)
        best = load_weights(self.out / "run" / "best") if chosen else self.start
        weights, scale, offset = self.calibrated(ModelWeights(best.config, best.state, self.start.tracker), choose)
        after = numbers_of(self.track(network_of(weights), measure, "measuring the result"))
        save_weights(weights, self.out)
        before = TrackingNumbers.from_dict(plan.before)
        done = FineTuned(self.out, before, after, trainer.step, chosen, trainer.stopped_early, scale, offset)
        done.save(plan)
        return done

    def earlier_plan(self, names: tuple[tuple[str, ...], ...]) -> TuningPlan | None:
        """Read the plan of an interrupted run, whose parts held sequences of these names; None if there is none."""
        path = self.out / "run" / PLAN
        if not path.is_file():
            return None
        plan = TuningPlan.from_file(path)
        plan.require_same(self.out, self.settings, names)
        self.tell(f"resuming a run of {plan.steps} steps")
        return plan

    def make_plan(
        self,
        recipe: Recipe,
        parts: HeldBack,
        choose: Sequence[VideoSequence],
        measure: Sequence[VideoSequence],
        minutes: float,
        steps: int,
    ) -> TuningPlan:
        """Measure the start weights and the speed of this machine, and decide on the number of steps."""
        begin = time.perf_counter()
        self.tell(f"tracking {counted(len(measure), 'held-back sequence')} before training")
        network = network_of(self.start)
        before = numbers_of(self.track(network, measure, "measuring the start"))
        measured = time.perf_counter() - begin
        start, check = before.auc, measured
        if choose is not measure:
            start = numbers_of(self.track(network, choose, "measuring the start")).auc
            check = time.perf_counter() - begin - measured
        recipe = recipe.replace(precision=precision_on(self.device, recipe.precision))
        if not steps:
            step = self.seconds_of_step(recipe, parts.train)
            left = 60 * minutes - (time.perf_counter() - begin) - measured - (_CHECKS + 1) * check
            steps = int(min(_MOST_STEPS, max(_FEWEST, left / step)))
        interval = max(1, steps // _CHECKS)
        train, chosen, measured_names = (tuple(each.name for each in part) for part in (parts.train, choose, measure))
        plan = TuningPlan(
            self.settings, steps, interval, recipe.precision, train, chosen, measured_names, start, before.to_dict()
        )
        begin_run(self.out / "run", plan)
        self.tell(
            f"{counted(len(train), 'sequence')} to train on; held back: {len(chosen)} to choose the best weights, "
            f"{len(measured_names)} to measure{' (the same)' if choose is measure else ''}\n"
            f"{counted(steps, 'step')} of {recipe.batch_size} samples, checked every {interval}; success AUC at the "
            f"start: {100 * start:.1f} where weights are chosen, {100 * before.auc:.1f} where they are measured"
        )
        return plan

    def seconds_of_step(self, recipe: Recipe, sequences: list[VideoSequence]) -> float:
        """Train a few steps on the side, and return the seconds of one."""
        marks: list[float] = []
        with TemporaryDirectory() as place:
            trial = self.trainer(recipe.replace(max_steps=_TIMED, save_interval=10**9), sequences, Path(place))
            trial.run(progress=lambda step, means: marks.append(time.perf_counter()))
        return (marks[-1] - marks[0]) / (len(marks) - 1)

    def trainer(self, recipe: Recipe, sequences: list[VideoSequence], folder: Path) -> Trainer:
        """Build a trainer that begins with the start weights."""
        torch.manual_seed(recipe.seed)
        source = OwnVideoSamples(sequences, ImageCache(recipe.data.cache_mb), recipe.data.max_gap)
        mixture = Mixture([source], [1.0], Negatives(recipe.data.negatives, "absent"))
        dataset = mixture_dataset(mixture, recipe, self.start.config)
        stage = build_stage(network_of(self.start), recipe, None)
        return Trainer(stage, dataset, recipe, folder, Distributed(device=torch.device(self.device)))

    def track(self, network: MixFormer, sequences: Sequence[VideoSequence], what: str) -> list[SequenceResult]:
        """Track sequences with the tracker's own settings."""

        def counting() -> Iterator[VideoSequence]:
            for number, sequence in enumerate(sequences):
                self.progress(what, number, len(sequences))
                yield sequence

        return list(track_all(TorchEngine(network, self.device), counting(), self.tracker))

    def check(self, network: MixFormer, sequences: Sequence[VideoSequence], trainer: Trainer) -> float:
        """Success AUC on the sequences that choose the weights."""
        auc = numbers_of(self.track(network, sequences, f"checking step {trainer.step}")).auc
        verdict = "best so far" if auc > trainer.best else f"best: {100 * trainer.best:.1f}"
        self.tell(f"step {trainer.step}: success AUC {100 * auc:.1f} ({verdict})")
        return auc

    def calibrated(
        self, weights: ModelWeights, sequences: Sequence[VideoSequence]
    ) -> tuple[ModelWeights, float, float]:
        """Calibrate the score on the sequences that choose the weights, if that clearly helps on others of them."""
        if weights.config.score == "none":
            return weights, 1.0, 0.0
        pairs = [
            pair for pair in score_pairs(self.track(network_of(weights), sequences, "calibrating")) if len(pair[0])
        ]
        if len(pairs) < 2 or len(set(joined(pairs)[1].tolist())) < 2:
            return weights, 1.0, 0.0
        before, after = (bin_scores(*joined(each)).error for each in (pairs, cross_calibrated(pairs)))
        scale, offset = fit_scale(*joined(pairs))
        if after > before - _CLEARLY or not keeps_low_scores(scale, offset, self.tracker.lost_below):
            return weights, 1.0, 0.0
        state = scale_score(weights.state, weights.config, scale, offset)
        return ModelWeights(weights.config, state, weights.tracker), scale, offset
