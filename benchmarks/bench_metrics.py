"""Metrics of many sequences at once against a plain loop over frames and thresholds.

    python benchmarks/bench_metrics.py --sequences 10000 --frames 1000

The loop is measured on a few sequences and its time scaled up; both give the same numbers on those.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from mixformer.evaluation.metrics import CONVENTIONS, MetricSummary, SequenceResult, compute_metrics
from mixformer.evaluation.metrics.pytracking import SUCCESS_THRESHOLDS


def make_runs(sequences: int, frames: int, kinds: int = 8) -> Iterator[SequenceResult]:
    """Runs over a few different tracks, so that making them takes no time."""
    made = [_make_run(np.random.default_rng(kind), frames) for kind in range(kinds)]
    for index in range(sequences):
        run = made[index % kinds]
        yield SequenceResult(f"s{index}_00000000", run.predicted, run.truth, scores=run.scores, size=run.size)


def _make_run(rng: np.random.Generator, frames: int) -> SequenceResult:
    truth = np.concatenate([rng.uniform(0, 500, (frames, 2)), rng.uniform(20, 200, (frames, 2))], axis=1)
    predicted = truth + rng.normal(0, 8, (frames, 4))
    predicted[:, 2:] = np.maximum(predicted[:, 2:], 1)
    truth[1:][rng.random(frames - 1) < 0.05] = np.nan
    return SequenceResult("s", predicted, truth, scores=rng.random(frames), size=(720, 1280))


def plain_loop(runs: list[SequenceResult]) -> dict[str, float]:
    """The pytracking numbers frame by frame and threshold by threshold."""
    totals = np.zeros((len(runs), 5))
    for row, run in enumerate(runs):
        overlaps, errors, relative = _plain_frames(run.predicted.tolist(), run.truth.tolist())
        count = len(overlaps)
        success = [sum(value > threshold for value in overlaps) / count for threshold in SUCCESS_THRESHOLDS]
        precision = [sum(value <= pixels for value in errors) / count for pixels in range(51)]
        normalized = [sum(value <= step / 100 for value in relative) / count for step in range(51)]
        totals[row] = [sum(success) / 21, success[10], success[15], precision[20], normalized[20]]
    return dict(zip(("auc", "op50", "op75", "precision", "norm_precision"), totals.mean(0).tolist(), strict=True))


def _plain_frames(
    predicted: list[list[float]], truth: list[list[float]]
) -> tuple[list[float], list[float], list[float]]:
    overlaps, errors, relative = [], [], []
    for index, (px, py, pw, ph) in enumerate(predicted):
        tx, ty, tw, th = truth[index]
        if math.isnan(tx):
            overlaps.append(-1.0)
            errors.append(math.inf)
            relative.append(-1.0)
            continue
        if index == 0:
            px, py, pw, ph = tx, ty, tw, th
        width = max(min(px + pw - 1, tx + tw - 1) - max(px, tx) + 1, 0)
        height = max(min(py + ph - 1, ty + th - 1) - max(py, ty) + 1, 0)
        overlaps.append(width * height / (pw * ph + tw * th - width * height))
        x, y = px + 0.5 * (pw - 1) - tx - 0.5 * (tw - 1), py + 0.5 * (ph - 1) - ty - 0.5 * (th - 1)
        errors.append(math.hypot(x, y))
        relative.append(math.hypot(x / tw, y / th))
    return overlaps, errors, relative


def timed(work: Callable[[], MetricSummary]) -> tuple[float, MetricSummary]:
    """Seconds of processor time and the answer."""
    start = time.process_time()
    answer = work()
    return time.process_time() - start, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=8, help="sequences on which the plain loop is measured")
    options = parser.parse_args()
    print(f"{options.sequences} sequences x {options.frames} frames, seconds of processor time")
    for convention in CONVENTIONS:
        seconds, summary = timed(
            lambda name=convention: compute_metrics(name, make_runs(options.sequences, options.frames), "trackingnet")
        )
        main_value = summary[CONVENTIONS[convention].main]
        print(f"{convention:12} {seconds:8.2f} s   {CONVENTIONS[convention].main} {main_value:.4f}")
        if convention == "pytracking":
            vectorized = seconds
    few = list(make_runs(options.loop, options.frames))
    start = time.process_time()
    numbers = plain_loop(few)
    loop = (time.process_time() - start) / len(few) * options.sequences
    expected = compute_metrics("pytracking", few, "trackingnet").values
    worst = max(abs(expected[name] - value) for name, value in numbers.items())
    print(f"plain loop   {loop:8.1f} s   (scaled up from {len(few)} sequences; numbers differ by at most {worst:.1e})")
    print(f"ratio        {loop / vectorized:8.0f}")


if __name__ == "__main__":
    main()
