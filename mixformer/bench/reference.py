"""The computation of the official code: the baseline that every engine is compared with."""

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
    The memory holds normalized images. One thing is faster than the original: attention uses PyTorch's fused kernel.
    """

    precision = "float32"

    def __init__(self, model: MixFormer) -> None:
        self.model, self.config = model.eval(), model.config
        self.device = next(model.parameters()).device

    def remember(self, templates: Image) -> Tensor:
        """uint8 images (..., h, w, 3) -> normalized images (..., 3, h, w)."""
        return self.model.normalize(torch.from_numpy(np.ascontiguousarray(templates)).to(self.device))

    @torch.inference_mode()
    def locate(self, search: Image, memory: Tensor) -> EngineOutput:
        """Templates from `remember` and search crops, uint8 (B, s, s, 3), through the whole network."""
        found = self.compute(memory, self.remember(search))
        scores = None if found.scores is None else found.scores.double().cpu().numpy()
        return EngineOutput(found.boxes.double().cpu().numpy(), scores)

    def compute(self, templates: Tensor, search: Tensor) -> Prediction:
        """Run the network on normalized templates (B, N, 3, t, t) and search crops (B, 3, s, s)."""
        memory = self.model.remember(templates, keep_features=True)  # which computes the whole last block too
        return self.model.locate(search, memory, full=True)

    def join(self, memories: Sequence[Tensor]) -> Tensor:
        """Concatenate the images of several targets."""
        return torch.cat(list(memories))
