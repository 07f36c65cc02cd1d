"""Masked pre-training of a backbone (MAE, TrackMAE)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.data.sample_dataset import Batch
from mixformer.models import MixFormer
from mixformer.models.layers import pick
from mixformer.models.mae import MaskConfig, MaskedAutoencoder, Reconstruction, patchify

_EPS = 1e-6  # on the variance of a patch (MAE)


class PretrainStage(nn.Module):
    """Pre-training: backbone, decoder and mask token learn to restore hidden patches. Heads and tokens are frozen.

    Example:
        >>> from mixformer import ModelConfig
        >>> from mixformer.models import build_model
        >>> from mixformer.training import MaskConfig
        >>> model = build_model(ModelConfig("tiny", 2, 48, 3, search_size=64, template_size=32))
        >>> stage = PretrainStage(model, MaskConfig("mae", decoder_depth=1, decoder_dim=32, decoder_heads=2))
        >>> stage.model is model
        True
    """

    def __init__(self, model: MixFormer, masks: MaskConfig) -> None:
        """Wrap a network, which is trained in place; ConfigError if `MaskedAutoencoder` cannot use its backbone."""
        super().__init__()
        self.autoencoder = MaskedAutoencoder(model, masks)
        model.box_head.requires_grad_(False)
        if model.score_head is not None:
            model.score_head.requires_grad_(False)
        for stage in model.backbone.parts:
            if stage.token_count:
                stage.tokens.requires_grad_(False)
                stage.pos_tokens.requires_grad_(False)

    @property
    def model(self) -> MixFormer:
        """The network whose backbone is trained."""
        return self.autoencoder.model

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the mean squared error over all hidden patches of a batch, whose boxes are not read.

        Masks come from a CPU `generator`, or PyTorch's own, which the trainer seeds by the step. The parts "search"
        and, for "mae", "templates" are the errors of these pictures; "flat" is that of a prediction of the mean.
        """
        model = self.model
        found = self.autoencoder(model.normalize(batch.templates), model.normalize(batch.search), generator)
        errors, flats = zip(*(self._errors(one) for one in found), strict=True)
        names = ("search", "templates")
        parts = {name: error.detach().mean() for name, error in zip(names, errors, strict=False)}
        return _mean(errors), parts | {"flat": _mean(flats)}

    def _errors(self, found: Reconstruction) -> tuple[Tensor, Tensor]:
        """Compute the mean squared error (B, H) of each hidden patch, and that of a prediction of the mean."""
        masks, side = self.autoencoder.masks, self.model.config.patch_size
        target = patch_target(found.images, side, masks.normalize)
        flat = (pick(target, found.split.hidden) - target.mean()).square()
        guess = pick(found.patches, found.split.hidden).float()
        errors = F.mse_loss(guess, pick(target, found.split.hidden), reduction="none")
        return errors.mean(-1), flat.mean(-1)


def patch_target(images: Tensor, side: int, normalize: bool) -> Tensor:
    """Compute the target of the decoder for (B, 3, g * side, g * side): float patches (B, g * g, side * side * 3).

    With `normalize`, each patch has its mean over pixels and channels subtracted, and is divided by its deviation, the
    square root of the unbiased variance + 1e-6, as in MAE.
    """
    patches = patchify(images.float(), side)
    if not normalize:
        return patches
    mean, deviation = patch_scale(patches)
    return (patches - mean) / deviation


def _mean(errors: tuple[Tensor, ...]) -> Tensor:
    """Average over the patches of all pictures."""
    return torch.cat([part.flatten() for part in errors]).mean()


def patch_scale(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and deviation of each patch of (B, N, P), both (B, N, 1)."""
    return patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + _EPS).sqrt()
