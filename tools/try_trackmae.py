"""Pre-train a very small network on real crops for some minutes, and ask whether its templates help it.

python tools/try_trackmae.py --data data-pack [--kind trackmae] [--steps 2000] [--sheet FILE.png] [--json FILE]

Trains on the sequences and stills marked `train`. Then, on crops of the `val` sequences with fixed masks, compares the
error of the hidden patches with that of one number, with that of the mean patch of the training data, with the
error when every search region gets the templates of another sequence, and with that when it gets its own ones, cut into
patches that lie in random order: they still tell colors and texture, but no longer what the target looks like.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mixformer.configs.model import ModelConfig
from mixformer.data.annotated_folders import read_sequences, read_stills
from mixformer.data.augmentation import Augmentation
from mixformer.data.sample_dataset import Batch, CropSettings, SampleDataset, batches, collate
from mixformer.data.sampling import Mixture, SequenceSamples
from mixformer.data.sequence import ImageCache
from mixformer.models import build_model
from mixformer.models.mae import MaskConfig, patchify, unpatchify
from mixformer.training.pretraining import PretrainStage, patch_target
from mixformer.training.reconstructions import reconstruction_sheet

PLAIN = {"gray_prob": 0.0, "flip_prob": 0.0, "brightness": 0.0, "contrast": 0.0, "blur_prob": 0.0}
STILLS = ("tiny_coco", "imagenet_samples")


def main() -> None:
    options = parse()
    torch.manual_seed(options.seed)
    config = ModelConfig(
        "tiny", 4, 96, 3, patch_size=8, search_size=64, template_size=32, prediction_tokens=0, head="corner",
        score="none", head_dim=8,
    )  # fmt: skip
    masks = MaskConfig(options.kind, decoder_depth=2, decoder_dim=64, decoder_heads=2, normalize=not options.raw)
    stage = PretrainStage(build_model(config), masks)
    start = time.perf_counter()
    samples = training_samples(options)
    pretrain(stage, samples, options)
    seconds = time.perf_counter() - start
    held_out = list(validation_batches(options))
    report = {"steps": options.steps, "batch": options.batch, "seconds": round(seconds), **measure(stage, held_out)}
    report["mean_patch"] = error_of_mean_patch(stage, samples, held_out)
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.sheet:
        sheet = reconstruction_sheet(stage.autoencoder, held_out[0], torch.Generator().manual_seed(0), 6)
        Image.fromarray(sheet).save(options.sheet)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data-pack"))
    parser.add_argument("--kind", choices=("mae", "trackmae"), default="trackmae")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--raw", action="store_true", help="targets are pixels, not normalized patches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def crops() -> CropSettings:
    return CropSettings(search_size=64, template_size=32, search_factor=4.0, templates=2)


def training_samples(options: argparse.Namespace) -> SampleDataset:
    cache = ImageCache(2000)
    video = SequenceSamples(read_sequences(options.data / "sequences", {"dev_use": "train"}), cache, 50)
    stills = [SequenceSamples(read_stills(options.data / "images" / name), cache) for name in STILLS]
    augmentation = Augmentation(1.0, 0.25, template_jitter=0.1, contrast=0.0, blur_prob=0.0)
    return SampleDataset(Mixture([video, *stills], [2.0, 1.0, 1.0]), crops(), augmentation, options.seed)


def pretrain(stage: PretrainStage, samples: SampleDataset, options: argparse.Namespace) -> None:
    trained = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, options.lr, betas=(0.9, 0.95), weight_decay=0.05)
    warm = max(1, options.steps // 20)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.lr, options.steps, warm / options.steps)
    generator = torch.Generator().manual_seed(options.seed)
    losses = []
    for step, batch in enumerate(batches(samples, options.batch, 0, options.steps, 0), 1):
        loss, parts = stage(batch, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plan.step()
        losses.append([float(loss.detach()), float(parts["flat"])])
        if step % 100 == 0:
            found, flat = np.mean(losses[-100:], 0)
            print(f"step {step}: loss {found:.4f}, mean alone {flat:.4f}", flush=True)


def validation_batches(options: argparse.Namespace, count: int = 24):
    """Batches with one sample of every sequence, so that neighbors are of different sequences."""
    cache, plain = ImageCache(1000), Augmentation(1.0, 0.25, **PLAIN)
    sets = [
        SampleDataset(Mixture([SequenceSamples([sequence], cache, 50)], [1.0]), crops(), plain, 0)
        for sequence in read_sequences(options.data / "sequences", {"dev_use": "val"})
    ]
    for index in range(count):
        yield collate([samples[index] for samples in sets])


@torch.no_grad()
def measure(stage: PretrainStage, held_out: list[Batch]) -> dict[str, float | list[float]]:
    """Errors of hidden patches; the rises against the network's own templates, with standard errors of pairs."""
    stage.eval()
    rows = []
    for index, batch in enumerate(held_out):
        other, mixed = batch.templates.roll(1, 0), in_random_order(batch.templates, index)
        parts = [
            stage(replace(batch, templates=templates), torch.Generator().manual_seed(index))[1]
            for templates in (batch.templates, other, mixed)
        ]
        rows.append([float(parts[0]["flat"]), *(float(part["search"]) for part in parts)])
    flat, own, other, mixed = np.array(rows).T
    report = {"val_samples": len(rows) * len(held_out[0].search), "mean_alone": flat, "own_templates": own}
    report |= {"other_templates": other, "rise_other": other - own, "mixed_templates": mixed, "rise_mixed": mixed - own}
    return {name: summary(value) if name != "val_samples" else value for name, value in report.items()}


def error_of_mean_patch(stage: PretrainStage, samples: SampleDataset, held_out: list[Batch]) -> list[float]:
    """What the best constant patch would do: gray is no zero once a patch is normalized over its colors."""
    seen = next(iter(batches(samples, 256, 0, 1, 0))).search
    targets = [target_of(stage, search) for search in (seen, *(batch.search for batch in held_out))]
    mean = targets[0].mean((0, 1))
    return summary(np.array([float((target - mean).square().mean()) for target in targets[1:]]))


def target_of(stage: PretrainStage, search: torch.Tensor) -> torch.Tensor:
    model = stage.model
    return patch_target(model.normalize(search), model.config.patch_size, stage.autoencoder.masks.normalize)


def summary(values: np.ndarray) -> list[float]:
    """Mean, and its standard error over batches."""
    return [round(float(values.mean()), 4), round(float(values.std(ddof=1) / len(values) ** 0.5), 4)]


def in_random_order(templates: torch.Tensor, seed: int, side: int = 8) -> torch.Tensor:
    """Templates (B, N, t, t, 3) with their patches shuffled, all alike."""
    patches = patchify(templates.flatten(0, 1).movedim(-1, 1), side)
    order = torch.randperm(patches.shape[1], generator=torch.Generator().manual_seed(seed))
    return unpatchify(patches[:, order], side).movedim(1, -1).view_as(templates)


if __name__ == "__main__":
    main()
