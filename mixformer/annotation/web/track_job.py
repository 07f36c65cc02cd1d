"""A request to track, and its progress."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixformer.annotation.between import FoundBox
from mixformer.annotation.web.project_desk import ProjectDesk


@dataclass(eq=False)
class TrackJob:
    """One request to track."""

    video: str  # id of the video
    path: Path  # of the video
    desk: ProjectDesk
    way: str  # "forward", "backward", "both" or "next" (to the next key box)
    frame: int  # number of the frame that the person sees
    ids: list[int] | None  # of the targets; None takes all
    person: str = ""  # who asked for it, and can undo it
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: str = "waiting"
    done: int = 0
    total: int = 0
    error: str = ""
    last: int | None = None  # number of the last tracked frame
    halt: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    steps: Iterator[FoundBox] | None = None
    unsaved: list[FoundBox] = field(default_factory=list)
    untold: list[FoundBox] = field(default_factory=list)
    is_late: bool = False  # a person has edited one of its targets before it ended, so that its boxes are not kept
    revision: int = -1  # of the project after this job saved into it
    told: float = 0.0
    reloaded: float = 0.0

    def news(self) -> dict[str, Any]:
        """Return the state and progress of the job, as a JSON object."""
        names = ("id", "state", "way", "ids", "done", "total", "error", "last")
        return {"type": "job", **{name: getattr(self, name) for name in names}}
