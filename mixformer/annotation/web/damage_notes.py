"""Note the damaged frames of videos, as they are decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from mixformer.run.absences import frame_spans


class DamageNotes:
    """Numbers of damaged frames, by video. All calls may come from any thread.

    Attributes:
        told: function to call with a video of which more is known.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.annotation.web.damage_notes import DamageNotes
        >>> notes = DamageNotes()
        >>> for number in (7, 5, 6, 9):
        ...     notes.note(Path("clip.mp4"), number)
        >>> notes.stretches(Path("clip.mp4"))
        [[5, 8], [9, 10]]
    """

    def __init__(self) -> None:
        self.told: Callable[[Path], object] = lambda path: None
        self._numbers: dict[Path, set[int]] = {}
        self._guard = threading.Lock()

    def note(self, path: Path, number: int) -> None:
        """Note that a frame cannot be read, or that its picture may be wrong."""
        with self._guard:
            known = self._numbers.setdefault(path, set())
            if number in known:
                return
            known.add(number)
        self.told(path)

    def stretches(self, path: Path) -> list[list[int]]:
        """Return the first frame of each damaged stretch, and the one after its last."""
        with self._guard:
            numbers = sorted(self._numbers.get(path, ()))
        return [list(span) for span in frame_spans(numbers)]

    def forget(self, path: Path) -> None:
        """Forget a video whose file has changed."""
        with self._guard:
            self._numbers.pop(path, None)
