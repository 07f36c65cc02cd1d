"""Build the samples of a recipe from its data sections, or from generated shapes to try it without its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mixformer.configs.model import ModelConfig
from mixformer.data.annotated_folders import read_masked_objects, read_pictures, read_sequences, read_stills
from mixformer.data.augmentation import CropSettings
from mixformer.data.datasets.dataset_spec import DatasetOptions
from mixformer.data.datasets.registry import load_dataset
from mixformer.data.motion import Motion
from mixformer.data.official_samplers import SAMPLERS, OfficialSamples
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import (
    AnnotatedFrame,
    Mixture,
    Negatives,
    Random,
    SampleSource,
    SequenceSamples,
    TrainingSample,
)
from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.data.synthetic import CutOuts, SyntheticSamples
from mixformer.errors import DataError
from mixformer.training.config import DataSection, SetSection
from mixformer.training.recipe import Recipe
from mixformer.types import Box

_SHAPES_FRAME = (180, 240)  # rows, columns of the frames of `Shapes`


def build_dataset(recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """Build the samples of a recipe, cropped for a network; DataError if it names no data, or some is missing."""
    data = recipe.data
    if not data.sets:
        raise DataError("the recipe names no data; give at least one entry of data.sets")
    cache, folder = ImageCache(data.cache_mb), Path(recipe.data_root)
    sources = [_source(entry, folder, data, cache) for entry in data.sets]
    negatives = Negatives(data.negatives, data.negative_rule, same_target=data.negative_rule == "elsewhere")
    return mixture_dataset(Mixture(sources, [entry.weight for entry in data.sets], negatives), recipe, config)


def mixture_dataset(mixture: Mixture, recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """Build samples of a mixture, with the recipe's crops and augmentation and the network's sizes."""
    factors = recipe.crops.search_factor, recipe.crops.template_factor
    crops = CropSettings(config.search_size, config.template_size, *factors, recipe.templates)
    return SampleDataset(mixture, crops, recipe.crops.augmentation, recipe.seed)


def _source(entry: SetSection, folder: Path, data: DataSection, cache: ImageCache) -> SampleSource:
    """Build the samples of one entry; relative paths start at `folder`."""
    roots = [folder / root for root in entry.roots]
    if entry.kind == "images":
        return SequenceSamples([still for root in roots for still in read_stills(root)], cache)
    if entry.kind == "cutouts":
        objects = [thing for root in roots for thing in read_masked_objects(root)]
        pictures = [path for root in entry.backgrounds for path in read_pictures(folder / root)]
        motion = Motion() if data.smooth_motion else None
        return SyntheticSamples(CutOuts(objects, cache), pictures, cache, motion, data.distractor_prob)
    return _video_source(entry, folder, data, cache)


def _video_source(entry: SetSection, folder: Path, data: DataSection, cache: ImageCache) -> SampleSource:
    """Build the samples of a data set of videos, with its sampler."""
    root = folder / entry.roots[0]
    sequences: Sequence[VideoSequence]
    if entry.where:
        sequences = read_sequences(root, entry.where)
    else:
        ids, exclude, index = (folder / text if text else None for text in (entry.ids, entry.exclude, entry.cache))
        sequences = load_dataset(entry.name, root, DatasetOptions(entry.split, ids, exclude, entry.chunks, index))
    sampler = entry.sampler or data.sampler
    if sampler == "near":
        return SequenceSamples(sequences, cache, data.max_gap)
    return OfficialSamples(sequences, cache, replace(SAMPLERS[sampler], gap=data.max_gap), name=entry.name)


class Shapes:
    """Bright rectangles on a dark, noisy background: a network learns them within minutes."""

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw frames that show one target of constant color and size."""
        color, side = random.integers(90, 256, 3), random.integers(20, 48, 2)
        views = [self._frame(random, color, side) for _ in range(templates + 1)]
        return TrainingSample(tuple(views[:-1]), views[-1])

    def view(self, random: Random) -> AnnotatedFrame:
        """Draw a frame with a random target."""
        return self._frame(random, random.integers(90, 256, 3), random.integers(20, 48, 2))

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """Draw a frame without a target; its box is in the middle."""
        height, width = _SHAPES_FRAME
        ground = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
        return AnnotatedFrame(ground, Box(width * 7 / 16, height * 7 / 16, width / 8, height / 8))

    def _frame(self, random: Random, color: np.ndarray, side: np.ndarray) -> AnnotatedFrame:
        height, width = _SHAPES_FRAME
        image = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
        x, y = int(random.integers(0, width - side[0])), int(random.integers(0, height - side[1]))
        image[y : y + side[1], x : x + side[0]] = color
        return AnnotatedFrame(image, Box(x, y, int(side[0]), int(side[1])))


def dry_run_dataset(recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """Build the samples of a recipe, with generated shapes in place of its data."""
    return mixture_dataset(Mixture([Shapes()], [1.0], recipe.data.negatives), recipe, config)
