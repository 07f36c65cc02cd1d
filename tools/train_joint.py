"""Train box and score of a model together, on the samples of a recipe and on made situations of tracking.

    python tools/train_joint.py RECIPE --data DIR --keyed DIR [DIR ...] --out FOLDER [--share 8]

Of each 16 samples, `--share` are situations; `--data` and `--keyed` are those of `train_score.py`. The others come
from the recipe, which sets `loss.score`. The run resumes like `mixformer train`.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from train_score import FACTOR, Situation, Situations

from mixformer.data.crop_params import Sample
from mixformer.data.sample_dataset import SampleDataset
from mixformer.imaging.crop import crop_target, to_crop
from mixformer.training import Recipe
from mixformer.training.run_training import prepare, write_model


class WithSituations(SampleDataset):
    """The samples of a recipe, and a situation in place of some of them. Sample i depends on the seed and i alone."""

    def __init__(self, samples: SampleDataset, situations: Situations, share: int) -> None:
        super().__init__(samples.mixture, samples.crops, samples.augmentation, samples.seed)
        self.situations, self.share = situations, share

    def __getitem__(self, index: int) -> Sample:
        if index % 16 >= self.share:
            return super().__getitem__(index)
        self.situations.random = random.Random(f"{self.seed}-{index}")
        self.situations.numbers = np.random.default_rng([self.seed, index])
        while (drawn := self.situations.draw()) is None:
            pass
        return self.cut(drawn)

    def cut(self, situation: Situation) -> Sample:
        size = self.crops.search_size
        templates = [crop_target(*each, 2.0, self.crops.template_size)[0] for each in situation.templates]
        search, scale = crop_target(situation.image, situation.window, FACTOR, size)
        corners = np.zeros(4)
        if situation.target is not None:
            box = to_crop(situation.target, situation.window.center, scale, size)
            corners = np.array([box.x, box.y, box.x + box.w, box.y + box.h])
        return Sample(np.stack(templates), search, corners, float(situation.target is not None))


def parse(description: str | None) -> argparse.Namespace:
    """Read the command line of a tool that trains on samples and situations."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keyed", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=int, default=8, help="situations among 16 samples")
    return parser.parse_args()


def main() -> None:
    options = parse(__doc__)
    recipe = Recipe.from_toml(options.recipe)
    trainer = prepare(recipe, options.out)
    situations = Situations(options.data, options.keyed, recipe.seed)
    trainer.dataset = WithSituations(trainer.dataset, situations, options.share)
    trainer.run()
    print(f"wrote {write_model(trainer)}")


if __name__ == "__main__":
    main()
