"""Check exported graphs on real crops: compare them with PyTorch, and their boxes with those of the source model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixformer.engines import Engine
from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import ExportError
from mixformer.export.runtimes import Runner, runners
from mixformer.export.sample_crops import Crops, crop_batches, real_crops
from mixformer.export.settings import SCORE_TOLERANCE, Difference, ExportPlan
from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.types import EngineOutput, FloatArray
from mixformer.weights.load_save import load_model
from mixformer.weights.model_folder import ExportedGraphs, ModelFolder

BOX_TOLERANCE = 1e-4
"""Largest difference of boxes in sides of the search crop (0.03 pixels of a crop of 288), for unchanged weights."""
HALF_TOLERANCE = 1e-3
"""The same for OpenVINO's format with float16: constants that were computed from weights are rounded once more."""
LOWEST_IOU = 0.98
"""Least mean IoU with the boxes of the source model, for smaller weights and 8-bit arithmetic."""
_COMPARED = 12  # number of crops to compare on
_CALIBRATED = 32  # number of crops to calibrate on


def measure_differences(
    engine: Engine, graphs: ExportedGraphs, runners: dict[str, Runner], crops: Crops
) -> list[Difference]:
    """Compute the largest differences between an engine and graphs with the same weights.

    Args:
        engine: the network in PyTorch.
        graphs: the graphs.
        runners: runners of the graphs, see `runtimes.runners`.
        crops: crops to compare on, all of them in batches of 1 and 2, with 1, 2 and 3 templates; if the graphs fix one
            of these numbers, only with that.
    """
    differences = []
    for batch, count in _shapes(graphs):
        pairs = list(crop_batches(crops, batch, count))
        wanted = [engine.locate(search, engine.remember(templates)) for templates, search in pairs]
        for name, run in runners.items():
            found = [run(templates, search) for templates, search in pairs]
            differences.append(_difference(name, batch, count, wanted, found))
    return differences


def overlap(boxes: FloatArray, others: FloatArray) -> float:
    """Compute the mean IoU of boxes (n, 4) cxcywh with others. Boxes without area count as 1 if they differ by 1e-3."""
    flat = (np.minimum(boxes[:, 2:], others[:, 2:]) <= 0).any(1)
    near = np.abs(boxes - others).max(1) <= 1e-3
    with np.errstate(divide="ignore", invalid="ignore"):
        shared, _ = iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(others))
    return float(np.where(flat, near, shared).mean())


def require_fine(differences: list[Difference], tolerance: float = BOX_TOLERANCE) -> None:
    """Raise ExportError, with the figures, if boxes or scores differ too much."""
    bad = [each for each in differences if not each.within(tolerance)]
    if bad:
        told = "; ".join(
            f"{each.runtime}, batch {each.batch}, {each.templates} templates: boxes {each.boxes:.2g}, "
            f"scores {'none' if each.scores is None else format(each.scores, '.2g')}"
            for each in bad
        )
        raise ExportError(
            f"the exported graphs differ from PyTorch beyond {tolerance:g} of the crop (boxes) or "
            f"{SCORE_TOLERANCE:g} (scores): {told}. Nothing was written; try other versions of torch, onnxscript or "
            "the runtime"
        )


def require_same_boxes(iou: float, precision: str) -> None:
    """Raise ExportError, with the figure, if weights or arithmetic move the boxes too far."""
    if not iou > LOWEST_IOU:
        raise ExportError(
            f"{precision} moves the boxes too far: their mean IoU with those of the source model is {iou:.4f}, but "
            f"must be above {LOWEST_IOU}. Nothing was written; use --precision float32 or float16, or "
            "calibrate on your own video (--calibrate)"
        )


def _shapes(graphs: ExportedGraphs) -> list[tuple[int, int]]:
    batches = [graphs.batch] if graphs.batch else [1, 2]
    counts = [graphs.templates] if graphs.templates else [2, 1, 3]
    return [(batches[0], count) for count in counts] + [(batch, counts[0]) for batch in batches[1:]]


def _difference(name: str, batch: int, count: int, wanted: list[EngineOutput], found: list[EngineOutput]) -> Difference:
    boxes = np.abs(_boxes(wanted) - _boxes(found)).max()
    if wanted[0].scores is None:
        return Difference(name, batch, count, float(boxes), None)
    right, other = _scores(wanted), _scores(found)
    scores = (np.abs(right - other) / np.maximum(1, np.abs(right))).max()
    return Difference(name, batch, count, float(boxes), float(scores))


def _boxes(locations: list[EngineOutput]) -> FloatArray:
    return np.concatenate([each.boxes for each in locations])


def _scores(locations: list[EngineOutput]) -> FloatArray:
    return np.concatenate([each.scores for each in locations if each.scores is not None])


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
            for templates, search in crop_batches(held_out, 1, plan.templates or 2)
        ]
        return cls(
            Crops(crops.templates, crops.searches[: cut or None]),
            held_out,
            np.concatenate([each.boxes for each in found]),
        )

    def run(self, folder: ModelFolder, plan: ExportPlan, lossy: bool) -> tuple[list[Difference], float | None]:
        """Compare the graphs of a folder with PyTorch, and their boxes with those of the source model.

        Returns the differences from PyTorch with the folder's weights (none for 8-bit arithmetic), and the mean IoU
        with the boxes of the source model (None if neither weights, which are then `lossy`, nor arithmetic have fewer
        bits). Raises ExportError if one is beyond its limit.
        """
        assert folder.graphs is not None  # they were just written
        ran = runners(folder.graphs)
        differences: list[Difference] = []
        if not plan.calibrates:
            engine = TorchEngine(load_model(folder.path), "cpu", "float32")
            tolerance = HALF_TOLERANCE if (plan.to, plan.precision) == ("openvino", "float16") else BOX_TOLERANCE
            differences = measure_differences(engine, folder.graphs, ran, self.held_out)
            require_fine(differences, tolerance)
        if not lossy and not plan.calibrates:
            return differences, None
        iou = min(self._overlap(run, folder.graphs.batch or 1, folder.graphs.templates or 2) for run in ran.values())
        require_same_boxes(iou, str(plan.precision))
        return differences, iou

    def _overlap(self, run: Runner, batch: int, count: int) -> float:
        found = [run(templates, search).boxes for templates, search in crop_batches(self.held_out, batch, count)]
        return overlap(np.concatenate(found)[: len(self.boxes)], self.boxes)
