"""The computation of the official code, the baseline for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mixformer.types import EngineOutput, Image

if TYPE_CHECKING:
    from mixformer.models import MixFormer, Prediction


class ReferenceEngine:
    """An `Engine` that runs a network as the official code does, in float32.

    Templates and search region pass through the whole network in every frame, and the last block computes every token.
    The memory holds normalized images. Only attention is faster than in the official code: it uses PyTorch's fused
    kernel.
    """

    precision = "float32"

    def __init__(self, model: MixFormer) -> None:
        self.model, self.config = model.eval(), model.config
        self.device = next(model.parameters()).device

    def remember(self, templates: Image) -> Tensor:
        """Normalize images: uint8 (..., h, w, 3) -> (..., 3, h, w)."""
        return self.model.normalize(torch.from_numpy(np.ascontiguousarray(templates)).to(self.device))

    @torch.inference_mode()
    def locate(self, search: Image, memory: Tensor) -> EngineOutput:
        """Run the whole network on templates from `remember` and search crops, uint8 (B, s, s, 3)."""
        found = self.compute(memory, self.remember(search))
        scores = None if found.scores is None else found.scores.double().cpu().numpy()
        return EngineOutput(found.boxes.double().cpu().numpy(), scores)

    def compute(self, templates: Tensor, search: Tensor) -> Prediction:
        """Run the network on normalized templates (B, N, 3, t, t) and search crops (B, 3, s, s)."""
        memory = self.model.remember(templates, keep_features=True)  # with this, the whole last block is computed
        return self.model.locate(search, memory, full=True)

    def join(self, memories: Sequence[Tensor]) -> Tensor:
        """Concatenate the images of several targets."""
        return torch.cat(list(memories))
