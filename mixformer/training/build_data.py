"""From the data sections of a recipe to an endless stream of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mixformer.configs.model import ModelConfig
from mixformer.data.annotated_folders import read_masked_objects, read_pictures, read_sequences, read_stills
from mixformer.data.augmentation import Augmentation, CropSettings, Jitter
from mixformer.data.datasets.dataset_spec import DatasetOptions
from mixformer.data.datasets.registry import load_dataset
from mixformer.data.motion import Motion
from mixformer.data.official_samplers import SAMPLERS, OfficialSamples
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import Mixture, Negatives, SampleSource, SequenceSamples
from mixformer.data.sequence import ImageCache
from mixformer.data.synthetic import CutOuts, SyntheticSamples
from mixformer.errors import DataError
from mixformer.training.config import CropSection, DataSection, SetSection
from mixformer.training.recipe import Recipe

# Odds of each folder of stills of the data pack: by number and quality of boxes (most BSDS segments are background).
STILLS = {"tiny_coco": 3.0, "imagenet_samples": 3.0, "bsds500": 1.0, "raccoon": 1.0, "kangaroo": 1.0, "camvid": 1.0}
CUT_OUTS = ("tiny_coco", "imagenet_samples", "tuxpaint_stamps")
BACKGROUNDS = ("imagenet_samples", "debian_wallpapers", "camvid")

Weighted = list[tuple[SampleSource, float]]


def build_dataset(recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """The samples that a recipe asks for, cut for a network.

    Raises:
        DataError: if there is nothing to learn from, or a set is not there.
    """
    data = recipe.data
    cache = ImageCache(data.cache_mb)
    sources = [(_set_shots(plan, data, cache), plan.weight) for plan in data.sets] + _pack_shots(data, cache)
    if not sources:
        raise DataError("the recipe names no data: give data.sets, or weights for the data pack in data.root")
    negatives = Negatives(data.negatives) if data.negatives and data.sets else data.negatives
    mixture = Mixture([source for source, _ in sources], [weight for _, weight in sources], negatives)
    return samples_of(mixture, recipe, config)


def samples_of(mixture: Mixture, recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """Samples of a mixture, cut and changed as a recipe says, in the sizes of a network."""
    factors = recipe.crops.search_factor, recipe.crops.template_factor
    crops = CropSettings(config.search_size, config.template_size, *factors, recipe.templates)
    return SampleDataset(mixture, crops, augmentation(recipe.crops), recipe.seed)


def augmentation(crops: CropSection) -> Augmentation:
    """How samples are changed."""
    search = Jitter(crops.center_jitter, crops.scale_jitter, crops.motion, crops.motion_spread)
    template = Jitter(crops.template_jitter, crops.template_jitter)
    if crops.official:
        return replace(Augmentation.official(), search=search, template=template)
    return Augmentation(
        search=search,
        template=template,
        flip_each=crops.flip_each,
        brightness=crops.brightness,
        contrast=crops.contrast,
        blur=crops.blur,
        coarse=crops.coarse,
    )


def _set_shots(plan: SetSection, data: DataSection, cache: ImageCache) -> SampleSource:
    """One data set behind its sampler."""
    ids, exclude, cache_folder = (Path(text) if text else None for text in (plan.ids, plan.exclude, plan.cache))
    options = DatasetOptions(plan.split, ids, exclude, plan.chunks, cache_folder)
    sequences = load_dataset(plan.name, plan.root, options)
    if data.sampler == "near":
        return SequenceSamples(sequences, cache, data.max_gap)
    return OfficialSamples(sequences, cache, replace(SAMPLERS[data.sampler], gap=data.max_gap), name=plan.name)


def _pack_shots(data: DataSection, cache: ImageCache) -> Weighted:
    """Real video marked `train`, stills and cut-outs of the project's data pack."""
    if not data.sequences and not data.stills and not data.synthetic:
        return []
    root = Path(data.root)
    if not (root / "sequences").is_dir() and not (root / "images").is_dir():
        raise DataError(f"{root} holds neither sequences/ nor images/; set data.root to the data pack's folder")
    found: Weighted = []
    if data.sequences:
        shots = SequenceSamples(read_sequences(root / "sequences", "train"), cache, data.max_gap)
        found.append((shots, data.sequences))
    if data.stills:
        total = sum(STILLS.values())
        for name, weight in STILLS.items():
            shots = SequenceSamples(read_stills(root / "images" / name), cache)
            found.append((shots, data.stills * weight / total))
    if data.synthetic:
        objects = [thing for name in CUT_OUTS for thing in read_masked_objects(root / "images" / name)]
        pictures = [path for name in BACKGROUNDS for path in read_pictures(root / "images" / name)]
        motion = Motion() if data.moving else None
        found.append(
            (SyntheticSamples(CutOuts(objects, cache), pictures, cache, motion, data.lookalikes), data.synthetic)
        )
    return found
