"""The tracker network: `remember` the templates, `locate` the target, and nothing kept in between."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mixformer.boxes import xyxy_to_cxcywh
from mixformer.config import ModelConfig
from mixformer.models.attention import KeyValue
from mixformer.models.corner import build_corner_head
from mixformer.models.heads import TokenHead, TokenScore
from mixformer.models.vit import VisionTransformer


@dataclass(frozen=True)
class Memory:
    """What search steps need of a set of templates.

    Attributes:
        blocks: keys and values of every block, (B, heads, N * t' * t', head_dim) each.
        templates: final template tokens (B, N * t' * t', C); None if only the keys were computed.
        features: every block's output, if asked for.
    """

    blocks: list[KeyValue]
    templates: Tensor | None = None
    features: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Prediction:
    """Output of `locate` for a batch.

    Attributes:
        boxes: (B, 4) centre x, centre y, width, height as fractions of the search crop; nothing forces them positive.
        logits: token head: (B, 4, bins) edge logits in the order left, right, top, bottom;
            corner heads: (B, 2, grid * grid) logits of the top-left and bottom-right corner, row-major.
        scores: (B,) logits, or None without a score head.
        tokens: (B, S + E, C) final tokens, or (B, E, C) if only the prediction tokens were computed.
        features: every block's output, if asked for.
    """

    boxes: Tensor
    logits: Tensor
    scores: Tensor | None
    tokens: Tensor
    features: list[Tensor] = field(default_factory=list)


class MixFormer(nn.Module):
    """Stateless tracker network of any variant.

    `forward` is the composition of `remember` and `locate`, so training and tracking compute the same function.
    Inputs are normalised float images; see `normalise`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = VisionTransformer(config)
        self.box_head = TokenHead(config.dim, config.bins) if config.head == "token" else build_corner_head(config)
        self.score_head = TokenScore(config.dim) if config.score == "token" else None
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(3, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (..., H, W, 3) RGB -> normalised (..., 3, H, W) in the model's dtype."""
        scaled = images.movedim(-1, -3).to(self.mean.dtype) / 255  # type: ignore[arg-type]
        return (scaled - self.mean) / self.std  # type: ignore[operator]

    def remember(self, templates: Tensor, scales: Tensor | None = None, *, keep_features: bool = False) -> Memory:
        """Encode the static template and any number of online templates jointly.

        Args:
            templates: (B, N, 3, t, t) normalised, static template first.
            scales: (depth, 2, B) factors on the residual branches, or None.
            keep_features: also return every block's output, and the final template tokens.
        """
        features: list[Tensor] | None = [] if keep_features else None
        blocks, tokens = self.backbone.remember(templates, scales, features, full=keep_features)
        return Memory(blocks, tokens, features or [])

    def locate(
        self,
        search: Tensor,
        memory: Memory,
        scales: Tensor | None = None,
        *,
        keep_features: bool = False,
        full: bool | None = None,
    ) -> Prediction:
        """Find the remembered target in a search crop.

        Args:
            search: (B, 3, s, s) normalised.
            memory: what `remember` returned for the same batch.
            scales: (depth, 2, B) factors on the residual branches, or None.
            keep_features: also return every block's output.
            full: compute all tokens in the last block; by default only if features are kept or the head is dense.
        """
        features: list[Tensor] | None = [] if keep_features else None
        dense = self.config.head != "token"
        full = dense or (keep_features if full is None else full)
        x = self.backbone.locate(search, memory.blocks, scales, features, full=full)
        if dense:
            corners, logits = self.box_head(self._as_map(x))
            return Prediction(xyxy_to_cxcywh(corners), logits, None, x, features or [])
        tokens = x[:, -self.config.prediction_tokens :]
        corners, logits = self.box_head(tokens)
        scores = None if self.score_head is None else self.score_head(tokens)
        return Prediction(xyxy_to_cxcywh(corners), logits, scores, x, features or [])

    def forward(
        self, templates: Tensor, search: Tensor, scales: Tensor | None = None, *, keep_features: bool = False
    ) -> Prediction:
        """Training form: `locate(search, remember(templates))`; in training mode stochastic depth is drawn here."""
        if scales is None and self.training and self.config.drop_path > 0:
            scales = self.draw_drop_path(len(search), search.device)
        memory = self.remember(templates, scales, keep_features=keep_features)
        return self.locate(search, memory, scales, keep_features=keep_features)

    def draw_drop_path(self, batch: int, device: torch.device) -> Tensor:
        """Random factors (depth, 2, B) of stochastic depth, its rate rising linearly over the blocks.

        One draw serves templates and search alike, as in the official joint forward.
        """
        keep = 1 - torch.linspace(0, self.config.drop_path, self.config.depth, device=device).view(-1, 1, 1)
        return torch.bernoulli(keep.expand(-1, 2, batch)) / keep

    def _as_map(self, tokens: Tensor) -> Tensor:
        """(B, s' * s', C) -> (B, C, s', s')."""
        grid = self.config.search_grid
        return tokens.transpose(1, 2).reshape(len(tokens), -1, grid, grid)
