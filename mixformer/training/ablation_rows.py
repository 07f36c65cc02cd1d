"""What a table of ablations consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mixformer.training.routes import RouteStep


@dataclass(frozen=True)
class AblationRow:
    """One row of a table.

    Attributes:
        label: what the table calls it.
        step: step that trains its network; None if only the speed of `network` is measured.
        settings: fields of `TrackerConfig` to track with. A row with settings is measured by tracking at every scale.
        network: (variant, fields to change) of a network whose speed is measured.
        number: row of the published table, from 1; 0 if the paper gives no number for it.
        point: (curve, blocks) of the row in a figure; ("", 0) if the table is none.
        own: whether it is no row of the paper.

    Example:
        >>> from mixformer.training import ABLATIONS
        >>> [row.label for row in ABLATIONS["v2-3d"].rows]
        ['no distillation', 'logits', 'logits and features']
    """

    label: str
    step: RouteStep | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: tuple[str, Mapping[str, Any]] = ("", {})
    number: int = 0
    point: tuple[str, int] = ("", 0)
    own: bool = False


@dataclass(frozen=True)
class AblationTable:
    """One published table: its title, its name in `paper_ablations`, what it measures, and its rows.

    Example:
        >>> from mixformer.training import ABLATIONS
        >>> ABLATIONS["v1-8"].source
        'MixFormer journal table 8'
    """

    title: str
    source: str
    rows: tuple[AblationRow, ...]
    measures: Literal["accuracy", "speed"] = "accuracy"
