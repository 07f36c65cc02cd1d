"""Measure the network of a row: on crops, by tracking, or its speed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mixformer.configs.flops import locate_flops, parameter_count
from mixformer.configs.model import ModelConfig
from mixformer.configs.runtime import Runtime
from mixformer.configs.variants import model_config
from mixformer.data.annotated_folders import read_sequences
from mixformer.data.augmentation import Augmentation, CropSettings, draw_sample_params
from mixformer.data.sample_dataset import Batch, collate
from mixformer.data.sampling import AnnotatedFrame, TrainingSample
from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.errors import ConfigError, DataError, counted
from mixformer.evaluation import evaluate
from mixformer.files import read_json_file
from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.models import MixFormer, build_model
from mixformer.training.recipe import Recipe
from mixformer.weights.load_save import load_model, load_weights

Measured = dict[str, Any]
"""Plain values: "value" (fraction 0..1, or frames per second), "parameters" (M), "gmacs" (G), and others, such as
"device" ("cpu" or "cuda") of a speed."""

_JITTERED = Augmentation(
    center_jitter=1.5, scale_jitter=0.2, gray_prob=0, flip_prob=0, brightness=0, contrast=0, blur_prob=0
)
_MOST_SEEDS = 1000
_CROPS = 48  # of a sequence, at most
_ROUNDS, _WARM = 8, 2  # calls that are timed, and those before them


def measure_crops(model: Path, recipe: Recipe, sequences: Sequence[VideoSequence]) -> Measured:
    """Return the mean IoU of the box on fixed, jittered crops: over the crops of a sequence, then over sequences.

    Unlike tracking, no errors add up, so that it says more about networks that are far from trained.
    """
    network = load_model(model)
    config, crops = network.config, recipe.crops
    settings = CropSettings(config.search_size, config.template_size, crops.search_factor, crops.template_factor, 1)
    values = {each.name: crop_overlaps(network, measured_crops(each, n, settings)) for n, each in enumerate(sequences)}
    return {
        "value": float(np.mean([np.mean(v) for v in values.values()])),
        "over_half": float(np.mean([np.mean(v > 0.5) for v in values.values()])),
        "sequences": {name: round(float(np.mean(v)), 4) for name, v in values.items()},
        **sizes(config),
    }


def measured_crops(sequence: VideoSequence, number: int, crops: CropSettings) -> Batch:
    """Cut the crops of a sequence that are measured, always the same ones; the first frame is the template.

    Raises DataError if the target is visible in fewer than two frames.
    """
    if len(sequence.visible) < 2:
        raise DataError(f"{sequence.name}: the target is visible in fewer than two frames; leave the sequence out")
    first, *later = (int(i) for i in sequence.visible)
    template = AnnotatedFrame(read_frame(sequence.frames[first]), sequence.box(first), sequence)
    samples = []
    for place in np.linspace(0, len(later) - 1, min(_CROPS, len(later))).astype(int):
        index = later[place]
        view = AnnotatedFrame(read_frame(sequence.frames[index]), sequence.box(index), sequence)
        sample = TrainingSample((template,), view)
        plan = draw_sample_params(np.random.default_rng([number, index]), sample, _JITTERED, crops)
        assert plan is not None  # without strong jitter, nothing is rejected
        samples.append(plan.render())
    return collate(samples)


@torch.no_grad()
def crop_overlaps(model: MixFormer, batch: Batch) -> np.ndarray:
    """Return the IoU of every crop."""
    memory = model.remember(model.normalize(batch.templates))
    boxes = model.locate(model.normalize(batch.search), memory).boxes
    return iou(cxcywh_to_xyxy(boxes.float()), batch.boxes.clamp(0, 1))[0].numpy()


def measure_tracking_of(
    model: Path, recipe: Recipe, dataset: str, root: Path, out: Path, settings: Mapping[str, Any], device: str
) -> Measured:
    """Track a data set with the crops of the recipe; the value is the success AUC. Interrupted tracking resumes.

    Raises DataError if a sequence fails: the mean of the others is another number.
    """
    crops = {"search_factor": recipe.crops.search_factor, "template_factor": recipe.crops.template_factor}
    result = evaluate(
        model,
        dataset,
        root=root,
        settings={**crops, **settings},
        runtime=Runtime(device=device, engine="torch"),
        out=out.parent,
        name=out.name,
    )
    if result.failures:
        failed, (name, message) = counted(len(result.failures), "sequence"), next(iter(result.failures.items()))
        raise DataError(f"{failed} failed, and a mean of the others is another number; {name}: {message}")
    each = {name: round(float(values["auc"]), 4) for name, values in result.summary.per_sequence.items()}
    return {"value": result.summary["auc"], "sequences": each, **sizes(load_weights(model).config)}


@torch.no_grad()
def measure_speed(variant: str, changes: Mapping[str, Any], device: str) -> Measured:
    """Return the frames per second of a network with random weights, without crops and reading.

    The fastest of some calls counts, because other work on the machine can only slow a call. "cpu_seconds" is the
    least processor time of a call, of all threads together: it can be compared also on a machine that is busy.
    """
    config = ModelConfig.from_dict({**model_config(variant).to_dict(), **changes})
    model = build_model(config).eval().to(device)
    memory = model.remember(torch.zeros(1, 2, 3, config.template_size, config.template_size, device=device))
    search, seconds = torch.zeros(1, 3, config.search_size, config.search_size, device=device), []
    for _ in range(_WARM + _ROUNDS):
        begin = time.perf_counter(), time.process_time()
        float(model.locate(search, memory).boxes.sum())  # waits for a GPU
        seconds.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    passed, busy = (min(each) for each in zip(*seconds[_WARM:], strict=True))
    return {"value": 1 / passed, "cpu_seconds": busy, "device": torch.device(device).type, **sizes(config)}


def require_few_seeds(count: int) -> None:
    """Raise ConfigError if a table would be trained with more seeds than anybody can wait for."""
    if count > _MOST_SEEDS:
        raise ConfigError(f"a table is trained with up to {_MOST_SEEDS} seeds, not {count}; take fewer")


def require_same_test(files: Iterable[Path], test: Path) -> None:
    """Raise ConfigError if one of the files that are there was measured on other sequences than those in `test`.

    Speeds do not say on which, nor do files of earlier versions on what was tracked.
    """
    kept = [file for file in files if file.is_file()]
    names = {each.name for each in read_sequences(test)} if kept else set()
    for file in kept:
        if set(read_json_file(file).get("sequences", names)) != names:
            raise ConfigError(
                f"{file} was measured on other held-out sequences; choose another --out, or the folder of that run"
            )


def sizes(config: ModelConfig) -> Measured:
    """Return millions of parameters, and billions of multiply-adds of a frame."""
    return {"parameters": parameter_count(config) / 1e6, "gmacs": locate_flops(config) / 2e9}
