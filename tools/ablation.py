"""The papers' ablations at a small size: the same network, samples and steps for every row, three seeds.

python tools/ablation.py --data data-pack --out runs/ablation [--seeds 1 2 3] [--steps 400] [--only t4 corner]
python tools/ablation.py --out runs/ablation --table

Trains on the sequences marked `train`, on stills and on cut-outs. Measures the mean IoU of the box on fixed, jittered
crops of the `val` sequences: the mean of a sequence first, then over sequences. Every finished run is one line of
OUT/results.jsonl; started again, the tool goes on after the last of them. Seed by seed, so that a stop at any time
leaves a table. The rows are in ablation_rows.py, the table in ablation_table.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_rows import PLANS, Plan
from ablation_table import table

from mixformer.data.annotated_folders import read_sequences
from mixformer.data.augmentation import Augmentation, CropSettings, draw_sample_params
from mixformer.data.crop_params import Sample
from mixformer.data.sample_dataset import Batch, SampleDataset, collate
from mixformer.data.sampling import AnnotatedFrame, Mixture, TrainingSample
from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.models import MixFormer
from mixformer.training.build_data import build_dataset, mixture_dataset
from mixformer.training.recipe import Recipe
from mixformer.training.run_training import export, start_model
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Trainer
from mixformer.weights.catalog import WEIGHTS_FILE
from mixformer.weights.load_save import ModelWeights, load_model, load_weights, save_weights
from mixformer.weights.pruning import remove_blocks

PLAN = {plan.name: plan for plan in PLANS}
RECIPES = Path(__file__).parents[1] / "recipes"
SETS = tomllib.loads((RECIPES / "dino_s8_boxes.toml").read_text())["data"]["sets"]  # half of it real video
NETWORK: dict[str, Any] = {
    "head": "corner", "depth": 6, "dim": 64, "heads": 2, "patch_size": 16, "search_size": 96, "template_size": 48,
    "head_dim": 64, "bins": 24, "drop_path": 0.0,
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "model": "mixvit_stage1",  # a plain transformer, asymmetric, no score head
    "batch_size": 24,
    "templates": 1,
    "save_interval": 10**9,
    "data": {"sets": SETS, "workers": 0, "cache_mb": 1500},
    "crops": {"search_factor": 3.0, "template_factor": 1.5, "center_jitter": 2.0, "scale_jitter": 0.2},
    "optimizer": {"lr": 1e-3, "backbone_lr": 1e-3, "schedule": "cosine", "ema_decay": 0.0},
    "masks": {"decoder_depth": 2, "decoder_dim": 48, "decoder_heads": 2},
}
PRETRAINING = {"lr": 2e-3, "betas": [0.9, 0.95], "weight_decay": 0.05}
FADE, WARM = 0.25, 0.05  # parts of a run
JITTER = {"center_jitter": 1.5, "scale_jitter": 0.2}  # of the crops that are measured


@dataclass(frozen=True)
class Workshop:
    """What all runs share.

    Attributes:
        out: folder of runs and results.
        steps: of a run, in units of which `Plan.times` counts.
        network: fields of the network.
        training: fields of the recipe.
    """

    out: Path
    steps: int = 400
    network: dict[str, Any] = field(default_factory=lambda: NETWORK)
    training: dict[str, Any] = field(default_factory=lambda: TRAINING)

    def folder(self, plan: str, seed: int) -> Path:
        """Of one run."""
        return self.out / f"seed{seed}" / plan

    def recipe(self, plan: Plan, seed: int) -> Recipe:
        """The recipe of one run; its start and teacher are other runs of the same seed."""
        steps, fields = self.steps * plan.times, self.training
        optimizer = {**fields["optimizer"], "warmup_steps": max(1, round(WARM * steps))}
        if plan.stage == "pretrain":
            optimizer |= PRETRAINING
        student, teacher = plan.follow
        follow = {"feature_weight": 0.2, "student_blocks": student, "teacher_blocks": teacher} if student else {}
        model = str(self.folder(plan.teacher, seed) / "model") if plan.teacher else ""
        return Recipe.from_dict(
            {
                **fields,
                "model_overrides": {**self.network, **plan.changes},
                "stage": plan.stage,
                "seed": seed,
                "max_steps": steps,
                "epoch_samples": fields["batch_size"],  # an epoch is a step, so that blocks fade smoothly
                "init_from": self.start(plan, seed),
                "optimizer": optimizer,
                "loss": {"aux": plan.aux},
                "teacher": {"model": model, "kl_weight": 5.0, **follow},
                "pruning": {"blocks": plan.fade, "epochs": max(1, round(FADE * steps)), "variant": "paper"},
                "masks": {**fields["masks"], "kind": plan.masks},
            }
        )

    def start(self, plan: Plan, seed: int) -> str:
        """Where a run starts: a model folder, or its file for the backbone alone."""
        if not plan.start:
            return ""
        folder = self.folder(plan.start, seed) / "model"
        if not plan.whole:
            return str(folder / WEIGHTS_FILE)
        return str(self.folder(plan.name, seed) / "start" if plan.cut else folder)

    def cut(self, plan: Plan, seed: int) -> None:
        """Write the start of a student that begins with some blocks of its teacher."""
        weights = load_weights(self.folder(plan.start, seed) / "model")
        state, config = remove_blocks(weights.state, weights.config, plan.cut)
        save_weights(ModelWeights(config, state), self.folder(plan.name, seed) / "start")


class KeptSamples(SampleDataset):
    """Samples are made once and then kept: all rows of a seed learn from the same ones."""

    def __init__(self, made: SampleDataset) -> None:
        super().__init__(made.mixture, made.crops, made.augmentation, made.seed)
        self._kept: dict[int, Sample] = {}

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = super().__getitem__(index)
        return self._kept[index]


Crops = dict[str, Batch]  # name of a sequence -> its crops


def held_out(sequences: list[VideoSequence], crops: CropSettings, count: int = 48) -> Crops:
    """Crops around the target, jittered, of `count` frames of every sequence; the template is the first frame's."""
    plain = Augmentation(**JITTER, gray_prob=0, flip_prob=0, brightness=0, contrast=0, blur_prob=0)
    found = {}
    for number, sequence in enumerate(sequences):
        first, *later = (int(i) for i in sequence.visible)
        template = AnnotatedFrame(read_frame(sequence.frames[first]), sequence.box(first), sequence)
        chosen = [later[i] for i in np.linspace(0, len(later) - 1, min(count, len(later))).astype(int)]
        samples = []
        for index in chosen:
            view = AnnotatedFrame(read_frame(sequence.frames[index]), sequence.box(index), sequence)
            plan = draw_sample_params(
                np.random.default_rng([number, index]), TrainingSample((template,), view), plain, crops
            )
            assert plan is not None  # such an augmentation rejects nothing
            samples.append(plan.render())
        found[sequence.name] = collate(samples)
    return found


@torch.no_grad()
def measure(model: MixFormer, crops: Crops) -> dict[str, list[float]]:
    """IoU of every crop of every sequence."""
    found = {}
    for name, batch in crops.items():
        memory = model.remember(model.normalize(batch.templates))
        boxes = model.locate(model.normalize(batch.search), memory).boxes
        found[name] = iou(cxcywh_to_xyxy(boxes.float()), batch.boxes.clamp(0, 1))[0].tolist()
    return found


def train(shop: Workshop, plan: Plan, seed: int, samples: SampleDataset, crops: Crops) -> dict[str, Any]:
    """One run from its start to its line of results."""
    begin = time.perf_counter()
    folder = shop.folder(plan.name, seed)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    if plan.cut:
        shop.cut(plan, seed)
    recipe = shop.recipe(plan, seed)
    torch.manual_seed(seed)
    stage = build_stage(start_model(recipe), recipe, load_model(recipe.teacher.model) if plan.teacher else None)
    latest: dict[str, float] = {}
    trainer = Trainer(stage, samples, recipe, folder)
    trainer.run(progress=lambda _, means: latest.update(means))
    model = load_model(export(trainer)).eval()
    trainer.checkpoint.unlink()
    line = {"plan": plan.name, "seed": seed, "steps": recipe.max_steps, "batch": recipe.batch_size, "training": latest}
    line["parameters"] = sum(p.numel() for p in model.parameters())
    if plan.stage != "pretrain":
        values = measure(model, crops)
        line["sequences"] = {name: round(float(np.mean(v)), 4) for name, v in values.items()}
        line["iou"] = float(np.mean([np.mean(v) for v in values.values()]))
        line["over_half"] = float(np.mean([np.mean(np.array(v) > 0.5) for v in values.values()]))
    return line | {"seconds": round(time.perf_counter() - begin, 1)}


def needed(only: list[str]) -> list[Plan]:
    """The named rows and what they start from or learn from; all without a name."""
    wanted = set(only or PLAN)
    for plan in reversed(PLANS):
        if plan.name in wanted:
            wanted |= {plan.start, plan.teacher}
    return [plan for plan in PLANS if plan.name in wanted]


def read_results(out: Path) -> list[dict[str, Any]]:
    """The lines of finished runs."""
    path = out / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def run_all(shop: Workshop, plans: list[Plan], seeds: list[int], mixture: Mixture, crops: Crops) -> Iterator[dict]:  # type: ignore[type-arg]
    """Every run that is not done, seed by seed; each result is written and given out."""
    done = {(line["plan"], line["seed"]) for line in read_results(shop.out)}
    for seed in seeds:
        recipe = shop.recipe(PLAN["corner_scratch"], seed)
        samples = KeptSamples(mixture_dataset(mixture, recipe, recipe.network()))
        for plan in plans:
            if (plan.name, seed) in done and (shop.folder(plan.name, seed) / "model").is_dir():
                continue
            line = train(shop, plan, seed, samples, crops)
            with (shop.out / "results.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            yield line


def middle(crops: Crops) -> float:
    """Mean IoU of a box in the middle of every crop, with the mean size of all targets."""
    boxes = torch.cat([batch.boxes for batch in crops.values()])
    half = (boxes[:, 2:] - boxes[:, :2]).mean(0) / 2
    guess = torch.cat([0.5 - half, 0.5 + half])
    return float(np.mean([iou(guess.expand(len(b.boxes), 4), b.boxes.clamp(0, 1))[0].mean() for b in crops.values()]))


def main() -> None:
    options = parse()
    shop = Workshop(options.out, options.steps)
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.table:
        shop.training["data_root"] = str(options.data)
        recipe = shop.recipe(PLAN["corner_scratch"], 0)
        dataset = build_dataset(recipe, recipe.network())
        crops = held_out(read_sequences(options.data / "sequences", {"dev_use": "val"}), dataset.crops)
        print(f"{sum(len(b.boxes) for b in crops.values())} crops; box in the middle: {middle(crops):.3f}", flush=True)
        for line in run_all(shop, needed(options.only), options.seeds, dataset.mixture, crops):
            print({key: line.get(key) for key in ("plan", "seed", "iou", "seconds")}, line["training"], flush=True)
    print(table(read_results(options.out)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data-pack"))
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="+", default=[], choices=sorted(PLAN), metavar="ROW", help="and what they need")
    parser.add_argument("--table", action="store_true", help="train nothing, write the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
