"""The measurement of tracking: every engine of a model side by side in one process, round by round."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path

from mixformer.bench.candidates import Candidate, prepare_weights
from mixformer.bench.clip import decode_time, read_clip
from mixformer.bench.contest import Contest, Rules
from mixformer.bench.machine import describe_machine, usable_cores
from mixformer.bench.peaks import Peaks, best_of
from mixformer.bench.record import FORMAT, Report, Result, Settings
from mixformer.bench.stats import spread
from mixformer.bench.surroundings import torch_threads
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

log = logging.getLogger(__name__)
_READS = 3


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        candidates: from `parse_candidates`; those of one model are compared with each other.
        clip: video file.
        box: x, y, width, height of the target in its first frame.
        rules: how to measure.
        note: for the report.
    """

    candidates: Sequence[Candidate]
    clip: Path = DEMO_CLIP
    box: tuple[float, ...] = DEMO_BOX
    rules: Rules = field(default_factory=Rules)
    note: str = ""


def measure_tracking(plan: Plan) -> Report:
    """Measure; a candidate that cannot run here says why in its result.

    Raises:
        SourceError: if the clip cannot be read.
        BoxError: if the box does not fit it.
        CheckpointError: if there is no such model.
        MissingDependencyError: for a model without weights, if PyTorch is not installed.
    """
    clip, rules = read_clip(plan.clip, plan.box), plan.rules
    with torch_threads(rules.threads or usable_cores()), tempfile.TemporaryDirectory() as folder:
        weights = {each.model: prepare_weights(each.model, Path(folder)) for each in plan.candidates}
        decode = spread([1e3 * decode_time(clip) for _ in range(_READS)])
        results: list[Result] = []
        peaks: list[Peaks] = []
        for model, candidates in groupby(plan.candidates, lambda candidate: candidate.model):
            contest = Contest(weights[model], list(candidates), clip, rules, Path(folder))
            results += contest.measure()
            peaks += contest.peaks
    width, height = clip.size
    settings = Settings(
        clip.path.name,
        width,
        height,
        rules.frames,
        rules.rounds,
        rules.threads or usable_cores(),
        rules.device,
    )
    machine = describe_machine(rules.device)
    return Report(
        FORMAT, date.today().isoformat(), plan.note, machine, settings, best_of(peaks), decode, tuple(results)
    )
