"""The joint forward, written apart from the package: one sequence of all tokens, and a mask.

Order of tokens: static template, online templates, search region, prediction tokens. It reads the package's weights by
their names and shares no code with it but ConvMAE's stem (tested by itself). Gradients flow to the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mixformer.configs.model import ModelConfig, StageSize
from mixformer.models import MixFormer


@dataclass(frozen=True)
class Joint:
    """What the joint forward computes.

    Attributes:
        features: the whole sequence after every block, (B, T + S + E, C).
        known: template tokens T after every block, at the front.
    """

    features: list[Tensor]
    known: list[int]

    @property
    def templates(self) -> Tensor:
        """Final tokens of all templates."""
        return self.features[-1][:, : self.known[-1]]

    @property
    def search(self) -> Tensor:
        """Final tokens of the search region, then prediction tokens."""
        return self.features[-1][:, self.known[-1] :]


def joint_forward(model: MixFormer, templates: Tensor, search: Tensor) -> Joint:
    """The backbone on templates (B, N, 3, t, t) and search crops (B, 3, s, s), in evaluation mode."""
    config, state = model.config, dict(model.named_parameters()) | dict(model.named_buffers())
    maps = [*templates.unbind(1), search]
    features: list[Tensor] = []
    known: list[int] = []
    for index, size in enumerate(config.stages):
        prefix = "backbone." if len(config.stages) == 1 else f"backbone.stages.{index}."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        stage = _Stage(own, config, size, len(features))
        stem = model.backbone.parts[0].patch_embed if index == 0 and config.backbone == "convmae" else None
        outputs = stage.run(maps, stem)
        features += outputs
        known += [len(templates[0]) * size.template_grid**2] * len(outputs)
        maps = stage.maps_in(outputs[-1])
    return Joint(features, known)


class _Stage:
    def __init__(self, state: dict[str, Tensor], config: ModelConfig, size: StageSize, first: int) -> None:
        self.state, self.config, self.size, self.first = state, config, size, first
        self.number = 0  # of the running block, over all stages
        self.grids: list[int] = []
        self.extra = state["tokens"].shape[1] if "tokens" in state else 0

    def run(self, maps: list[Tensor], stem: Callable[[Tensor], Tensor] | None) -> list[Tensor]:
        """The sequence after every block."""
        parts = []
        for index, image in enumerate(maps):
            image = self.embed(image) if stem is None else stem(image)
            table = self.state.get("pos_template" if index < len(maps) - 1 else "pos_search", 0)
            self.grids.append(image.shape[-1])
            parts.append(_rows(image) + table)
        if self.extra:
            parts.append((self.state["tokens"] + self.state["pos_tokens"]).expand(len(parts[0]), -1, -1))
        x, outputs = torch.cat(parts, 1), []
        for index in range(self.size.depth):
            self.number = self.first + index
            new = self.block(x, f"blocks.{index}.")
            if self.crosses and self.config.attention == "asymmetric":  # templates stay as they are
                known = sum(g * g for g in self.grids[:-1])
                new = torch.cat([x[:, :known], new[:, known:]], 1)
            x = new
            outputs.append(x)
        return outputs

    def embed(self, image: Tensor) -> Tensor:
        """Patches, overlapping patches, or the linear layer in front of decoder blocks, by the weights there are."""
        if "patch_embed.weight" in self.state:
            return self.convolve(image, "patch_embed", self.config.patch_size, 0)
        if self.state["patch_embed.proj.weight"].ndim == 2:
            x = self.linear(self.norm(_rows(image), "patch_embed.norm", 1e-6), "patch_embed.proj")
            return _square(x)
        stride, padding = (4, 2) if image.shape[1] == 3 else (2, 1)
        x = self.convolve(image, "patch_embed.proj", stride, padding)
        return _square(self.norm(_rows(x), "patch_embed.norm", 1e-5))

    def block(self, x: Tensor, name: str) -> Tensor:
        eps = 1e-5 if self.config.backbone == "cvt" else 1e-6
        mixed = self.attention(self.norm(x, f"{name}norm1", eps), f"{name}attn.")
        x = x + mixed * self.state.get(f"{name}scale1", 1)
        hidden = self.linear(self.norm(x, f"{name}norm2", eps), f"{name}mlp.fc1")
        sigmoid = 1 / (1 + torch.exp(-1.702 * hidden))
        gauss = (1 + torch.erf(hidden / 2**0.5)) / 2
        hidden = hidden * (sigmoid if self.config.activation == "quick_gelu" else gauss)
        return x + self.linear(hidden, f"{name}mlp.fc2") * self.state.get(f"{name}scale2", 1)

    def attention(self, x: Tensor, name: str) -> Tensor:
        windowed = f"{name}query.weight" in self.state
        q, k, v = self.windowed(x, name) if windowed else self.linear(x, f"{name}qkv").chunk(3, -1)
        width = x.shape[2] // self.size.heads
        scale = (x.shape[2] if windowed else width) ** -0.5
        mask = self.hidden(q.shape[1], k.shape[1], 2 if windowed else 1)
        mixed = []
        for head in range(self.size.heads):
            part = slice(head * width, (head + 1) * width)
            weights = (q[..., part] @ k[..., part].mT * scale).masked_fill(mask, -torch.inf).softmax(-1)
            mixed.append(weights @ v[..., part])
        return self.linear(torch.cat(mixed, -1), f"{name}proj")

    @property
    def crosses(self) -> bool:
        """Whether this block is cross-attention."""
        return self.number >= self.config.mixing_depth - self.config.cross_blocks

    def hidden(self, queries: int, keys: int, stride: int) -> Tensor:
        """True where a query must not see a key: templates see no search or prediction tokens, if asymmetric."""
        mask = torch.zeros(queries, keys, dtype=torch.bool)
        grids = self.grids[:-1]
        t = sum(g * g for g in grids)
        known = sum(((g + stride - 1) // stride) ** 2 for g in grids)
        apart = self.number < self.config.separate_blocks
        mask[:t, known:] = apart or self.config.attention == "asymmetric"
        mask[t:, :known] = apart
        if self.crosses:
            mask[t:, known:] = True
            mask[:t, :known] = self.config.attention == "symmetric"
        return mask

    def windowed(self, x: Tensor, name: str) -> list[Tensor]:
        """Queries, keys and values of W-MAM."""
        return [
            self.linear(self.depthwise(x, f"{name}{part}_conv.", stride), f"{name}{part}")
            for part, stride in (("query", 1), ("key", 2), ("value", 2))
        ]

    def depthwise(self, x: Tensor, name: str, stride: int) -> Tensor:
        """Nine shifted copies of each padded map, weighted and summed; then the norm."""
        get = self.state.__getitem__
        kernel = get(f"{name}conv.weight")[:, 0]
        parts = []
        for image in self.maps_in(x):
            grid, padded = image.shape[-1], F.pad(image, (1, 1, 1, 1))
            total = sum(
                padded[:, :, i : i + grid : stride, j : j + grid : stride] * kernel[:, i, j, None, None]
                for i in range(3)
                for j in range(3)
            )
            parts.append(self.after(_rows(total), f"{name}norm"))
        return torch.cat([*parts, x[:, x.shape[1] - self.extra :]], 1)

    def after(self, x: Tensor, name: str) -> Tensor:
        """The batch norm by its statistics, or a layer norm if there are none."""
        if f"{name}.running_var" not in self.state:
            return self.norm(x, name, 1e-5)
        factor = self.state[f"{name}.weight"] / (self.state[f"{name}.running_var"] + 1e-5).sqrt()
        return x * factor + self.state[f"{name}.bias"] - self.state[f"{name}.running_mean"] * factor

    def maps_in(self, x: Tensor) -> list[Tensor]:
        """The maps in a sequence, without the prediction tokens."""
        ends = torch.tensor([g * g for g in self.grids]).cumsum(0).tolist()
        return [_square(x[:, end - g * g : end]) for g, end in zip(self.grids, ends, strict=True)]

    def convolve(self, image: Tensor, name: str, stride: int, padding: int) -> Tensor:
        weight = self.state[f"{name}.weight"]
        columns = F.unfold(image, weight.shape[-1], stride=stride, padding=padding).mT
        return _square(columns @ weight.flatten(1).T + self.state[f"{name}.bias"])

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        centered = x - x.mean(-1, keepdim=True)
        deviation = (centered.square().mean(-1, keepdim=True) + eps).sqrt()
        return centered / deviation * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]


def _rows(maps: Tensor) -> Tensor:
    return maps.flatten(2).mT


def _square(tokens: Tensor) -> Tensor:
    side = round(tokens.shape[1] ** 0.5)
    return tokens.mT.unflatten(2, (side, side))
