"""Training samples by number. Sample i depends only on the seed and on i, not on the number of workers."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.queues import Queue
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mixformer.data.augmentation import Augmentation, CropSettings as CropSettings, draw_sample_params
from mixformer.data.crop_params import Sample, SampleParams
from mixformer.data.gpu import PackedCrops, pack_crops
from mixformer.data.sampling import Mixture
from mixformer.errors import ConfigError, DataError
from mixformer.files.open_files import allow_open_files

log = logging.getLogger(__name__)

_FILES, _FILES_OF_A_WORKER = 64, 12  # open files of a training process, and for each of its loader processes
_LOOK_EVERY = 0.5  # seconds between two looks of a loader whether its parent lives


@dataclass(frozen=True)
class Batch:
    """Stacked samples."""

    templates: Tensor  # uint8 (B, N, t, t, 3)
    search: Tensor  # uint8 (B, s, s, 3)
    boxes: Tensor  # (B, 4) xyxy as fractions of the search crop, not clipped
    present: Tensor  # (B,) 1 where the target is in the search crop, else 0
    seconds: float = 0.0  # working time of the loader process

    def to(self, device: torch.device) -> Batch:
        """Copy the batch to a device, in the background if its memory is pinned."""
        return self._map(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Copy the batch to pinned memory, from which a GPU reads in the background; `DataLoader` calls this."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        boxes, present = change(self.boxes), change(self.present)
        return Batch(change(self.templates), change(self.search), boxes, present, self.seconds)


@dataclass(frozen=True)
class RawBatch:
    """A batch of frames. Its crops are made on the device that it is sent to."""

    templates: PackedCrops  # template crops of all samples, sample by sample
    search: PackedCrops  # search crop of each sample
    boxes: Tensor  # (B, 4), as in `Batch`
    present: Tensor  # (B,)
    sizes: tuple[int, int]  # sides of the template and search crops in pixels
    seconds: float = 0.0  # working time of the loader process

    def to(self, device: torch.device) -> Batch:
        """Copy the pixels to a device and make the batch there."""
        small, large = self.sizes
        templates = self.templates.to(device).render(small).unflatten(0, (len(self.boxes), -1))
        boxes, present = (part.to(device, non_blocking=True) for part in (self.boxes, self.present))
        return Batch(templates, self.search.to(device).render(large), boxes, present, self.seconds)

    def pin_memory(self) -> RawBatch:
        """Copy the batch to pinned memory, from which a GPU reads in the background; `DataLoader` calls this."""
        crops = self.templates.pin_memory(), self.search.pin_memory()
        return RawBatch(*crops, self.boxes.pin_memory(), self.present.pin_memory(), self.sizes, self.seconds)


_TRIES = 100  # this many rejected samples in a row are an error


class SampleDataset(Dataset[Sample]):
    """An endless list of samples of a mixture."""

    def __init__(self, mixture: Mixture, crops: CropSettings, augmentation: Augmentation, seed: int) -> None:
        self.mixture, self.crops, self.augmentation, self.seed = mixture, crops, augmentation, seed

    def __getitem__(self, index: int) -> Sample:
        return self.plan(index).render()

    def plan(self, index: int) -> SampleParams:
        """Draw the parameters of sample `index` without its pixels; raises DataError if too many are rejected."""
        random = np.random.default_rng([self.seed, index])
        for _ in range(_TRIES):
            shot = self.mixture.draw(random, self.crops.templates)
            plan = draw_sample_params(random, shot, self.augmentation, self.crops)
            if plan is not None:
                return plan
        raise DataError(
            f"sample {index}: {_TRIES} samples in a row were rejected because a crop shows nothing of its frame; check "
            "the boxes of the data (`mixformer data check`) or lower the jitter of the search crop"
        )


class _Batches(Dataset[Batch | RawBatch]):
    """A list of batches, indexed by the numbers of their samples."""

    def __init__(self, dataset: SampleDataset, raw: bool) -> None:
        self.dataset, self.raw = dataset, raw

    def __getitem__(self, numbers: range) -> Batch | RawBatch:
        begin = time.perf_counter()
        if self.raw:
            made: Batch | RawBatch = collate_raw(self.dataset.plan(number) for number in numbers)
        else:
            made = collate([self.dataset[number] for number in numbers])
        return replace(made, seconds=time.perf_counter() - begin)


class _Numbers(Sampler[range]):
    """Yields the sample numbers of each batch, so that a resumed run continues with the next samples."""

    def __init__(self, batch: int, start: int, stop: int, rank: int, ranks: int) -> None:
        self.size, self.stop = batch * ranks, stop
        self.start, self.rank, self.ranks = start, rank, ranks

    def __iter__(self) -> Iterator[range]:
        for number in range(self.start, self.stop):
            yield range(number * self.size + self.rank, (number + 1) * self.size, self.ranks)

    def __len__(self) -> int:
        return self.stop - self.start


def collate(samples: list[Sample]) -> Batch:
    """Stack samples into a batch."""
    return Batch(
        torch.from_numpy(np.stack([s.templates for s in samples])),
        torch.from_numpy(np.stack([s.search for s in samples])),
        torch.from_numpy(np.stack([s.box for s in samples])).float(),
        torch.tensor([s.present for s in samples]),
    )


def collate_raw(samples: Iterable[SampleParams]) -> RawBatch:
    """Pack the pixels that a batch needs. Each whole frame is freed before the next sample is drawn."""
    plans = [plan.trimmed() for plan in samples]
    return RawBatch(
        pack_crops([crop for plan in plans for crop in plan.crops[:-1]]),
        pack_crops([plan.crops[-1] for plan in plans]),
        torch.from_numpy(np.stack([plan.box for plan in plans])).float(),
        torch.tensor([float(plan.present) for plan in plans]),
        (plans[0].crops[0].size, plans[0].crops[-1].size),
    )


def batches(
    dataset: SampleDataset,
    batch: int,
    start: int,
    stop: int,
    workers: int,
    *,
    rank: int = 0,
    ranks: int = 1,
    raw: bool = False,
    pin: bool = False,
) -> Iterator[Any]:
    """Load batches `start` to `stop` (exclusive) of the endless stream: `Batch`, or `RawBatch` if `raw`.

    Process `rank` takes every `ranks`-th sample, so that batch i of all processes together is batch i of a single
    process with a batch `ranks` times as large. `workers` 0 loads in the caller; `pin` is for fast copies to a GPU.
    Raises ConfigError if the system's limit of open files is too low for so many workers, or when one of them ends.
    """
    _require_open_files(workers)
    numbers: Any = _Numbers(batch, start, stop, rank, ranks)  # a batch is made at once, so that its time is known
    loader = DataLoader(
        _Batches(dataset, raw),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        persistent_workers=False,
        pin_memory=pin,
        worker_init_fn=_begin_worker,
    )
    return _typed(loader)


def _typed(loader: DataLoader[Any]) -> Iterator[Any]:
    """Give the batches, and an error of ours if a loader process ended."""
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ConfigError(
            f"a loader process ended ({error}); give /dev/shm more room, raise limits such as `ulimit -f`, or set "
            "data.workers lower (0 loads in the training process itself)"
        ) from error


def _require_open_files(workers: int) -> None:
    """Raise the limit of open files to what loaders need; at the limit, PyTorch hangs."""
    need = _FILES + _FILES_OF_A_WORKER * workers
    if workers and (limit := allow_open_files(need)) < need:
        raise ConfigError(
            f"{workers} loader processes need {need} open files, but the system allows {limit}; raise the limit, for "
            "example with `ulimit -n 1024`, or set data.workers lower (0 loads in the training process itself)"
        )


def _begin_worker(_: int) -> None:
    """Ignore Ctrl-C and the first SIGTERM in a loader process, which reach all processes of a terminal or batch job.

    The parent still needs batches to finish its step. A second SIGTERM is how PyTorch ends loaders that hang. A batch
    that cannot be handed over ends the process: the parent would wait for it for ever.
    """
    Queue._on_queue_feeder_error = _end_worker  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    if os.name == "posix":
        threading.Thread(target=_watch_parent, name="watch parent", daemon=True).start()


def _watch_parent() -> None:
    """End this process when its parent is killed. PyTorch looks only between batches, or waits for a reader for ever.

    A forked process also holds the parent's lock of the run folder, so that the run could not go on meanwhile.
    """
    parent, above = parent_process(), os.getppid()  # a fork server is above, but is not the parent
    if parent is not None:
        # Siblings that were forked later hold the sentinel too, so the process above is looked at as well.
        while not wait([parent.sentinel], _LOOK_EVERY) and os.getppid() == above:
            pass
        os._exit(1)


def _end_worker(_: Any, error: Exception, batch: object) -> None:
    log.warning("a loader process cannot hand over a batch: %s", error)
    os._exit(1)
