"""Masked pre-training (MAE, TrackMAE): the loss of a batch, and pictures of what the network makes of one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.data.sample_dataset import Batch
from mixformer.models import MixFormer
from mixformer.models.mae import MaskConfig, MaskedAutoencoder, Reconstruction, patchify, pick, unpatchify
from mixformer.types import Image

_EPS = 1e-6  # on the variance of a patch (MAE)
_GAP, _PAPER, _COVER = 4, 255, 128


class PretrainStage(nn.Module):
    """Pre-training: backbone, decoder and mask token learn to restore hidden patches; heads and tokens rest."""

    def __init__(self, model: MixFormer, masks: MaskConfig) -> None:
        """Wrap a network, which is trained in place.

        Raises:
            ConfigError: if its backbone cannot be pre-trained so, see `MaskedAutoencoder`.
        """
        super().__init__()
        self.autoencoder = MaskedAutoencoder(model, masks)
        idle = [model.box_head, *([] if model.score_head is None else [model.score_head])]
        for part in idle:
            part.requires_grad_(False)
        for stage in model.backbone.parts:
            if stage.token_count:
                stage.tokens.requires_grad_(False)
                stage.pos_tokens.requires_grad_(False)

    @property
    def model(self) -> MixFormer:
        """The network whose backbone is trained."""
        return self.autoencoder.model

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error over all hidden patches.

        Args:
            batch: crops; boxes are not read.
            generator: of the masks, on the CPU; None takes PyTorch's own, which a trainer seeds by the step.

        Returns:
            The loss, and its parts: "search" and, for "mae", "templates" are the errors of these pictures; "flat" is
            the error of predicting nothing but the mean, to compare with.
        """
        model = self.model
        found = self.autoencoder(model.normalize(batch.templates), model.normalize(batch.search), generator)
        errors, flats = zip(*(self._errors(one) for one in found), strict=True)
        names = ("search", "templates")
        parts = {name: error.detach().mean() for name, error in zip(names, errors, strict=False)}
        return _mean(errors), parts | {"flat": _mean(flats)}

    def _errors(self, found: Reconstruction) -> tuple[Tensor, Tensor]:
        masks, side = self.autoencoder.masks, self.model.config.patch_size
        target = patch_target(found.images, side, masks.normalize)
        flat = (pick(target, found.split.hidden) - target.mean()).square()
        return hidden_errors(found, target), flat.mean(-1)


def patch_target(images: Tensor, side: int, normalize: bool) -> Tensor:
    """What the decoder has to predict.

    Args:
        images: (B, 3, g * side, g * side).
        side: of a patch in pixels.
        normalize: subtract each patch's mean over pixels and channels and divide by its deviation, the root of the
            unbiased variance + 1e-6, as in MAE.

    Returns:
        (B, g * g, side * side * 3), at least float32.
    """
    patches = patchify(images.float(), side)
    if not normalize:
        return patches
    mean, deviation = _scale(patches)
    return (patches - mean) / deviation


def hidden_errors(found: Reconstruction, target: Tensor) -> Tensor:
    """Mean squared error of each hidden patch, (B, H)."""
    guess = pick(found.patches, found.split.hidden).float()
    return F.mse_loss(guess, pick(target, found.split.hidden), reduction="none").mean(-1)


def _mean(errors: tuple[Tensor, ...]) -> Tensor:
    """Over all patches of all pictures alike."""
    return torch.cat([part.flatten() for part in errors]).mean()


def _scale(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every patch (B, N, P), each (B, N, 1)."""
    return patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + _EPS).sqrt()


@torch.no_grad()
def reconstruction_sheet(
    autoencoder: MaskedAutoencoder, batch: Batch, generator: torch.Generator | None = None, count: int = 4
) -> Image:
    """Draw samples, one a row: first template (for "trackmae"), search region, what was visible of it, and that with
    the hidden patches as predicted. Predictions in units of a patch are brought to the true mean and deviation, which
    the network does not know, as MAE's figures are.

    Args:
        autoencoder: trained as far as you like.
        batch: crops as a data set gives them.
        generator: of the masks.
        count: rows at most.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    model = autoencoder.model
    templates, search = model.normalize(batch.templates[:count]), model.normalize(batch.search[:count])
    found = autoencoder(templates, search, generator)[0]
    panels = [
        batch.search[:count].cpu().numpy(),
        *(_pictures(model, x) for x in _covered_and_restored(autoencoder, found)),
    ]
    if autoencoder.masks.kind == "trackmae":
        panels.insert(0, _enlarged(batch.templates[:count, 0].cpu().numpy(), model.config.search_size))
    rows = [np.concatenate(_spaced(list(row), 1), 1) for row in zip(*panels, strict=True)]
    sheet: Image = np.concatenate(_spaced(rows, 0), 0)
    return sheet


def _covered_and_restored(autoencoder: MaskedAutoencoder, found: Reconstruction) -> tuple[Tensor, Tensor]:
    """Normalized pictures (B, 3, s, s): hidden patches gray, and hidden patches predicted."""
    model, side = autoencoder.model, autoencoder.model.config.patch_size
    patches = patchify(found.images, side)
    places = found.split.hidden[..., None].expand(-1, -1, patches.shape[2])
    mean, deviation = _scale(patches)
    guess = found.patches.to(patches.dtype)
    guess = guess * deviation + mean if autoencoder.masks.normalize else guess
    gray = patchify(model.normalize(torch.full_like(found.images.movedim(1, -1), _COVER)), side)
    covered, restored = (patches.scatter(1, places, pick(new, found.split.hidden)) for new in (gray, guess))
    return unpatchify(covered, side), unpatchify(restored, side)


def _pictures(model: MixFormer, images: Tensor) -> Image:
    """The inverse of `MixFormer.normalize`: (B, 3, h, w) -> uint8 (B, h, w, 3)."""
    config = model.config
    std, mean = (images.new_tensor(value).view(3, 1, 1) for value in (config.std, config.mean))
    values = (images * std + mean) * 255
    return values.movedim(1, -1).round().clamp(0, 255).byte().cpu().numpy()


def _enlarged(images: Image, size: int) -> Image:
    """(B, t, t, 3) -> (B, size, size, 3), by repeating pixels."""
    index = np.arange(size) * images.shape[1] // size
    return images[:, index][:, :, index]


def _spaced(panels: list[Image], axis: int) -> list[Image]:
    """Paper between panels."""
    shape = list(panels[0].shape)
    shape[axis] = _GAP
    gap = np.full(shape, _PAPER, np.uint8)
    return [part for panel in panels for part in (gap, panel)][1:]
