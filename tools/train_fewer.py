"""Teach a network with fewer search tokens to say what the same network says with all of them.

    python tools/train_fewer.py tools/train_fewer.toml --data DIR --keyed DIR [DIR ...] --out FOLDER [--share 8]

The teacher is `init_from` of the recipe; the student starts from its weights, with the `elimination` of the recipe. The
prediction tokens after the last block follow the teacher's, and so do the distributions of the edges and the score.
Both heads stay as they are, and no label is read: the samples are those of `train_joint.py`. The run resumes like
`mixformer train`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from train_joint import WithSituations, parse
from train_score import Situations

from mixformer import load_model
from mixformer.data.sample_dataset import Batch
from mixformer.models import MixFormer
from mixformer.training import Recipe
from mixformer.training.build_data import build_dataset
from mixformer.training.distillation import edge_kl, edge_logits
from mixformer.training.run_training import start_model, write_model
from mixformer.training.stages import BatchPosition, freeze
from mixformer.training.trainer import Trainer


class FollowTokens(nn.Module):
    """A stage of training: the student's prediction tokens, edges and score follow those of the teacher."""

    def __init__(self, model: MixFormer, teacher: MixFormer, frozen_blocks: int) -> None:
        super().__init__()
        self.model = model
        self._teacher = [teacher.eval().requires_grad_(False)]  # a list hides it from `parameters` and `state_dict`
        freeze(model, frozen_blocks)
        for head in (model.box_head, model.score_head):
            if head is not None:
                head.requires_grad_(False)

    def forward(self, batch: Batch, position: BatchPosition) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, and its parts."""
        model, teacher = self.model, self._teacher[0]
        templates, search = model.normalize(batch.templates), model.normalize(batch.search)
        with torch.no_grad():
            wanted = teacher.locate(search, teacher.remember(templates), full=False)
        found = model.locate(search, model.remember(templates), full=False)
        assert found.scores is not None
        assert wanted.scores is not None
        ours, theirs = (each.tokens.float() for each in (found, wanted))
        tokens = (ours - theirs).square().mean() / theirs.var()
        edges = edge_kl(edge_logits(found), edge_logits(wanted).exp())
        score = F.smooth_l1_loss(found.scores.float(), wanted.scores.float())
        agrees = ((found.scores > 0) == (wanted.scores > 0)).float().mean()
        parts = {"tokens": tokens.detach(), "kl": edges.detach(), "score": score.detach(), "accuracy": agrees}
        return tokens + edges + 0.2 * score, parts


def main() -> None:
    options = parse(__doc__)
    recipe = Recipe.from_toml(options.recipe)
    torch.manual_seed(recipe.seed)
    model = start_model(recipe)
    samples = build_dataset(recipe, model.config)
    situations = Situations(options.data, options.keyed, recipe.seed)
    stage = FollowTokens(model, load_model(recipe.init_from), recipe.optimizer.freeze_blocks)
    trainer = Trainer(stage, WithSituations(samples, situations, options.share), recipe, options.out)
    trainer.resume()
    trainer.run()
    print(f"wrote {write_model(trainer)}")


if __name__ == "__main__":
    main()
