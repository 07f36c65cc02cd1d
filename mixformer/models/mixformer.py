"""The tracker network: `remember` encodes templates, `locate` finds the target. The network keeps no state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.imaging.boxes import xyxy_to_cxcywh
from mixformer.models.attention import KVCache
from mixformer.models.build import build_backbone, build_box_head, build_score_head
from mixformer.models.fusion import FeatureFusion
from mixformer.models.layers import maps_of
from mixformer.models.spm import ScorePrediction


@dataclass(frozen=True)
class Memory:
    """The encoded templates that search steps use.

    Attributes:
        blocks: keys and values of every block whose search tokens attend to templates, (B, heads, T, head_dim) each.
        templates: final template tokens (B, N * t' * t', C), static template first; None if only the keys were
            computed.
        features: every block's output (B, T, C); empty unless `keep_features` was set.

    Example:
        >>> import torch
        >>> from mixformer.models import build_model
        >>> from mixformer import ModelConfig
        >>> config = ModelConfig("tiny", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=16)
        >>> model = build_model(config).eval()
        >>> memory = model.remember(torch.zeros(1, 2, 3, 32, 32))
        >>> len(memory.blocks), memory.blocks[0].keys.shape
        (1, torch.Size([1, 2, 8, 16]))
    """

    blocks: list[KVCache]
    templates: Tensor | None = None
    features: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class RawTemplates(Memory):
    """The memory of a network with symmetric attention: only the images. Every search step encodes them again, since
    template tokens depend on the search region.

    Attributes:
        images: the templates as given to `remember`, (B, N, 3, t, t).

    Example:
        >>> import torch
        >>> from mixformer.models import build_model
        >>> from mixformer import ModelConfig
        >>> sizes = {"dim": 32, "heads": 2, "search_size": 64, "template_size": 32, "bins": 16}
        >>> model = build_model(ModelConfig("tiny", depth=1, attention="symmetric", **sizes))
        >>> model.remember(torch.zeros(1, 2, 3, 32, 32)).images.shape
        torch.Size([1, 2, 3, 32, 32])
    """

    images: Tensor = field(kw_only=True)


def join_memories(memories: Sequence[Memory]) -> Memory:
    """Join the memories of several batches into one, in order.

    Args:
        memories: at least one; all of one network, with the same number of templates. Features are left out.

    Raises:
        ConfigError: if their shapes differ.

    Example:
        >>> import torch
        >>> from mixformer.models import build_model
        >>> from mixformer import ModelConfig
        >>> config = ModelConfig("tiny", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=16)
        >>> model = build_model(config).eval()
        >>> one = model.remember(torch.zeros(1, 2, 3, 32, 32))
        >>> from mixformer.models import join_memories
        >>> join_memories([one, one]).blocks[0].keys.shape[0]
        2
    """
    first = memories[0]
    try:
        if isinstance(first, RawTemplates):
            return RawTemplates([], images=torch.cat([each.images for each in memories]))  # type: ignore[attr-defined]
        pairs = zip(*(each.blocks for each in memories), strict=True)
        blocks = [KVCache(*(torch.cat(part) for part in zip(*block, strict=True))) for block in pairs]
        templates = None
        if first.templates is not None:
            templates = torch.cat([each.templates for each in memories])  # type: ignore[misc]
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"cannot join memories of different shapes ({error}); join those of one model with equally many templates"
        ) from error
    return Memory(blocks, templates)


@dataclass(frozen=True)
class Prediction:
    """Output of `locate` for a batch.

    Attributes:
        boxes: (B, 4) center x, center y, width, height as fractions of the search crop; only the query head forces
            width and height to be positive.
        logits: token head: (B, 4, bins) edge logits in the order left, right, top, bottom;
            corner heads: (B, 2, grid * grid) logits of the top-left and bottom-right corner, row-major;
            query head: None.
        scores: (B,) logits, or None without a score head.
        tokens: (B, S + E, C) final tokens, or (B, E, C) if only the prediction tokens were computed. S is smaller in a
            network that leaves search tokens out (`ModelConfig.elimination`).
        features: every block's output, without the tokens that are left out after it; empty unless `keep_features` was
            set.

    Example:
        >>> import torch
        >>> from mixformer.models import build_model
        >>> from mixformer import ModelConfig
        >>> config = ModelConfig("tiny", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=16)
        >>> model = build_model(config).eval()
        >>> found = model(torch.zeros(1, 2, 3, 32, 32), torch.zeros(1, 3, 64, 64))
        >>> found.boxes.shape, found.logits.shape, found.scores.shape
        (torch.Size([1, 4]), torch.Size([1, 4, 16]), torch.Size([1]))
    """

    boxes: Tensor
    logits: Tensor | None
    scores: Tensor | None
    tokens: Tensor
    features: list[Tensor] = field(default_factory=list)


class MixFormer(nn.Module):
    """Stateless tracker network of any variant.

    `forward` is the composition of `remember` and `locate`, so training and tracking compute the same function.
    Inputs are normalized float images; see `normalize`.

    Example:
        >>> import torch
        >>> from mixformer.models import build_model
        >>> from mixformer import ModelConfig
        >>> config = ModelConfig("tiny", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=16)
        >>> model = build_model(config).eval()
        >>> memory = model.remember(torch.zeros(1, 2, 3, 32, 32))
        >>> model.locate(torch.zeros(1, 3, 64, 64), memory).boxes.shape
        torch.Size([1, 4])
    """

    mean: Tensor
    std: Tensor | None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config)
        self.fusion = FeatureFusion(config) if config.fusion_layers else None
        self.box_head = build_box_head(config)
        self.score_head = build_score_head(config)
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(3, 1, 1), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """Convert RGB uint8 images (..., H, W, 3) to the network's input (..., 3, H, W), in its dtype."""
        pixels = images.movedim(-1, -3).to(self.mean.dtype)
        if self.std is None:  # a folded network, whose first layer takes pixels as they are
            return pixels
        return (pixels / 255 - self.mean) / self.std

    def remember(self, templates: Tensor, scales: Tensor | None = None, *, keep_features: bool = False) -> Memory:
        """Encode the static template and any number of online templates jointly.

        Args:
            templates: (B, N, 3, t, t) normalized, static template first.
            scales: (mixing_depth, 2, B) factors on the residual branches; None means 1.
            keep_features: also return every block's output, and the final template tokens.
        """
        features: list[Tensor] | None = [] if keep_features else None
        full = keep_features or self.config.reads_templates
        blocks, tokens = self.backbone.remember(templates, scales, features, full)
        return Memory(blocks, tokens, features or [])

    def locate(
        self,
        search: Tensor,
        memory: Memory,
        scales: Tensor | None = None,
        *,
        regions: Tensor | None = None,
        keep_features: bool = False,
        full: bool | None = None,
    ) -> Prediction:
        """Find the remembered target in a search crop.

        Args:
            search: (B, 3, s, s) normalized.
            memory: what `remember` returned for the same batch.
            scales: (mixing_depth, 2, B) factors on the residual branches; None means 1.
            regions: boxes that the score prediction module judges, (B, 4) xyxy as fractions of the crop; None takes
                the predicted boxes. Training gives positive and negative boxes (journal paper, section 3.5).
            keep_features: also return every block's output.
            full: compute all tokens in the last block; by default only if features are kept or a head reads them.

        Raises:
            TypeError: for the memory of a network with symmetric attention.
        """
        if isinstance(memory, RawTemplates):
            raise TypeError("this memory is of a network with symmetric attention; pass the one of this network")
        features: list[Tensor] | None = [] if keep_features else None
        needed = self.config.dense or self.config.score == "spm"
        full = needed or (keep_features if full is None else full)
        x = self.backbone.locate(search, memory.blocks, scales, features, full)
        return self._predict(x, memory.templates, regions, features)

    def forward(
        self,
        templates: Tensor,
        search: Tensor,
        scales: Tensor | None = None,
        *,
        regions: Tensor | None = None,
        keep_features: bool = False,
    ) -> Prediction:
        """Compute `locate(search, remember(templates))`; in training mode, draw stochastic depth too."""
        if scales is None and self.training and self.config.drop_path > 0:
            scales = self.draw_drop_path(len(search), search.device)
        memory = self.remember(templates, scales, keep_features=keep_features)
        return self.locate(search, memory, scales, regions=regions, keep_features=keep_features)

    def draw_drop_path(self, batch: int, device: torch.device) -> Tensor:
        """Draw the factors (mixing_depth, 2, B) of stochastic depth, whose rate rises linearly over the last stages.

        The early stages drop nothing. Templates and search share one draw, as in the official joint forward.
        """
        early = sum(stage.depth for stage in self.config.stages[: len(self.config.early_heads)])
        rates = torch.zeros(self.config.mixing_depth, device=device)
        rates[early:] = torch.linspace(0, self.config.drop_path, len(rates) - early, device=device)
        keep = 1 - rates.view(-1, 1, 1)
        return torch.bernoulli(keep.expand(-1, 2, batch)) / keep

    def _predict(
        self, x: Tensor, templates: Tensor | None, regions: Tensor | None, features: list[Tensor] | None
    ) -> Prediction:
        """Run the heads on the final search tokens (prediction tokens last) and template tokens."""
        config = self.config
        if self.fusion is not None:
            assert templates is not None  # `remember` makes them for this part
            x = self.fusion(templates, x)
        places = config.search_grid**2
        tokens = x[:, -config.prediction_tokens :]
        corners, logits = self.box_head(maps_of(x, config.search_grid)[:, 0] if config.dense else tokens)
        scores = None
        if isinstance(self.score_head, ScorePrediction):
            assert templates is not None  # `remember` makes them for this head
            region = corners if regions is None else regions
            scores = self.score_head(x[:, :places], templates[:, : config.template_grid**2], region)
        elif self.score_head is not None:
            scores = self.score_head(tokens)
        return Prediction(xyxy_to_cxcywh(corners), logits, scores, x, features or [])


class SymmetricMixFormer(MixFormer):
    """A network with symmetric attention, for ablations (journal paper, table 4). It encodes templates in every step.

    Example:
        >>> import torch
        >>> from mixformer.models import build_model
        >>> from mixformer import ModelConfig
        >>> sizes = {"dim": 32, "heads": 2, "search_size": 64, "template_size": 32, "bins": 16}
        >>> model = build_model(ModelConfig("tiny", depth=1, attention="symmetric", **sizes))
        >>> model(torch.zeros(1, 2, 3, 32, 32), torch.zeros(1, 3, 64, 64)).boxes.shape
        torch.Size([1, 4])
    """

    def remember(self, templates: Tensor, scales: Tensor | None = None, *, keep_features: bool = False) -> RawTemplates:
        """Keep the images. The two options take no effect here; give them to `locate`."""
        return RawTemplates([], images=templates)

    def locate(
        self,
        search: Tensor,
        memory: Memory,
        scales: Tensor | None = None,
        *,
        regions: Tensor | None = None,
        keep_features: bool = False,
        full: bool | None = None,
    ) -> Prediction:
        """See `MixFormer.locate`; all tokens are always computed, and features hold template and search tokens."""
        if not isinstance(memory, RawTemplates):
            raise TypeError("a network with symmetric attention needs the memory that its own `remember` returned")
        features: list[Tensor] | None = [] if keep_features else None
        templates, x = self.backbone.mix(memory.images, search, scales, features)
        return self._predict(x, templates, regions, features)
