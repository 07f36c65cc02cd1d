"""What a tracker finds, written down while it works: as edits of a project, after each second of video."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mixformer.annotation.between import FoundBox, found_runs
from mixformer.annotation.project_checks import row_of
from mixformer.annotation.tracked_rows import TrackedBox

_USUAL_FPS = 25.0


def found_edits(found: Iterable[FoundBox]) -> list[dict[str, Any]]:
    """Return the edits of `apply_edit` that put boxes of `track_between` into a project, as `put_found` does.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import FoundBox
        >>> from mixformer.annotation.found_edits import found_edits
        >>> [edit["start"] for edit in found_edits([FoundBox(1, 7, Box(10, 20, 30, 40), 0.9, "tracking", "forward")])]
        [7]
    """
    return [
        {
            "edit": "set_tracked",
            "id": run[0].target,
            "start": run[0].frame,
            "rows": [row_of(TrackedBox(each.box, each.score, each.status)) for each in run],
            "way": run[0].way,
        }
        for run in found_runs(found)
    ]


def may_pause(found: FoundBox) -> bool:
    """Tell whether a run may pause after a box: not within joined ones, since a stretch is joined as a whole."""
    return found.way != "joined"


def is_second(found: list[FoundBox], fps: float | None) -> bool:
    """Tell whether boxes, in the order in which they were found, are a second of video or more, and end at a pause."""
    return bool(found) and may_pause(found[-1]) and abs(found[-1].frame - found[0].frame) + 1 >= (fps or _USUAL_FPS)
