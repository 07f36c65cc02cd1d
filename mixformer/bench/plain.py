"""The computation of the official code, as the baseline that every engine is measured against.

Float32; the templates and the search region are computed anew for every frame; every token in the last block; nothing
kept. Only the images of the templates are normalized ahead, as the official trackers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mixformer.types import EngineOutput, Image

if TYPE_CHECKING:
    from mixformer.models import MixFormer, Prediction


class PlainEngine:
    """Runs a network as the official code does; an `Engine` whose memory is images.

    One thing is faster than there: attention is PyTorch's fused kernel.
    """

    precision = "float32"

    def __init__(self, model: MixFormer) -> None:
        """Take a network in float32 as it was loaded, nothing folded, where it is."""
        self.model, self.config = model.eval(), model.config
        self.device = next(model.parameters()).device

    def remember(self, templates: Image) -> Tensor:
        """Normalized images (B, N, 3, t, t) of uint8 (B, N, t, t, 3)."""
        return self._normalize(templates)

    @torch.inference_mode()
    def locate(self, search: Image, memory: Tensor) -> EngineOutput:
        """The whole network on templates and search crops, uint8 (B, s, s, 3)."""
        found = self.compute(memory, self._normalize(search))
        scores = None if found.scores is None else found.scores.double().cpu().numpy()
        return EngineOutput(found.boxes.double().cpu().numpy(), scores)

    def compute(self, templates: Tensor, search: Tensor) -> Prediction:
        """The computation itself, on normalized templates (B, N, 3, t, t) and search crops (B, 3, s, s)."""
        kept = self.model.remember(templates, keep_features=True)  # which computes the whole last block too
        return self.model.locate(search, kept, full=True)

    def join(self, memories: Sequence[Tensor]) -> Tensor:
        """The images of several targets as one batch."""
        return torch.cat(list(memories))

    def _normalize(self, images: Image) -> Tensor:
        return self.model.normalize(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))
