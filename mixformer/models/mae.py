"""Masked autoencoders around a tracker's own backbone: MAE on single pictures, and TrackMAE on a mostly hidden search
region with visible templates (journal paper, section 3.4 and figure 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from mixformer.configs.base_config import BaseConfig
from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.models.build import build_backbone
from mixformer.models.layers import pick, tokens_of
from mixformer.models.mixformer import MixFormer
from mixformer.models.stage import Stage

_UNTRAINED = ("tokens", "pos_tokens")


@dataclass(frozen=True)
class MaskConfig(BaseConfig):
    """Settings of masked pre-training: the mask and the decoder. The defaults are MAE's.

    Attributes:
        kind: "trackmae" = templates visible, search region masked, mixed attention between the two; "mae" = every
            search crop and every template is masked and restored by itself.
        ratio: fraction of a masked picture's patches that is hidden, above 0 and below 1.
        decoder_depth: blocks of the decoder.
        decoder_dim: its width in channels.
        decoder_heads: its attention heads; must divide `decoder_dim`.
        normalize: scale the target of every hidden patch to mean 0 and variance 1, so that texture counts as much as
            brightness (MAE's "norm_pix_loss").

    Raises:
        ConfigError: for an unknown kind, or a ratio or size that is out of range.

    Example:
        >>> MaskConfig("mae", ratio=0.6).decoder_depth
        8
    """

    kind: Literal["mae", "trackmae"] = "trackmae"
    ratio: float = 0.75
    decoder_depth: int = 8
    decoder_dim: int = 512
    decoder_heads: int = 16
    normalize: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(0 < self.ratio < 1, f"ratio must be above 0 and below 1, not {self.ratio}")
        self._require(self.decoder_depth >= 1, "decoder_depth must be at least 1")
        self._bound(1, 100, "decoder_depth")
        self._bound(4, 8192, "decoder_dim")
        self._bound(1, self.decoder_dim, "decoder_heads")


class Split(NamedTuple):
    """Indices of the visible (B, V) and hidden (B, H) patches of a batch, in rising order. V + H is all patches."""

    visible: Tensor
    hidden: Tensor


@dataclass(frozen=True)
class Reconstruction:
    """Pictures, and their reconstruction from the visible part.

    Attributes:
        images: (B, 3, h, h) normalized, the originals.
        patches: (B, g * g, p * p * 3) predictions for all patches, in the form of `patchify`. Training compares only
            the hidden ones. With `MaskConfig.normalize` they are relative to each patch's mean and deviation.
        split: the visible and the hidden patches.
    """

    images: Tensor
    patches: Tensor
    split: Split


def patchify(images: Tensor, side: int) -> Tensor:
    """Cut images (B, C, g * side, g * side) into patches (B, g * g, side * side * C): row-major, channels last."""
    batch, channels, height, width = images.shape
    cut = images.reshape(batch, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, side * side * channels)


def unpatchify(patches: Tensor, side: int) -> Tensor:
    """Invert `patchify` exactly: (B, g * g, side * side * C) -> (B, C, g * side, g * side)."""
    batch, count, values = patches.shape
    grid = round(count**0.5)
    cut = patches.reshape(batch, grid, grid, side, side, values // side**2)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, grid * side, grid * side)


def draw_split(batch: int, count: int, ratio: float, generator: torch.Generator | None = None) -> Split:
    """Draw `round(ratio * count)` of `count` patches to hide, separately for each sample.

    Args:
        batch: number of samples.
        count: number of patches in a picture.
        ratio: fraction to hide, 0..1.
        generator: random generator on the CPU, so that every device hides the same patches; None takes PyTorch's own.
    """
    order = torch.rand(batch, count, generator=generator).argsort(dim=1, stable=True)
    hidden = round(ratio * count)
    return Split(order[:, hidden:].sort(1).values, order[:, :hidden].sort(1).values)


class MaskedAutoencoder(nn.Module):
    """A masked autoencoder: a tracker's backbone encodes visible patches, a light decoder restores the others.

    The encoder runs on visible tokens only, so hiding three quarters of a picture makes it about four times as cheap.
    Prediction tokens and heads are not used. The decoder is the stage that a tracker with `decoder_depth` has behind
    its encoder: MAE's blocks with mixed attention.
    """

    def __init__(self, model: MixFormer, masks: MaskConfig) -> None:
        """Wrap a tracker; its backbone is used in place, not copied.

        Raises ConfigError for a backbone that cannot leave out tokens, or a ratio that hides no patch or all patches.
        """
        super().__init__()
        _require_plain(model.config)
        _require_ratio(model.config, masks)
        self.model, self.masks = model, masks
        self.decoder = _build_decoder(model.config, masks)
        self.mask_token = nn.Parameter(torch.empty(1, 1, masks.decoder_dim))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.norm = nn.LayerNorm(masks.decoder_dim, eps=1e-6)
        self.pixels = nn.Linear(masks.decoder_dim, 3 * model.config.patch_size**2)

    @property
    def encoder(self) -> Stage:
        """The tracker's backbone."""
        return self.model.backbone.parts[0]

    def forward(
        self, templates: Tensor, search: Tensor, generator: torch.Generator | None = None
    ) -> list[Reconstruction]:
        """Hide patches and restore them.

        Args:
            templates: (B, N, 3, t, t) normalized.
            search: (B, 3, s, s) normalized.
            generator: for the masks, see `draw_split`.

        Returns:
            The search regions; for "mae" also the templates, as B * N pictures.
        """
        seen = self._split(len(search), self.model.config.search_grid, search.device, generator)
        tracking = self.masks.kind == "trackmae"
        found = [self.reconstruct(search, seen, templates if tracking else None)]
        if not tracking:
            pictures = templates.flatten(0, 1)
            split = self._split(len(pictures), self.model.config.template_grid, search.device, generator)
            found.append(self.reconstruct_templates(pictures, split))
        return found

    def reconstruct(self, search: Tensor, split: Split, templates: Tensor | None = None) -> Reconstruction:
        """Restore search regions (B, 3, s, s), with the help of templates (B, N, 3, t, t) if given."""
        templates, x = self.encode(search, split.visible, templates)
        if templates is not None:
            templates = self.decoder.embed_templates(self.encoder.template_maps(templates))
        return self._decode(search, x, self.decoder.pos_search, split, templates)

    def reconstruct_templates(self, pictures: Tensor, split: Split) -> Reconstruction:
        """Restore pictures (B, 3, t, t) of the templates' size, each by itself."""
        tokens = pick(self.encoder.embed_templates(pictures[:, None]), split.visible)
        _, x = self._mix(self.encoder, None, tokens)
        return self._decode(pictures, x, self.decoder.pos_template, split, None)

    def encode(self, search: Tensor, visible: Tensor, templates: Tensor | None = None) -> tuple[Tensor | None, Tensor]:
        """Encode templates (or None) to (B, N * t' * t', C), and the visible search tokens to (B, V, C)."""
        x = pick(self.encoder.embed_search(search), visible)
        tokens = None if templates is None else self.encoder.embed_templates(templates)
        return self._mix(self.encoder, tokens, x)

    def encoder_state(self, *, decoder: bool = False) -> dict[str, Tensor]:
        """Return the weights that `load_pretrained(model, file, kind="mixformer")` starts a tracker from.

        Args:
            decoder: include the decoder, for trackers whose `decoder_depth` is not larger than its depth.
        """
        parts = {"backbone.stages.0.": self.encoder, "backbone.stages.1.": self.decoder}
        chosen = parts if decoder else {"backbone.": self.encoder}
        return {
            prefix + key: value.detach().clone()
            for prefix, part in chosen.items()
            for key, value in part.state_dict().items()
            if key not in _UNTRAINED
        }

    def _split(self, batch: int, grid: int, device: torch.device, generator: torch.Generator | None) -> Split:
        split = draw_split(batch, grid**2, self.masks.ratio, generator)
        return Split(*(part.to(device) for part in split))

    def _decode(
        self, images: Tensor, x: Tensor, table: Tensor, split: Split, templates: Tensor | None
    ) -> Reconstruction:
        """Decode visible tokens (B, V, C) to predictions for all patches; `table` holds the positions of patches."""
        x = tokens_of(self.decoder.patch_embed(x.transpose(1, 2)[..., None]))  # a map one token wide
        places = split.visible[..., None].expand(-1, -1, x.shape[2])
        blank = self.mask_token.to(x.dtype).expand(len(x), table.shape[1], -1)
        _, x = self._mix(self.decoder, templates, blank.scatter(1, places, x) + table)
        return Reconstruction(images, self.pixels(self.norm(x)), split)

    def _mix(self, stage: Stage, templates: Tensor | None, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """Run all blocks of a stage, with mixed attention if there are templates."""
        of_templates, of_search = stage.layouts  # linear projections do not use the places of tokens
        for block in stage.typed_blocks:
            if templates is None:
                x, _ = block.remember(x, of_search)
            elif self.model.config.attention == "symmetric":
                templates, x = block.mix(templates, x, (of_templates, of_search))
            else:
                templates, memory = block.remember(templates, of_templates)
                x = block.locate(x, of_search, memory)
        return templates, x


def _build_decoder(config: ModelConfig, masks: MaskConfig) -> Stage:
    """Build the decoder stage of a tracker with `decoder_depth`, without prediction tokens."""
    form = config.replace(
        depth=1,  # of an encoder that is not used
        decoder_depth=masks.decoder_depth,
        decoder_dim=masks.decoder_dim,
        decoder_heads=masks.decoder_heads,
        prediction_tokens=0,
        head="corner",
        score="none",
        elimination=(),
        separate_blocks=0,
        cross_blocks=0,
        fusion_layers=0,
        shared_mlp=True,
    )
    return build_backbone(form).parts[1]


def _require_plain(config: ModelConfig) -> None:
    if config.backbone != "vit":
        raise ConfigError(
            f"masked pre-training leaves tokens out, which backbone {config.backbone!r} of {config.name} cannot: its "
            "convolutions see hidden pixels next to visible ones. Pre-train a plain transformer (backbone 'vit'), "
            "or start this one from a published file (docs/pretrained.md)"
        )
    if config.decoder_depth:
        raise ConfigError(
            f"{config.name} has {config.decoder_depth} decoder blocks; pre-train it with decoder_depth=0, then start "
            "the one with decoder blocks from encoder_state(decoder=True)"
        )


def _require_ratio(config: ModelConfig, masks: MaskConfig) -> None:
    grids = (config.search_grid, config.template_grid) if masks.kind == "mae" else (config.search_grid,)
    for grid in grids:
        hidden = round(masks.ratio * grid**2)
        if not 0 < hidden < grid**2:
            raise ConfigError(
                f"a ratio of {masks.ratio} hides {hidden} of {grid**2} patches; at least one must "
                "be hidden and one visible: choose a ratio closer to 0.5 or larger crops"
            )
