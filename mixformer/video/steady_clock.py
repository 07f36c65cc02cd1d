"""Times that go on where the clock of a file begins anew."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

BACK = 0.25
"""Seconds; frames that a damaged file shows in the wrong order go back less."""


class SteadyClock:
    """The clock of one track, which goes on where that of the file jumps back.

    Recordings that were joined byte by byte (`cat a.ts b.ts`) have such jumps, and cameras that were set anew.

    Example:
        >>> clock = SteadyClock("joined.ts", step=0.04)
        >>> [round(clock.read(time, frame), 2) for frame, time in enumerate((0.0, 0.96, 0.0, 0.04))]
        [0.0, 0.96, 1.0, 1.04]
    """

    def __init__(self, name: str, step: float) -> None:
        """Begin.

        Args:
            name: of the file, for the message.
            step: seconds from one frame to the next, as far as they are known.
        """
        self._name, self._step = name, step
        self._last: float | None = None
        self.shift = 0.0
        """Seconds that are added to the clock of the file."""

    def read(self, time: float, frame: int = 0) -> float:
        """Return the steady time of a frame.

        Args:
            time: seconds on the clock of the file.
            frame: number of the frame, for the message.
        """
        steady = time + self.shift
        if self._last is not None and steady < self._last - BACK:
            steady = self._last + self._step
            self.shift = steady - time
            log.warning("%s: its clock jumps back at frame %d; the times go on from there", self._name, frame)
        self._last = steady
        return steady
