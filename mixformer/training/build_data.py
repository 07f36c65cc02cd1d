"""Build the samples of a recipe from its data sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mixformer.configs.model import ModelConfig
from mixformer.data.annotated_folders import read_masked_objects, read_pictures, read_sequences, read_stills
from mixformer.data.augmentation import CropSettings
from mixformer.data.datasets.dataset_spec import DatasetOptions
from mixformer.data.datasets.registry import load_dataset
from mixformer.data.motion import Motion
from mixformer.data.official_samplers import SAMPLERS, OfficialSamples
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import Mixture, Negatives, SampleSource, SequenceSamples
from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.data.synthetic import CutOuts, SyntheticSamples
from mixformer.errors import DataError
from mixformer.training.config import DataSection, SetSection
from mixformer.training.recipe import Recipe


def build_dataset(recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """Build the samples of a recipe, cropped for a network.

    Args:
        recipe: its `data_root`, `data`, `crops`, `templates` and `seed` are used.
        config: configuration of the network, with the sizes of the crops.

    Raises:
        DataError: if the recipe names no data, or a data set is missing.
    """
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
