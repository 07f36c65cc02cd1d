"""Training in several processes: `torchrun` starts them, PyTorch's DDP averages their gradients."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Distributed:
    """The place of this process among the processes that train together."""

    rank: int = 0  # number of this process; process 0 writes files and prints
    count: int = 1  # number of processes
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))  # device of this process

    @property
    def first(self) -> bool:
        """Return whether this process writes files."""
        return self.rank == 0

    def wrap(self, stage: nn.Module, *, unused: bool = False) -> nn.Module:
        """Wrap a stage so that processes average its gradients; if `unused`, a step may leave parameters out."""
        if self.count == 1:
            return stage
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(stage, device_ids=devices, find_unused_parameters=unused)

    def mean(self, value: Tensor) -> Tensor:
        """Average a value over the processes."""
        if self.count == 1:
            return value
        shared = value.detach().clone()
        dist.all_reduce(shared)
        return shared / self.count

    def of_first(self, value: float) -> float:
        """Return the value of the first process, in all of them."""
        own = torch.tensor(value if self.first else 0.0, dtype=torch.float32, device=self.device)
        return self.mean(own).item() * self.count

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def init_distributed(device: torch.device) -> Iterator[Distributed]:
    """Join the processes that `torchrun` started, on CUDA with one GPU each; without it, there is only this one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Distributed(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Distributed(dist.get_rank(), count, device)
    finally:
        dist.destroy_process_group()
