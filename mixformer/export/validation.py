"""Check a written folder: compare its graphs with PyTorch, and their boxes with those of the source model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixformer.engines.torch_engine import TorchEngine
from mixformer.export.differences import (
    BOX_TOLERANCE,
    HALF_TOLERANCE,
    Difference,
    batches,
    compare,
    overlap,
    require_fine,
    require_overlap,
)
from mixformer.export.runtimes import Runner, runners
from mixformer.export.sample_crops import Crops, real_crops
from mixformer.export.settings import ExportPlan
from mixformer.types import FloatArray
from mixformer.weights.load_save import load_model
from mixformer.weights.model_folder import ModelFolder

_COMPARED = 12  # number of crops to compare on
_CALIBRATED = 32  # number of crops to calibrate on


@dataclass(frozen=True)
class Check:
    """Real crops, and the outputs of the source model on them."""

    calibration: Crops  # crops for quantization
    held_out: Crops  # later crops of the same video for the comparison
    boxes: FloatArray  # boxes of the source model in the held-out crops, (n, 4)

    @classmethod
    def of(cls, model: str | Path, plan: ExportPlan) -> Check:
        """Run the source model on the plan's video."""
        engine = TorchEngine(load_model(model), "cpu", "float32")
        count = _COMPARED + (_CALIBRATED if plan.calibrates else 0)
        crops = real_crops(engine, count, plan.video, plan.box)
        cut = max(len(crops.searches) - _COMPARED, len(crops.searches) // 2) if plan.calibrates else 0
        held_out = Crops(crops.templates, crops.searches[cut:])
        found = [
            engine.locate(search, engine.remember(templates))
            for templates, search in batches(held_out, 1, plan.templates or 2)
        ]
        return cls(
            Crops(crops.templates, crops.searches[: cut or None]),
            held_out,
            np.concatenate([each.boxes for each in found]),
        )

    def run(self, folder: ModelFolder, plan: ExportPlan, lossy: bool) -> tuple[list[Difference], float | None]:
        """Compare the graphs of a folder with PyTorch, and their boxes with those of the source model.

        Args:
            folder: the written folder.
            plan: the settings of the export.
            lossy: True if the folder's weights have fewer bits than those of the source model.

        Returns:
            Differences from PyTorch with the folder's weights (none for 8-bit arithmetic), and the mean IoU with the
            boxes of the source model (None if neither weights nor arithmetic have fewer bits).

        Raises:
            ExportError: if the differences or the IoU are beyond their limits.
        """
        assert folder.graphs is not None  # they were just written
        ran = runners(folder.graphs)
        differences: list[Difference] = []
        if not plan.calibrates:
            engine = TorchEngine(load_model(folder.path), "cpu", "float32")
            tolerance = HALF_TOLERANCE if (plan.to, plan.precision) == ("openvino", "float16") else BOX_TOLERANCE
            differences = compare(engine, folder.graphs, ran, self.held_out)
            require_fine(differences, tolerance)
        if not lossy and not plan.calibrates:
            return differences, None
        iou = min(self._overlap(run, folder.graphs.batch or 1, folder.graphs.templates or 2) for run in ran.values())
        require_overlap(iou, str(plan.precision))
        return differences, iou

    def _overlap(self, run: Runner, batch: int, count: int) -> float:
        found = [run(templates, search).boxes for templates, search in batches(self.held_out, batch, count)]
        return overlap(np.concatenate(found)[: len(self.boxes)], self.boxes)
