"""Plain backbone of MixViT and MixFormerV2: patches, position tables, blocks; prediction tokens are an option."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mixformer.config import ModelConfig
from mixformer.models.attention import Block, KeyValue
from mixformer.models.layers import sincos_table


class VisionTransformer(nn.Module):
    """Mixed-attention ViT. No norm follows the last block (as in the official code)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, patch = config.dim, config.patch_size
        self.token_count = config.prediction_tokens
        self.patch_embed = nn.Conv2d(3, dim, patch, patch)
        train_table = config.position == "learned"
        frequencies: Literal["float32", "float64"] = "float32" if self.token_count else "float64"
        self.pos_search = nn.Parameter(sincos_table(dim, config.search_grid, frequencies), requires_grad=train_table)
        self.pos_template = nn.Parameter(
            sincos_table(dim, config.template_grid, frequencies), requires_grad=train_table
        )
        if self.token_count:
            self.tokens = nn.Parameter(torch.empty(1, self.token_count, dim))
            self.pos_tokens = nn.Parameter(torch.zeros(1, self.token_count, dim))
            nn.init.trunc_normal_(self.tokens, std=0.02)
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, config.mlp_dim, config.layer_scale) for _ in range(config.depth)
        )

    def embed_templates(self, templates: Tensor) -> Tensor:
        """(B, N, 3, t, t) -> (B, N * t' * t', C); the templates share one position table."""
        batch, count = templates.shape[:2]
        tokens = self.patch_embed(templates.flatten(0, 1)).flatten(2).transpose(1, 2) + self.pos_template
        return tokens.reshape(batch, count * tokens.shape[1], -1)  # type: ignore[no-any-return]

    def embed_search(self, search: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, s' * s' + E, C), prediction tokens last."""
        tokens = self.patch_embed(search).flatten(2).transpose(1, 2) + self.pos_search
        if not self.token_count:
            return tokens  # type: ignore[no-any-return]
        extra = (self.tokens + self.pos_tokens).expand(len(tokens), -1, -1)
        return torch.cat([tokens, extra.to(tokens.dtype)], 1)

    def remember(
        self, templates: Tensor, scales: Tensor | None = None, features: list[Tensor] | None = None, full: bool = True
    ) -> tuple[list[KeyValue], Tensor | None]:
        """Encode all templates jointly.

        Args:
            templates: (B, N, 3, t, t) normalised.
            scales: (depth, 2, B) factors on the residual branches.
            features: filled with every block's output when given.
            full: False stops after the last block's keys and values, which is all that `locate` reads.

        Returns:
            Keys and values of every block, and the final template tokens (None unless `full`).
        """
        x = self.embed_templates(templates)
        memory = []
        for index, block in enumerate(self.blocks):
            if index == len(self.blocks) - 1 and not full:
                memory.append(block.remember_keys(x))  # type: ignore[operator]
                return memory, None
            x, kept = block.remember(x, None if scales is None else scales[index])  # type: ignore[operator]
            memory.append(kept)
            if features is not None:
                features.append(x)
        return memory, x

    def locate(
        self,
        search: Tensor,
        memory: list[KeyValue],
        scales: Tensor | None = None,
        features: list[Tensor] | None = None,
        full: bool = True,
    ) -> Tensor:
        """Mix the search region with remembered templates.

        Args:
            search: (B, 3, s, s) normalised.
            memory: what `remember` returned.
            scales: (depth, 2, B) factors on the residual branches.
            features: filled with every block's output when given.
            full: False computes only the prediction tokens in the last block (exact; the token head reads no more).

        Returns:
            (B, s' * s' + E, C), or (B, E, C) if not `full`.
        """
        x = self.embed_search(search)
        for index, block in enumerate(self.blocks):
            last = self.token_count if index == len(self.blocks) - 1 and not full else None
            x = block.locate(x, memory[index], None if scales is None else scales[index], last)  # type: ignore[operator]
            if features is not None:
                features.append(x)
        return x
