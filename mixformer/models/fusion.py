"""TransT's feature fusion, which the journal paper compares with mixed attention (table 3, row 3)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.configs.model import ModelConfig
from mixformer.models.layers import sincos_table
from mixformer.models.spm import AttentionLayers


class FusionAttention(AttentionLayers):
    """Attention with positions on queries and keys, then the residual and a norm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads, (dim // heads) ** -0.5)

    def forward(self, x: Tensor, place: Tensor, other: Tensor, other_place: Tensor) -> Tensor:
        """(B, n, C) attends to (B, m, C), with positions (1, n, C) and (1, m, C) -> (B, n, C)."""
        return self.norm(x + self.mix(x + place, other + other_place, other))  # type: ignore[no-any-return]


class CrossFeature(nn.Module):
    """Cross-feature augment (CFA): attention to the other tokens, then an MLP with its own residual and norm."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn = FusionAttention(dim, heads)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, place: Tensor, other: Tensor, other_place: Tensor) -> Tensor:
        """See `FusionAttention.forward`."""
        x = self.attn(x, place, other, other_place)
        return self.norm(x + self.fc2(F.relu(self.fc1(x))))  # type: ignore[no-any-return]


class FusionLayer(nn.Module):
    """Ego-context augment (ECA: self-attention) of templates and search region, then a CFA of each with the other."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ego_template = FusionAttention(dim, heads)
        self.ego_search = FusionAttention(dim, heads)
        self.cross_template = CrossFeature(dim, heads, hidden)
        self.cross_search = CrossFeature(dim, heads, hidden)

    def forward(self, t: Tensor, t_place: Tensor, s: Tensor, s_place: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse tokens of templates (B, T, C) and of the search region (B, S, C), each with their positions."""
        t = self.ego_template(t, t_place, t, t_place)
        s = self.ego_search(s, s_place, s, s_place)
        return self.cross_template(t, t_place, s, s_place), self.cross_search(s, s_place, t, t_place)


class FeatureFusion(nn.Module):
    """The fusion of TransT (CVPR 2021) between backbone and head: layers of ECA and CFA, and a last CFA of the search.

    Templates attend to the search region here, so only their tokens after the backbone can be remembered. The journal
    paper gives no more than "ECA + CFA(4)". Sizes and order are those of TransT: 256 channels, 8 heads, an MLP of 2048,
    norms after the residuals. A narrower backbone keeps its width and heads. Linear layers change the width before and
    after the fusion. There is no dropout, and positions are the sin-cos tables of this package.
    """

    place_template: Tensor
    place_search: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, heads, hidden = config.fusion_size
        self.inputs = nn.Linear(config.final_dim, dim)
        self.layers = nn.ModuleList(FusionLayer(dim, heads, hidden) for _ in range(config.fusion_layers))
        self.last = CrossFeature(dim, heads, hidden)
        self.outputs = nn.Linear(dim, config.final_dim)
        for name, grid in (("place_template", config.template_grid), ("place_search", config.search_grid)):
            self.register_buffer(name, sincos_table(dim, grid), persistent=False)

    def forward(self, templates: Tensor, search: Tensor) -> Tensor:
        """Template tokens (B, N * t' * t', C) and search tokens (B, s' * s', C) -> search tokens (B, s' * s', C)."""
        t, s = self.inputs(templates), self.inputs(search)
        count = t.shape[1] // self.place_template.shape[1]
        t_place, s_place = self.place_template.repeat(1, count, 1), self.place_search
        for layer in self.layers:
            t, s = cast(FusionLayer, layer)(t, t_place, s, s_place)
        return self.outputs(self.last(s, s_place, t, t_place))  # type: ignore[no-any-return]
