"""Pictures of what a masked autoencoder restores (journal paper, figure 5)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from mixformer.data.sample_dataset import Batch, collate
from mixformer.files import write_files
from mixformer.models import MixFormer
from mixformer.models.layers import pick
from mixformer.models.mae import MaskedAutoencoder, Reconstruction, patchify, unpatchify
from mixformer.training.pretraining import PretrainStage, patch_scale
from mixformer.types import Image

if TYPE_CHECKING:
    from mixformer.training.trainer import Trainer

_GAP, _PAPER, _COVER = 4, 255, 128


def write_reconstructions(trainer: Trainer, count: int = 6) -> Path:
    """Write `reconstructions.png` into the folder of a finished pre-training run, drawn by its averaged network.

    The samples, one a row, are those that would follow the last step, from the data of the recipe. The network has not
    seen these crops, though maybe their frames.
    """
    recipe = trainer.recipe
    first = recipe.total_steps * recipe.batch_size
    batch = collate([trainer.dataset[first + number] for number in range(count)]).to(trainer.processes.device)
    with trainer.averaged():
        autoencoder = cast(PretrainStage, trainer.stage).autoencoder
        sheet = reconstruction_sheet(autoencoder, batch, torch.Generator().manual_seed(recipe.seed), count)
    path = trainer.folder / "reconstructions.png"
    write_files({path: partial(PillowImage.fromarray(sheet).save, format="png")})
    return path


@torch.no_grad()
def reconstruction_sheet(
    autoencoder: MaskedAutoencoder, batch: Batch, generator: torch.Generator | None = None, count: int = 4
) -> Image:
    """Draw samples as uint8 RGB (H, W, 3), at most `count`, one a row.

    A row has the first template (for "trackmae"), the search region, what was visible of it, and that with the hidden
    patches as predicted. Predictions in units of a patch are brought to the true mean and deviation, which the network
    does not know, as MAE's figures are.
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
    mean, deviation = patch_scale(patches)
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
