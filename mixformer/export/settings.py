"""The settings and the report of an export. This needs no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixformer.errors import ConfigError, shown
from mixformer.imaging.boxes import parse_box
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

if TYPE_CHECKING:
    from mixformer.configs.model import ModelConfig

FORMATS = ("onnx", "openvino")
PRECISIONS = ("float32", "float16", "int8")
SCORE_TOLERANCE = 1e-3
"""Largest difference of score logits, relative to logits above 1."""
_MOST = {"batch": 1000, "templates": 101}  # one is made of each, and a tracker keeps at most 100 online templates


@dataclass(frozen=True)
class Difference:
    """Differences of one runtime from PyTorch."""

    runtime: str  # "onnxruntime" or "openvino"
    batch: int  # number of targets in a call
    templates: int  # number of templates of a target
    boxes: float  # largest difference of boxes, in sides of the search crop
    scores: float | None  # largest difference of score logits, relative to logits above 1; None without a score head

    def within(self, tolerance: float) -> bool:
        """Tell whether boxes differ by at most `tolerance` and scores by at most `SCORE_TOLERANCE`; False for NaN."""
        return self.boxes <= tolerance and (self.scores is None or self.scores <= SCORE_TOLERANCE)


@dataclass(frozen=True)
class ExportReport:
    """The written files, and the differences of their results from PyTorch's.

    Attributes:
        folder: the written folder.
        config: sizes of the network.
        precision: precision of the stored weights.
        templates: number of templates that the graphs take; None = any.
        batch: number of targets that the graphs take; None = any.
        sizes: number of bytes of every file, by its name.
        differences: differences from PyTorch with the same weights, on real crops; empty for 8-bit arithmetic.
        iou: mean IoU (0..1) with the boxes of the source model, if weights or arithmetic have fewer bits; else None.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.configs import model_config
        >>> from mixformer.export import ExportReport
        >>> report = ExportReport(Path("out"), model_config("mixvit"), "float32", None, 1, {"locate.onnx": 2}, (), None)
        >>> sum(report.sizes.values())
        2
    """

    folder: Path
    config: ModelConfig
    precision: str
    templates: int | None
    batch: int | None
    sizes: dict[str, int]
    differences: tuple[Difference, ...]
    iou: float | None


@dataclass(frozen=True)
class ExportPlan:
    """The settings of an export: keyword arguments of `export_model`, checked."""

    to: str = "onnx"
    precision: str | None = None
    batch: int | None = None
    templates: int | None = None
    video: str | Path = DEMO_CLIP
    box: Sequence[float] = DEMO_BOX

    def __post_init__(self) -> None:
        if not isinstance(self.to, str) or self.to not in FORMATS:
            raise ConfigError(f"can export to {', '.join(FORMATS)}, not to {shown(self.to)}")
        if not isinstance(self.precision, str | None) or self.precision not in (None, *PRECISIONS):
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {shown(self.precision)}")
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not 1 <= value <= most):
                raise ConfigError(f"{name} must be 1 to {most}, or dynamic, not {shown(value)}")
        object.__setattr__(self, "box", parse_box(self.box))

    @property
    def calibrates(self) -> bool:
        """True if activations become 8-bit, which needs crops to calibrate on."""
        return self.to == "openvino" and self.precision == "int8"
