"""Measure in one call: `evaluate` runs a tracker on a data set, `compare` measures existing results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixformer.configs.argument_checks import checked_functions
from mixformer.configs.runtime import Runtime
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.sequence import VideoSequence
from mixformer.errors import ConfigError, shown
from mixformer.evaluation.attributes import published_attributes, read_attributes
from mixformer.evaluation.comparison import Comparison, Missing
from mixformer.evaluation.evaluation_result import EvaluationResult
from mixformer.evaluation.ground_truth import GroundTruth, open_ground_truth
from mixformer.evaluation.manifest import made_by_mixformer, read_manifest
from mixformer.evaluation.measuring import measure_results, public_truth
from mixformer.evaluation.metrics import ABSENCE_CONVENTIONS, convention_of, require_convention
from mixformer.evaluation.result_folders import ResultFolder, find_results, guess_dataset, settle_pixels
from mixformer.evaluation.runs import (
    EvaluationEvent,
    EvaluationRun,
    RunOutcome,
    RunPlanned,
    run_evaluation,
    sequence_names,
)
from mixformer.evaluation.tracker_source import name_tracker
from mixformer.files.partial_names import real_path
from mixformer.imaging.notebook_parts import NotebookBar
from mixformer.run.executor import Executor, Progressed, SerialExecutor, Started
from mixformer.run.process_executor import ProcessExecutor

if TYPE_CHECKING:
    from mixformer.evaluation.tracker_source import TrackerSource


@checked_functions
def evaluate(
    tracker: TrackerSource = DEFAULT_MODEL,
    dataset: str | Path | Sequence[VideoSequence] = "",
    *,
    root: str | Path | None = None,
    split: str = "",
    only: Iterable[str] = (),
    preset: str = "none",
    settings: Mapping[str, Any] | None = None,
    runtime: Runtime = Runtime(),
    convention: str | Iterable[str] = "",
    name: str = "",
    out: str | Path = "results",
    processes: int = 0,
    executor: Executor | None = None,
    truncate: bool = False,
    keep_one_based: bool = False,
    overwrite: bool = False,
    progress: Callable[[EvaluationEvent], None] | None = None,
) -> EvaluationResult:
    """Run a tracker on a data set, write its raw results and measure them.

    The raw results go to `out/NAME/DATASET`. A second call resumes an interrupted one if the tracker is a model name, a
    model folder or a `TrackerFactory`. Other trackers start again, and their first result replaces all earlier ones. A
    failed sequence does not stop the others.

    Args:
        tracker: name, folder or checkpoint file of a model; a loaded network or an engine; a `Tracker` or a
            `TrackerFactory`; or any object with `init(frame, box)` and `update(frame)`, see `TrackerLike`.
        dataset: name of a public data set (`mixformer data list`); "" or "own" for the sequences in `root`; your own
            folder of `NAME/img/*` with `NAME/groundtruth.txt`; or a list of `VideoSequence`.
        root: folder of the data set.
        split: split of a public data set; "" takes its test split, else its validation split, else its first.
        only: names of the sequences to track; () tracks all.
        preset: tracker settings: "none" for those stored with the model, "paper" for those published for this model on
            this data set, or a name such as "lasot@1k" (docs/presets.md).
        settings: fields of `TrackerConfig` that differ from the preset's, such as `{"update": "never"}`.
        runtime: device, engine, precision and threads of each worker.
        convention: one or several names in `CONVENTIONS`; "" takes the data set's own, else "pytracking".
        name: name of the tracker in tables and of its folder; "" takes the model's.
        out: folder for all results.
        processes: worker processes with a model each; 0 tracks in this process. Results do not depend on it.
        executor: runs the sequences instead of `processes`, for example on a Ray cluster.
        truncate: cut boxes off to whole pixels, as the official code does.
        keep_one_based: keep boxes of data sets that count pixels from 1 unchanged, as the official code does.
        overwrite: replace results made with other settings, as soon as the first new result is written.
        progress: called with every event of the run; None shows a bar in a notebook, and nothing elsewhere.

    Raises:
        ConfigError: if an argument is wrong, or the folder holds results made with other settings.
        CheckpointError: if the model is missing or cannot be used.
        DataError: if the data set is missing.
        OutputError: if a result cannot be written.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from mixformer.data import VideoSequence
        >>> from mixformer.evaluation import evaluate
        >>> frames = [Path("0.png")] * 3
        >>> Image.new("RGB", (64, 48)).save(frames[0])
        >>> sequence = VideoSequence("still", frames, np.tile([10.0, 10, 20, 20], (3, 1)))
        >>> class StaysInPlace:
        ...     def init(self, frame, box):
        ...         self.box = box
        ...
        ...     def update(self, frame):
        ...         return self.box
        >>> result = evaluate(StaysInPlace(), [sequence], out="results")
        >>> result.summary
        MetricSummary(pytracking: auc 0.952, op50 1.000, op75 1.000, precision 1.000, norm_precision 1.000; 1 sequence)
        >>> result.save().name
        'metrics.json'
    """
    # Check all arguments before tracking.
    wanted = _as_texts(only, split=split, preset=preset, name=name)
    truth = open_ground_truth(dataset, root, split, keep_one_based=keep_one_based)
    asked = (convention,) if isinstance(convention, str) else tuple(convention)
    conventions = dict.fromkeys(each or convention_of(truth.dataset) for each in asked or ("",))
    for each in conventions:
        require_convention(each)
    named = name_tracker(tracker, preset, truth.dataset, runtime, settings or {})
    run = EvaluationRun(
        name or named.name,
        truth.dataset,
        truth.sequences,
        named.make,
        Path(out),
        settings={**named.settings, "keep_one_based": keep_one_based},
        notes={
            "root": str(real_path(truth.root)) if truth.root else "",
            "preset": preset,
            "device": runtime.device,
            "gflops": named.gflops,
        },
        truncate=truncate,
        split=truth.split,
        only=wanted,
        resume=named.identified,
        overwrite=overwrite,
    )
    if processes < 0:
        raise ConfigError(f"processes must be 0 or more, not {processes}")
    executor = executor or (ProcessExecutor(processes) if processes else SerialExecutor())
    # Track, then measure the sequences that have results.
    bar = NotebookBar()
    try:
        outcome = run_evaluation(run, executor, progress or partial(_show, bar))
    finally:
        bar.close()
    comparisons = _measure(run.tracker, truth, outcome, list(conventions))
    return EvaluationResult(
        run.tracker, truth.dataset, run.folder, outcome.done, outcome.kept, outcome.failed, comparisons
    )


def _as_texts(only: Iterable[str] = (), **texts: str) -> tuple[str, ...]:
    """Return the names in `only`. Raises ConfigError if one is no text, or one of `texts` is none."""
    for what, text in texts.items():
        if not isinstance(text, str):
            raise ConfigError(f"{what} is a text, not {shown(text)}")
    names = tuple(only) if isinstance(only, Iterable) and not isinstance(only, str | bytes) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"only is a list of names of sequences, not {shown(only)}")
    return names  # type: ignore[return-value]


def _show(bar: NotebookBar, event: EvaluationEvent) -> None:
    if isinstance(event, RunPlanned):
        bar.total = event.sequences
    elif isinstance(event, Started | Progressed):
        bar.show(bar.done, f"sequences; {event.name}: frame {event.steps if isinstance(event, Progressed) else 0}")
    else:
        bar.show(bar.done + 1, "sequences")


def _measure(tracker: str, truth: GroundTruth, outcome: RunOutcome, conventions: list[str]) -> dict[str, Comparison]:
    """Measure under each convention; returns {} if no sequence has a result, or the ground truth is not public."""
    names, complete = sequence_names(truth.sequences), {*outcome.done, *outcome.kept}
    sequences = [truth.sequences[number] for number, name in enumerate(names) if name in complete]
    if not any(map(public_truth, sequences)):
        return {}
    folder, lacking = ResultFolder(tracker, outcome.folder), max(len(names), truth.published) - len(sequences)
    besides = [name for name in ABSENCE_CONVENTIONS if name not in conventions]
    return {
        each: measure_results(
            truth.dataset, [folder], sequences, each, absent=lacking, besides=besides if each == conventions[0] else ()
        )
        for each in conventions
    }


def compare(
    results: str | Path | Iterable[str | Path],
    dataset: str = "",
    root: str | Path | None = None,
    *,
    split: str = "",
    convention: str = "",
    missing: Missing = "leave-out",
    attributes: str | Path | None = None,
    first_pixel: float | None = None,
) -> Comparison:
    """Measure the raw results of one or several trackers on the same sequences.

    Args:
        results: `FOLDER` or `NAME=FOLDER`, or several. A folder holds `SEQUENCE.txt` files, or a folder named after the
            data set, or one folder per tracker with one named after the data set in it.
        dataset: name of a public data set (`mixformer data list`), or any name for your own sequences in `root`;
            "" detects it from `root`, or reads it from the `run.json` beside the results.
        root: folder of the data set; None reads it from the `run.json` beside the results.
        split: split of a public data set; "" takes its test split, else its validation split, else its first.
        convention: name in `CONVENTIONS`; "" takes the data set's own, else "pytracking".
        missing: if a tracker lacks a sequence, "leave-out" leaves it out for all trackers; "zero" gives that tracker an
            IoU of 0 in all its frames.
        attributes: CSV file of attributes (`sequence,ATTRIBUTE,...` with 0 or 1); None takes those of the data set.
        first_pixel: number of the left upper pixel in the results, 0 or 1. None decides for each folder: 0 in results
            of this library, the data set's own number in all others.

    Returns:
        The numbers, for `write_report` or to read: `.ranked[0].summary["auc"]`.

    Raises:
        SourceError: if a folder is missing or holds no results.
        ConfigError: if the convention or the folder of the data set is unknown.
        DataError: if no sequence can be measured.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from mixformer.evaluation import compare, write_result
        >>> boxes = np.tile([10.0, 10, 20, 20], (3, 1))
        >>> Path("toy/still/img").mkdir(parents=True)
        >>> for number in range(3):
        ...     Image.new("RGB", (64, 48)).save(f"toy/still/img/{number}.png")
        >>> np.savetxt("toy/still/groundtruth.txt", boxes, delimiter=",")
        >>> write_result(Path("results/ours/toy"), "still", boxes)
        >>> found = compare("results", "toy", "toy")
        >>> found.ranked[0].tracker, round(found.ranked[0].summary["auc"], 3)
        ('ours', 0.952)
    """
    from mixformer.data import DATASETS

    _as_texts(dataset=dataset, split=split, convention=convention)
    if not isinstance(results, Iterable | Path):
        raise ConfigError(f"results are a folder or several, not {shown(results)}")
    words = [str(word) for word in ([results] if isinstance(results, str | Path) else results)]
    dataset = dataset or guess_dataset(words, root)
    folders = find_results(words, dataset)
    root = Path(root) if root is not None else _noted_root(folders)
    truth = replace(open_ground_truth(dataset if dataset in DATASETS else "", root, split), dataset=dataset)
    sequences = list(truth.sequences)
    names = [sequence.name for sequence in sequences]
    return measure_results(
        dataset,
        settle_pixels(folders, truth, first_pixel),
        sequences,
        convention or convention_of(dataset),
        missing=missing,
        attributes=read_attributes(Path(attributes), names)
        if attributes
        else published_attributes(dataset, truth.split, root, names),
        absent=truth.absent,
    )


def _noted_root(folders: list[ResultFolder]) -> Path:
    """Read the folder of the data set from a `run.json` beside results."""
    for result in folders:
        if made_by_mixformer(result.folder):
            noted = read_manifest(result.folder).get("environment", {}).get("root")
            if noted and Path(noted).exists():
                return Path(noted)
    raise ConfigError("no run.json beside these results names the data set's folder; give it as --root DIR")
