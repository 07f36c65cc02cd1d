"""From a recipe to a trained model folder: the work behind `mixformer train`."""

from __future__ import annotations

from pathlib import Path

import torch

from mixformer.data.augment import Augmentation, Jitter
from mixformer.data.dataset import CropSettings, ShotDataset
from mixformer.data.folder import read_masked_objects, read_pictures, read_sequences, read_stills
from mixformer.data.sampling import Mixture, SequenceShots, ShotSource
from mixformer.data.sequence import ImageCache
from mixformer.data.synthetic import CutOuts, SyntheticShots
from mixformer.errors import DataError
from mixformer.models import MixFormer, build_model
from mixformer.training.recipe import Recipe
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Progress, Trainer
from mixformer.variants import model_config
from mixformer.weights.pretrained import load_pretrained
from mixformer.weights.store import load_model, save_model

# Odds of each folder of stills: by number and quality of its boxes (most BSDS segments are background).
STILLS = {"tiny_coco": 3.0, "imagenet_samples": 3.0, "bsds500": 1.0, "raccoon": 1.0, "kangaroo": 1.0, "camvid": 1.0}
CUT_OUTS = ("tiny_coco", "imagenet_samples", "tuxpaint_stamps")
BACKGROUNDS = ("imagenet_samples", "debian_wallpapers", "camvid")


def train(
    recipe: Recipe, out: Path, *, resume: bool = True, device: str = "cpu", progress: Progress | None = None
) -> Path:
    """Train one stage and write the averaged model.

    Args:
        recipe: what to do.
        out: run folder; holds `state.safetensors`, `log.jsonl`, `recipe.json` and, at the end, `model/`.
        resume: go on from a checkpoint in `out` if there is one.
        device: "cpu", "cuda" or "cuda:N".
        progress: called after every step.

    Returns:
        The model folder, loadable by name wherever a model is.

    Raises:
        DataError: if the data folder lacks what the recipe asks for.
        CheckpointError: if the start or the checkpoint does not fit.
    """
    trainer = prepare(recipe, out, resume=resume, device=device)
    trainer.run(progress=progress)
    return export(trainer)


def prepare(recipe: Recipe, out: Path, *, resume: bool = True, device: str = "cpu") -> Trainer:
    """Everything built and, if asked, restored; nothing trained yet."""
    torch.manual_seed(recipe.seed)
    trainer = Trainer(build_stage(start_model(recipe), recipe), build_dataset(recipe), recipe, out, device)
    recipe.to_file(out / "recipe.json")
    if resume:
        trainer.resume()
    return trainer


def export(trainer: Trainer) -> Path:
    """Write the averaged model of a run as `model/` in its folder (float32)."""
    folder = trainer.folder / "model"
    save_model(trainer.averaged_model(), folder)
    return folder


def start_model(recipe: Recipe) -> MixFormer:
    """The network a recipe starts from: a whole model of an earlier stage, or a pre-trained backbone."""
    if recipe.start and Path(recipe.start).is_dir():
        return load_model(recipe.start)
    model = build_model(model_config(recipe.model))
    if recipe.start:
        load_pretrained(model, recipe.start)
    return model


def build_dataset(recipe: Recipe) -> ShotDataset:
    """The mixture of real video, stills and synthetic shots a recipe asks for; only sequences marked `train`."""
    root = Path(recipe.data)
    if not (root / "sequences").is_dir() and not (root / "images").is_dir():
        raise DataError(
            f"{root} holds neither sequences/ nor images/; set `data` in the recipe to the data pack's folder"
        )
    cache = ImageCache(recipe.cache_mb)
    sources: list[tuple[ShotSource, float]] = []
    if recipe.sequences:
        sources.append(
            (SequenceShots(read_sequences(root / "sequences", "train"), cache, recipe.max_gap), recipe.sequences)
        )
    if recipe.stills:
        total = sum(STILLS.values())
        for name, weight in STILLS.items():
            shots = SequenceShots(read_stills(root / "images" / name), cache)
            sources.append((shots, recipe.stills * weight / total))
    if recipe.synthetic:
        objects = [thing for name in CUT_OUTS for thing in read_masked_objects(root / "images" / name)]
        pictures = [path for name in BACKGROUNDS for path in read_pictures(root / "images" / name)]
        sources.append((SyntheticShots(CutOuts(objects, cache), pictures, cache), recipe.synthetic))
    mixture = Mixture([s for s, _ in sources], [w for _, w in sources], recipe.negatives)
    config = model_config(recipe.model)
    crops = CropSettings(config.search_size, config.template_size, recipe.search_factor, templates=recipe.templates)
    augmentation = Augmentation(
        search=Jitter(recipe.center_jitter, recipe.scale_jitter),
        template=Jitter(recipe.template_jitter, recipe.template_jitter),
        flip_each=recipe.flip_each,
        contrast=recipe.contrast,
        blur=recipe.blur,
    )
    return ShotDataset(mixture, crops, augmentation, recipe.seed)
