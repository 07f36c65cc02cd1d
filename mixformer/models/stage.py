"""A stage: patch embedding and mixed-attention blocks. A plain backbone is one stage, MixCvT a chain of three."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from mixformer.configs.model import StageSize
from mixformer.models.attention import KVCache, TokenLayout
from mixformer.models.block import Block
from mixformer.models.layers import maps_of, sincos_table, tokens_of


class Stage(nn.Module):
    """Embed maps (or images) as tokens and mix them. No norm follows the last block (as in the official code).

    `remember`, `locate` and `mix` take the same optional arguments:

    - scales: (depth, 2 or 3, B) factors on the residual branches and on the whole block (see `Block`), or None.
    - features: a list that every block's output is appended to, or None.
    - full: False skips outputs that the heads do not read. `remember` then computes only keys and values in the last
      block; `locate` computes only the prediction tokens there. The results of the heads are the same.

    Only `locate` leaves out search tokens (`ModelConfig.elimination`).
    """

    def __init__(
        self,
        embed: nn.Module,
        blocks: list[Block],
        size: StageSize,
        position: str = "none",
        tokens: int = 0,
        elimination: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Put the parts together.

        Args:
            embed: module from maps (B, C', h, w) to maps (B, dim, grid, grid).
            blocks: `size.depth` blocks.
            size: widths and grids.
            position: as in `ModelConfig`.
            tokens: prediction tokens to append to the search tokens.
            elimination: as in `ModelConfig`.
        """
        super().__init__()
        self.size, self.token_count, self.kept_after = size, tokens, dict(elimination)
        self.patch_embed = embed
        if position != "none":
            learn = position == "learned"
            self.pos_search = nn.Parameter(_table(size.dim, size.search_grid, tokens), requires_grad=learn)
            self.pos_template = nn.Parameter(_table(size.dim, size.template_grid, tokens), requires_grad=learn)
        else:
            self.pos_search, self.pos_template = None, None  # type: ignore[assignment]
        if tokens:
            self.tokens = nn.Parameter(torch.empty(1, tokens, size.dim))
            self.pos_tokens = nn.Parameter(torch.zeros(1, tokens, size.dim))
            nn.init.trunc_normal_(self.tokens, std=0.02)
        self.blocks = nn.ModuleList(blocks)

    @property
    def parts(self) -> list[Stage]:
        """A list of this stage alone."""
        return [self]

    @property
    def layouts(self) -> tuple[TokenLayout, TokenLayout]:
        """Layouts of the template tokens and of the search tokens."""
        return TokenLayout(self.size.template_grid), TokenLayout(self.size.search_grid, self.token_count)

    def embed_templates(self, maps: Tensor) -> Tensor:
        """Embed templates (B, N, C', h, w) as tokens (B, N * t' * t', C). They share one position table."""
        tokens = tokens_of(self.patch_embed(maps.flatten(0, 1)))
        if self.pos_template is not None:
            tokens = tokens + self.pos_template
        return tokens.reshape(maps.shape[0], -1, tokens.shape[2])

    def embed_search(self, maps: Tensor) -> Tensor:
        """Embed the search region (B, C', h, w) as tokens (B, s' * s' + E, C), prediction tokens last."""
        tokens = tokens_of(self.patch_embed(maps))
        if self.pos_search is not None:
            tokens = tokens + self.pos_search
        if not self.token_count:
            return tokens
        extra = (self.tokens + self.pos_tokens).expand(tokens.shape[0], -1, -1)
        return torch.cat([tokens, extra.to(tokens.dtype)], 1)

    def remember(
        self,
        templates: Tensor,
        scales: Tensor | None = None,
        features: list[Tensor] | None = None,
        full: bool = True,
    ) -> tuple[list[KVCache], Tensor | None]:
        """Encode all templates (B, N, C', h, w) jointly.

        Returns:
            Keys and values of every block that mixes, and the final template tokens (None unless `full`).
        """
        layout, _ = self.layouts
        x = self.embed_templates(templates)
        memory = []
        for index, block in enumerate(self.typed_blocks):
            if index == len(self.blocks) - 1 and not full:
                memory += [block.remember_keys(x, layout)] if block.attn.reach != "self" else []
                return memory, None
            x, kept = block.remember(x, layout, _at(scales, index))
            memory += [kept] if block.attn.reach != "self" else []
            _append(features, x)
        return memory, x

    def locate(
        self,
        search: Tensor,
        memory: list[KVCache],
        scales: Tensor | None = None,
        features: list[Tensor] | None = None,
        full: bool = True,
    ) -> Tensor:
        """Mix the search region (B, C', h, w) with remembered templates.

        Returns:
            (B, s' * s' + E, C), fewer after an elimination, or (B, E, C) if not `full`.
        """
        _, layout = self.layouts
        x = self.embed_search(search)
        known = iter(memory)
        for index, block in enumerate(self.typed_blocks):
            last = self.token_count if index == len(self.blocks) - 1 and not full else None
            kept = None if block.attn.reach == "self" else next(known)
            x = block.locate(x, layout, kept, _at(scales, index), last, self.kept_after.get(index))
            _append(features, x)
        return x

    def mix(
        self, templates: Tensor, search: Tensor, scales: Tensor | None = None, features: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode templates (B, N, C', h, w) and the search region (B, C', h, w) with symmetric attention."""
        t, s = self.embed_templates(templates), self.embed_search(search)
        for index, block in enumerate(self.typed_blocks):
            t, s = block.mix(t, s, self.layouts, _at(scales, index))
            _append(features, torch.cat([t, s], 1))
        return t, s

    def template_maps(self, tokens: Tensor) -> Tensor:
        """Reshape template tokens (B, N * t' * t', C) to maps (B, N, C, t', t')."""
        return maps_of(tokens, self.size.template_grid)

    def search_map(self, tokens: Tensor) -> Tensor:
        """Reshape search tokens (B, s' * s' + E, C) to a map (B, C, s', s'), without the prediction tokens."""
        return maps_of(tokens[:, : self.size.search_grid**2], self.size.search_grid)[:, 0]

    @property
    def typed_blocks(self) -> list[Block]:
        """The blocks, for type checkers."""
        return cast("list[Block]", list(self.blocks))


class StageChain(nn.Module):
    """A chain of stages with the interface of `Stage`. Each stage takes the maps of the one before."""

    def __init__(self, stages: list[Stage]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    @property
    def parts(self) -> list[Stage]:
        """The stages in order."""
        return cast("list[Stage]", list(self.stages))

    def remember(
        self,
        templates: Tensor,
        scales: Tensor | None = None,
        features: list[Tensor] | None = None,
        full: bool = True,
    ) -> tuple[list[KVCache], Tensor | None]:
        """See `Stage.remember`."""
        memory: list[KVCache] = []
        tokens: Tensor | None = None
        for stage, own, last in self._shares(scales):
            kept, tokens = stage.remember(templates, own, features, full or not last)
            memory += kept
            if tokens is not None:
                templates = stage.template_maps(tokens)
        return memory, tokens

    def locate(
        self,
        search: Tensor,
        memory: list[KVCache],
        scales: Tensor | None = None,
        features: list[Tensor] | None = None,
        full: bool = True,
    ) -> Tensor:
        """See `Stage.locate`."""
        tokens, start = search, 0
        for stage, own, last in self._shares(scales):
            tokens = stage.locate(search, memory[start:], own, features, full or not last)
            start += sum(block.attn.reach != "self" for block in stage.typed_blocks)
            if not last:
                search = stage.search_map(tokens)
        return tokens

    def mix(
        self, templates: Tensor, search: Tensor, scales: Tensor | None = None, features: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `Stage.mix`."""
        t = s = search
        for stage, own, _ in self._shares(scales):
            t, s = stage.mix(templates, search, own, features)
            templates, search = stage.template_maps(t), stage.search_map(s)
        return t, s

    def _shares(self, scales: Tensor | None) -> list[tuple[Stage, Tensor | None, bool]]:
        """List each stage with its share of the factors, and whether it is the last."""
        shares, start = [], 0
        for stage in self.parts:
            own = None if scales is None else scales[start : start + stage.size.depth]
            shares.append((stage, own, stage is self.parts[-1]))
            start += stage.size.depth
        return shares


Backbone = Stage | StageChain


def _table(dim: int, grid: int, tokens: int) -> Tensor:
    """Compute the position table, with frequencies in float32 for V2 (prediction tokens), else float64 (official)."""
    frequencies: Literal["float32", "float64"] = "float32" if tokens else "float64"
    return sincos_table(dim, grid, frequencies)


def _at(scales: Tensor | None, index: int) -> Tensor | None:
    return None if scales is None else scales[index]


def _append(features: list[Tensor] | None, x: Tensor) -> None:
    if features is not None:
        features.append(x)
