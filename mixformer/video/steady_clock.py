"""Rising times for files whose clock jumps back."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

BACK = 0.25
"""Seconds; frames that a damaged file shows in the wrong order go back less."""


class SteadyClock:
    """The clock of one track in seconds. It keeps rising where the clock of the file jumps back.

    Recordings that were joined byte by byte (`cat a.ts b.ts`) have such jumps, and so have cameras that were reset.
    """

    def __init__(self, name: str, step: float) -> None:
        """Begin. `name` is that of the file, for messages; `step` is the usual time from one frame to the next."""
        self._name, self._step = name, step
        self._last: float | None = None
        self.shift = 0.0
        """Seconds that are added to the clock of the file."""

    def read(self, time: float, frame: int = 0) -> float:
        """Return the steady time of a frame."""
        steady = time + self.shift
        if self._last is not None and steady < self._last - BACK:
            steady = self._last + self._step
            self.shift = steady - time
            log.warning("%s: its clock jumps back at frame %d; the times go on from there", self._name, frame)
        self._last = steady
        return steady
