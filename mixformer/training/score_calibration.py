"""Calibrate a model's score on clips: make it the probability that the box overlaps the target by more than half."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mixformer.configs.argument_checks import checked
from mixformer.configs.runtime import Runtime
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import CheckpointError, ConfigError, DataError, counted
from mixformer.evaluation.metrics import ScoreBins, bin_scores, score_pairs
from mixformer.files.places import claimed_folder
from mixformer.training.platt import Pairs, cross_calibrated, fit_scale, joined, keeps_low_scores
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from mixformer.evaluation import Comparison
    from mixformer.evaluation.runs import EvaluationEvent

log = logging.getLogger(__name__)

DIAGRAM = "reliability.png"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Result of `calibrate`: the fit, the folder written, and the scores before and after.

    Attributes:
        folder: the calibrated model.
        scale: factor on the logit of the score.
        offset: added to the scaled logit.
        sequences: number of sequences with scores.
        before: the scores of all frames, with the rates of right boxes.
        after: the same for the scores of each sequence after a calibration on the others.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from mixformer.evaluation import bin_scores
        >>> from mixformer.training import Calibration
        >>> bins = bin_scores(np.array([0.9, 0.1]), np.array([True, False]))
        >>> Calibration(Path("mine"), 1.2, -0.3, 2, before=bins, after=bins).before.counts.sum()
        np.float64(2.0)
    """

    folder: Path
    scale: float
    offset: float
    sequences: int
    before: ScoreBins
    after: ScoreBins


@checked
def calibrate(
    model: str | Path,
    out: str | Path,
    data: str | Path | None = None,
    *,
    results: str | Path | None = None,
    dataset: str = "",
    split: str = "",
    runtime: Runtime = Runtime(),
    processes: int = 0,
    diagram: bool = True,
    overwrite: bool = False,
    progress: Callable[[EvaluationEvent], None] | None = None,
) -> Calibration:
    """Calibrate the score of a model on annotated sequences, and write the calibrated model.

    Platt's method fits a scale and an offset of the score's logit, so that the score is the probability that the box
    overlaps the target by more than half. Scale and offset become part of the last layer of the score head, so every
    engine and export computes the calibrated score, at no cost. Boxes and the thresholds of the tracker do not change.

    Args:
        model: name, folder or checkpoint file of a model with a score head.
        out: model folder to write, without exported graphs (`mixformer.export_model` makes these).
        data: folder of a data set or of your own sequences. The model tracks them with its own settings. With
            `results`, None takes the folder in their `run.json`.
        results: results of `evaluate` for this model, with scores; the model is then not run.
        dataset, split, runtime, processes, progress: as in `mixformer.evaluate`.
        diagram: also write `reliability.png`; needs matplotlib.
        overwrite: replace an earlier model folder.

    Raises:
        CheckpointError: if the model is missing, or holds only exported graphs.
        ConfigError: if it has no score head, or the results are of other weights.
        DataError: if there are fewer than two sequences with scores, or all boxes are right, or all are wrong.
        OutputError: if the folder cannot be written.
        MissingDependencyError: for the diagram without matplotlib.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from mixformer import ModelConfig
        >>> from mixformer.evaluation import write_result
        >>> from mixformer.models import build_model
        >>> from mixformer.training import calibrate
        >>> from mixformer.weights import save_model
        >>> sizes = {"dim": 32, "heads": 2, "search_size": 64, "template_size": 32, "bins": 16}
        >>> folder = save_model(build_model(ModelConfig("tiny", depth=1, **sizes)), "tiny")
        >>> truth, scores = np.tile([10.0, 10, 20, 20], (4, 1)), np.array([1, 0.9, 0.9, 0.9])
        >>> boxes = truth + np.array([[0, 0, 0, 0]] * 3 + [[30, 0, 0, 0]])  # two of three are right
        >>> for name in ("one", "two"):
        ...     Path("clips", name, "img").mkdir(parents=True)
        ...     for frame in range(4):
        ...         Image.new("RGB", (64, 48)).save(Path("clips", name, "img", f"{frame}.png"))
        ...     np.savetxt(Path("clips", name, "groundtruth.txt"), truth, delimiter=",")
        ...     write_result(Path("results", "clips"), name, boxes, scores=scores)
        >>> done = calibrate("tiny", "calibrated", "clips", results="results", diagram=False)
        >>> round(done.before.error, 2), done.after.error < 0.1  # 0.9 was too sure
        (0.23, True)
    """
    from mixformer.evaluation.report.figures import figure_writers, require_matplotlib
    from mixformer.files import write_files
    from mixformer.weights.load_save import ModelWeights, load_weights, save_weights
    from mixformer.weights.state_dicts import require_score_head, scale_score

    if results is None and data is None:
        raise ConfigError("there is nothing to calibrate on; give a folder of annotated sequences, or saved results")
    if diagram:
        require_matplotlib()
    precision = _stored_precision(model)
    weights, folder = load_weights(model), Path(out)
    require_score_head(weights.config)
    with claimed_folder(folder, CONFIG_FILE, "model folder", overwrite):
        measured = (
            _run(model, data, dataset, split, runtime, processes, progress)
            if results is None
            else _read(model, results, data, dataset, split, runtime)
        )
        pairs = _pairs(measured)
        before, after = (bin_scores(*joined(each)) for each in (pairs, cross_calibrated(pairs)))
        scale, offset = fit_scale(*joined(pairs))
        if not keeps_low_scores(scale, offset, (weights.tracker or TrackerConfig()).lost_below):
            wrong = int((~joined(pairs)[1]).sum())
            log.warning(
                "the calibrated score is high everywhere, so the tracker will not notice that a target is lost: "
                "%d of %s is too few wrong ones; add clips with hard moments, or do not use the result",
                wrong, counted(len(joined(pairs)[1]), "box"),
            )  # fmt: skip
        state = scale_score(weights.state, weights.config, scale, offset)
        save_weights(ModelWeights(weights.config, state, weights.tracker), folder, precision=precision)
        if diagram:
            from mixformer.evaluation.report.reliability import draw_reliability

            figure = draw_reliability({"before": before, "after": after}, f"Score on {measured.dataset}")
            write_files({folder / DIAGRAM: figure_writers(figure)["png"]})
    return Calibration(folder, scale, offset, len(pairs), before, after)


def _pairs(measured: Comparison) -> Pairs:
    """Pair the scores of each sequence that has scores with whether each box is right."""
    from mixformer.evaluation.sequence_runner import sequence_result

    entry = measured.entries[0]
    runs = [sequence_result(each, entry.boxes[each.name], entry.scores.get(each.name)) for each in measured.sequences]
    pairs = [pair for pair in score_pairs(runs) if len(pair[0])]
    if len(pairs) < 2:
        raise DataError(
            f"{len(pairs)} of {len(runs)} sequences have scores; give at least two, because calibration is tested on "
            "sequences that it was not fitted to"
        )
    right = joined(pairs)[1]
    if right.all() or not right.any():
        told = "every box overlaps" if right.all() else "no box overlaps"
        raise DataError(
            f"{told} the target by more than half, so good scores cannot be told from bad ones; give clips with right "
            "and wrong boxes"
        )
    return pairs


def _run(
    model: str | Path,
    data: str | Path | None,
    dataset: str,
    split: str,
    runtime: Runtime,
    processes: int,
    progress: Callable[[EvaluationEvent], None] | None,
) -> Comparison:
    """Track the sequences; the raw results are not kept."""
    from mixformer.evaluation import evaluate

    with TemporaryDirectory() as place:
        done = evaluate(
            str(model), dataset, root=data, split=split, runtime=runtime, out=place, processes=processes,
            progress=progress,
        )  # fmt: skip
        if not done.comparisons:
            raise DataError(next(iter(done.failures.values()), "the ground truth of this split is not public"))
        for name, said in done.failures.items():
            log.warning("the sequence %s is left out: %s", name, said)
        return next(iter(done.comparisons.values()))


def _read(
    model: str | Path, results: str | Path, data: str | Path | None, dataset: str, split: str, runtime: Runtime
) -> Comparison:
    """Read saved results of one tracker; if their `run.json` names weights, they must be those of the model."""
    from mixformer.evaluation import compare
    from mixformer.evaluation.manifest import made_by_mixformer, read_manifest
    from mixformer.evaluation.result_folders import find_results, guess_dataset
    from mixformer.evaluation.tracker_source import name_tracker

    dataset = dataset or guess_dataset([str(results)], data)
    found = find_results([str(results)], dataset)
    if len(found) > 1:
        names = ", ".join(each.tracker for each in found)
        raise ConfigError(f"{results} holds results of several trackers ({names}); give the folder of one")
    noted = read_manifest(found[0].folder)["settings"].get("weights") if made_by_mixformer(found[0].folder) else None
    ours = name_tracker(str(model), "none", dataset, runtime).settings["weights"] if noted else None
    if noted != ours:
        raise ConfigError(f"the results in {found[0].folder} are not of the weights of {model}; give its own results")
    return compare(str(results), dataset, data, split=split)


def _stored_precision(model: str | Path) -> str:
    """Return the precision in which a model's weights are stored; float32 for an official checkpoint."""
    from mixformer.weights.model_folder import find_folder

    folder = find_folder(model)
    if folder is None:
        return "float32"
    if not (folder.path / WEIGHTS_FILE).is_file():
        raise CheckpointError(
            f"{folder.path} holds no {WEIGHTS_FILE}, which calibration changes; calibrate the model that was exported, "
            "then export it again"
        )
    return folder.precision
