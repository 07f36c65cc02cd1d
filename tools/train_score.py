"""Train the score head of a model anew, on what the network says about made situations of tracking.

    python tools/train_score.py --data DIR --keyed DIR [DIR ...] --out FOLDER [--model NAME] [--runs 1:7168 2:9008]

DIR of `--data` holds `sequences/` (those marked `train` are taken), `more/sequences/`, `images/tiny_coco/` and
`more/images/`; DIR of `--keyed` holds what `tools/pseudo_label.py --keys` made. In each situation the search crop
holds the target, a part of it or something else: a place beside it, another scene, a cover, a look-alike. The label is
whether the box that the network finds overlaps the target by more than half. Boxes do not change, so the network looks
at each situation once (20 a second on one core), and the head learns from its tokens in a minute. `--runs` are seeds
and numbers of situations; the defaults are those of the included model, which an earlier form of this file made: other
numbers were drawn.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as PillowImage, ImageFilter
from torch import nn
from torch.nn import functional as F

from mixformer import Box, load_model, save_model
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data import VideoSequence
from mixformer.data.annotated_folders import read_sequences
from mixformer.data.frame_storage import read_frame
from mixformer.engines.torch_engine import TorchEngine
from mixformer.imaging.boxes import clip_to_frame, iou, xywh_to_xyxy
from mixformer.imaging.crop import crop_target, to_frame
from mixformer.types import Image

BATCH = 16
FACTOR = 4.0  # of search crops, in sizes of the target
WEIGHTS = {"train": 1.0, "keyed": 1.0, "more": 0.6, "still": 1.0}  # small things on plain ground count less


class Still(NamedTuple):
    """A picture with objects."""

    file: Path
    size: tuple[int, int]
    objects: list[dict[str, Any]]


class Situation(NamedTuple):
    """What the network is shown, and where the target is."""

    group: str
    templates: list[tuple[Image, Box]]  # the first and the online one
    image: Image
    window: Box
    target: Box | None


picture = lru_cache(400)(read_frame)


def usable(sequence: VideoSequence) -> list[int]:
    """Return the numbers of the frames whose target is large enough to learn from."""
    return [int(index) for index in sequence.valid if min(sequence.boxes[index, 2:]) > 3]


def overlap(first: Any, second: Any) -> float:
    pair = (xywh_to_xyxy(np.asarray(each, float)[None]) for each in (first, second))
    return float(iou(*pair)[0][0])


def inside(box: Any, image: Image) -> bool:
    height, width = image.shape[:2]
    return bool(box[0] < width - 2 and box[1] < height - 2 and box[0] + box[2] > 2 and box[1] + box[3] > 2)


class Situations:
    """Draws situations, repeatably."""

    def __init__(self, data: Path, keyed: list[Path], seed: int) -> None:
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        groups = {
            "train": read_sequences(data / "sequences", {"dev_use": "train"}),
            "keyed": [sequence for root in keyed for sequence in read_sequences(root)],
            "more": read_sequences(data / "more/sequences"),
        }
        self.sequences = {name: [s for s in found if len(usable(s)) >= 3] for name, found in groups.items()}
        self.stills: dict[str, list[Still]] = {}
        for file in [
            *sorted((data / "more/images").glob("*/annotations.json")),
            data / "images/tiny_coco/annotations.json",
        ]:
            for item in json.loads(file.read_text())["items"]:
                if objects := [each for each in item["objects"] if min(each["box"][2:]) >= 12]:
                    still = Still(file.parent / item["file"], (item["w"], item["h"]), objects)
                    self.stills.setdefault(file.parent.name, []).append(still)
        self.files = [file for found in self.sequences.values() for s in found for file in s.frames[::5]]

    def draw(self) -> Situation | None:
        """Return a situation, or None if what was drawn makes none."""
        return self.from_still() if self.random.random() < 0.35 else self.from_sequence()

    def jitter(self, box: Any, place: float, scale: float) -> Box:
        x, y, w, h = box
        size, gauss = math.sqrt(w * h), self.random.gauss
        a, b = math.exp(gauss(0, scale)), math.exp(gauss(0, scale))
        cx, cy = x + w / 2 + gauss(0, place) * size, y + h / 2 + gauss(0, place) * size
        w, h = max(4, w * a), max(4, h * b)
        return Box(cx - w / 2, cy - h / 2, w, h)

    def elsewhere(self, box: Any, image: Image, far: bool = True) -> Box:
        height, width = image.shape[:2]
        size, scale = math.sqrt(box[2] * box[3]), math.exp(self.random.gauss(0, 0.3))
        least = (2.2 if far else 1) * size
        for _ in range(20):
            cx, cy = self.random.uniform(0, width), self.random.uniform(0, height)
            if abs(cx - box[0] - box[2] / 2) > least or abs(cy - box[1] - box[3] / 2) > least:
                break
        w, h = box[2] * scale, box[3] * scale
        return Box(cx - w / 2, cy - h / 2, w, h)

    def filler(self, image: Image, w: int, h: int, others: list[Path]) -> Image:
        kind, whole = self.random.random(), self.random.randint
        if kind < 0.3:
            gray = self.random.random() < 0.5
            return np.full((h, w, 3), whole(0, 255) if gray else [whole(0, 255) for _ in range(3)], np.uint8)
        if kind < 0.4:
            return self.numbers.integers(0, 255, (h, w, 3)).astype(np.uint8)
        source = image if kind < 0.75 else picture(self.random.choice(others))
        height, width = source.shape[:2]
        ww, hh = min(w, width), min(h, height)
        x, y = whole(0, width - ww), whole(0, height - hh)
        return np.asarray(PillowImage.fromarray(source[y : y + hh, x : x + ww]).resize((w, h)))

    def cover(self, image: Image, box: Any, part: float, others: list[Path]) -> Image:
        """Hide a part of the box from one side; 1 hides all of it and a rim."""
        height, width = image.shape[:2]
        x, y, w, h = box
        if part >= 1:
            rim = self.random.uniform(0.02, 0.25)
            x, y, w, h = x - rim * w, y - rim * h, w * (1 + 2 * rim), h * (1 + 2 * rim)
        else:
            side = self.random.randint(0, 3)
            x, w = (x + w * (1 - part) if side == 1 else x), (w * part if side < 2 else w)
            y, h = (y + h * (1 - part) if side == 3 else y), (h * part if side >= 2 else h)
        x1, y1 = max(0, int(x)), max(0, int(y))
        x2, y2 = min(width, math.ceil(x + w)), min(height, math.ceil(y + h))
        if x2 <= x1 or y2 <= y1:
            return image
        out = image.copy()
        out[y1:y2, x1:x2] = self.filler(image, x2 - x1, y2 - y1, others)
        return out

    def recolor(self, image: Image) -> Image:
        gain, offset = math.exp(self.random.gauss(0, 0.15)), self.random.gauss(0, 10)
        tint = np.array([self.random.gauss(1, 0.04) for _ in range(3)])
        return np.clip((image.astype(np.float32) - 128) * gain * tint + 128 + offset, 0, 255).astype(np.uint8)

    def degrade(self, image: Image) -> Image:
        if self.random.random() < 0.12:
            blur = ImageFilter.GaussianBlur(self.random.uniform(0.5, 1.5))
            return np.asarray(PillowImage.fromarray(image).filter(blur))
        return image

    def online(self, sequence: VideoSequence, first: tuple[Image, Box], start: int) -> tuple[Image, Box]:
        """Return an online template: the first one, a good one, or one that should not have been stored."""
        kind, choose = self.random.random(), self.random.choice
        if kind < 0.4:
            return first
        if kind < 0.85:
            index = choose([i for i in usable(sequence) if abs(i - start) <= 120])
            image, box = picture(sequence.frames[index]), self.jitter(sequence.boxes[index], 0.06, 0.08)
        else:
            index = choose(usable(sequence))
            image, right = picture(sequence.frames[index]), sequence.boxes[index]
            away = self.random.random() < 0.5
            box = self.elsewhere(right, image, False) if away else self.jitter(right, 0.6, 0.2)
        return (image, box) if inside(box, image) else first

    def from_sequence(self) -> Situation | None:  # noqa: C901 (a branch for each kind)
        group = self.random.choices(["train", "keyed", "more"], [0.4, 0.3, 0.3])[0]
        sequence = self.random.choice(self.sequences[group])
        start = self.random.choice(usable(sequence))
        index = self.random.choice([i for i in range(len(sequence.frames)) if abs(i - start) <= 120])
        image, right = picture(sequence.frames[index]), sequence.boxes[index]
        first = picture(sequence.frames[start]), self.jitter(sequence.boxes[start], 0.02, 0.03)
        online = self.online(sequence, first, start)
        known = np.isfinite(right).all() and right[2] > 2
        near = right if known else sequence.boxes[min(usable(sequence), key=lambda i: abs(i - index))]
        kind, gone, window = self.random.random(), not np.isfinite(right).all(), self.jitter(near, 0.15, 0.15)
        if 0.30 <= kind < 0.45:
            window = self.jitter(near, self.random.uniform(0.4, 1.4), 0.25)
        elif 0.45 <= kind < 0.62:
            window = self.elsewhere(near, image, self.random.random() < 0.7)
        elif 0.62 <= kind < 0.72:
            image, gone = self.cover(image, near, 1, self.files), True
        elif 0.72 <= kind < 0.80:
            image = self.cover(image, near, self.random.uniform(0.2, 0.75), self.files)
        elif 0.80 <= kind < 0.90:
            height, width = image.shape[:2]
            other = PillowImage.fromarray(picture(self.random.choice(self.files)))
            image, gone = np.asarray(other.resize((width, height))), True
        elif kind >= 0.90:
            image, gone = self.cover(image, near, 1, [sequence.frames[index]]), True
            window = self.jitter(near, 0.5, 0.2)
        if not inside(window, image):
            window = self.jitter(near, 0.1, 0.1)
        if not inside(window, image):
            return None
        target = None if gone else Box(*right)
        return Situation(group, [first, online], self.degrade(image), window, target)

    def from_still(self) -> Situation | None:  # noqa: C901 (a branch for each kind)
        name = self.random.choices(list(self.stills), [math.sqrt(len(v)) for v in self.stills.values()])[0]
        still = self.random.choice(self.stills[name])
        image = picture(still.file)
        height, width = image.shape[:2]
        fx, fy = width / still.size[0], height / still.size[1]
        boxes = [Box(x * fx, y * fy, w * fx, h * fy) for x, y, w, h in (each["box"] for each in still.objects)]
        k = self.random.randrange(len(boxes))
        box, label = boxes[k], still.objects[k].get("label")
        template = self.jitter(box, 0.02, 0.03)
        first = self.recolor(image), template
        same = [i for i, each in enumerate(still.objects) if i != k and each.get("label") == label]
        alike = [i for i in same if overlap(boxes[i], box) < 0.1]
        shown = image if self.random.random() < 0.5 else self.recolor(image)
        flip, kind = self.random.random() < 0.3, self.random.random()
        gone, window = False, self.jitter(box, 0.2, 0.2)
        if kind < 0.25:
            pass
        elif kind < 0.6 and alike:
            window = self.jitter(boxes[self.random.choice(alike)], 0.15, 0.15)
            if self.random.random() < 0.6:
                shown, gone = self.cover(shown, box, 1, [still.file]), True
        elif kind < 0.75:
            shown, gone = self.cover(shown, box, 1, [still.file] if self.random.random() < 0.5 else self.files), True
        elif kind < 0.85:
            window = self.elsewhere(box, shown)
        elif kind < 0.93:
            other = self.random.choice(self.stills[name]).file
            if other == still.file:
                return None
            shown, gone = np.asarray(PillowImage.open(other).convert("RGB").resize((width, height))), True
        else:
            shown = self.cover(shown, box, self.random.uniform(0.2, 0.7), self.files)
        if flip:
            shown = shown[:, ::-1]
            window, box = (each._replace(x=width - each.x - each.w) for each in (window, box))
        if not inside(window, shown) or min(window[2:]) < 4:
            return None
        image = self.degrade(np.ascontiguousarray(shown))
        return Situation("still", [first, first], image, window, None if gone else box)


def look(engine: TorchEngine, batch: list[Situation]) -> tuple[torch.Tensor, list[bool]]:
    """Return the network's prediction tokens (B, E, C), and whether each box overlaps its target by more than half."""
    model, config = engine.model, engine.config
    templates = [[crop_target(*each, 2.0, config.template_size)[0] for each in s.templates] for s in batch]
    crops = [crop_target(s.image, s.window, FACTOR, config.search_size) for s in batch]
    with torch.inference_mode():
        memory = model.remember(model.normalize(torch.from_numpy(np.stack(templates))))
        found = model.locate(model.normalize(torch.from_numpy(np.stack([crop for crop, _ in crops]))), memory)
    right = []
    for situation, (_, scale), place in zip(batch, crops, found.boxes.float().numpy(), strict=True):
        cx, cy, w, h = map(float, place)
        box = to_frame((cx, cy, w, h), situation.window, scale, config.search_size)
        box = clip_to_frame(box, *situation.image.shape[:2], 2.0)
        right.append(situation.target is not None and overlap(box, situation.target) > 0.5)
    return found.tokens[:, -config.prediction_tokens :].half().float(), right


def train_head(head: nn.Module, tokens: torch.Tensor, right: torch.Tensor, weights: torch.Tensor) -> None:
    """Train a score head (B, E, C) -> (B,) from its present weights."""
    torch.manual_seed(0)
    epochs, size, rate, dropped = 12, 128, 5e-4, nn.Dropout(0.3)
    optimizer = torch.optim.AdamW(head.parameters(), rate, weight_decay=0.1)
    steps = epochs * (len(tokens) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    order = np.arange(len(tokens))
    for epoch in range(epochs):
        np.random.default_rng(epoch).shuffle(order)
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            wanted = right[rows] * 0.99 + 0.005
            losses = F.binary_cross_entropy_with_logits(head(dropped(tokens[rows])), wanted, reduction="none")
            optimizer.zero_grad()
            (weights[rows] * losses).mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def main() -> None:  # noqa: C901 (two plain loops)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keyed", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--runs", nargs="+", default=["1:7168", "2:9008"], help="SEED:NUMBER of situations")
    options = parser.parse_args()
    model = load_model(options.model)
    engine = TorchEngine(model, "cpu", "bfloat16")
    tokens, right, weights = [], [], []
    for run in options.runs:
        seed, count = map(int, run.split(":"))
        situations = Situations(options.data, options.keyed, seed)
        batch: list[Situation] = []
        for done in range(0, count, BATCH):
            while len(batch) < BATCH:
                if (drawn := situations.draw()) is not None:
                    batch.append(drawn)
            found, overlaps = look(engine, batch)
            tokens.append(found)
            right += overlaps
            weights += [WEIGHTS[each.group] for each in batch]
            batch.clear()
            if done % 1024 == 0:
                print(f"seed {seed}: {done} of {count} situations, {np.mean(right):.2f} with the target", flush=True)
    if model.score_head is None:
        raise SystemExit(f"{options.model} has no score head")
    for layer in model.score_head.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    model.score_head.train()
    train_head(model.score_head, torch.cat(tokens), torch.tensor(right).float(), torch.tensor(weights))
    save_model(model.eval(), options.out, precision="int8")
    print(f"wrote {options.out}; mixformer export {options.out} --to onnx --out FOLDER makes its graphs")


if __name__ == "__main__":
    main()
