"""Training samples by number: sample i depends on the seed and i alone, whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mixformer.data.augment import Augmentation, Sample, make_sample
from mixformer.data.sampling import Mixture


@dataclass(frozen=True)
class CropSettings:
    """Sizes and reach of the crops; see `make_sample`."""

    search_size: int
    template_size: int
    search_factor: float
    template_factor: float = 2.0
    templates: int = 2


@dataclass(frozen=True)
class Batch:
    """Stacked samples: templates uint8 (B, N, t, t, 3), search uint8 (B, s, s, 3), boxes (B, 4), present (B,)."""

    templates: Tensor
    search: Tensor
    boxes: Tensor
    present: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        parts = (self.templates, self.search, self.boxes, self.present)
        return Batch(*(part.to(device, non_blocking=True) for part in parts))


class ShotDataset(Dataset[Sample]):
    """Samples of a mixture by number, without end."""

    def __init__(self, mixture: Mixture, crops: CropSettings, augmentation: Augmentation, seed: int) -> None:
        self.mixture, self.crops, self.augmentation, self.seed = mixture, crops, augmentation, seed

    def __getitem__(self, index: int) -> Sample:
        random = np.random.default_rng([self.seed, index])
        shot = self.mixture.draw(random, self.crops.templates)
        return make_sample(
            random,
            shot,
            self.augmentation,
            search_size=self.crops.search_size,
            template_size=self.crops.template_size,
            search_factor=self.crops.search_factor,
            template_factor=self.crops.template_factor,
        )


class _Range(Sampler[int]):
    """Sample numbers from one on, without end, so that a resumed run goes on where it stopped."""

    def __init__(self, start: int, stop: int) -> None:
        self.numbers = range(start, stop)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def collate(samples: list[Sample]) -> Batch:
    """Stack samples into a batch."""
    return Batch(
        torch.from_numpy(np.stack([s.templates for s in samples])),
        torch.from_numpy(np.stack([s.search for s in samples])),
        torch.from_numpy(np.stack([s.box for s in samples])).float(),
        torch.tensor([s.present for s in samples]),
    )


def batches(dataset: ShotDataset, batch: int, start: int, stop: int, workers: int) -> DataLoader[Sample]:
    """Batches `start` to `stop` (exclusive) of the endless stream.

    Args:
        dataset: where samples come from.
        batch: samples in a batch.
        start: number of the first batch.
        stop: number after the last batch.
        workers: loader processes; 0 loads in the caller.
    """
    return DataLoader(
        dataset,
        batch_size=batch,
        sampler=_Range(start * batch, stop * batch),
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=4 if workers else None,
        persistent_workers=False,
    )
