"""What a step costs: wall time, processor time and, where the machine tells, energy.

Needs the standard library alone, because the Python that has OpenCV imports it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

POWER = Path("/sys/class/powercap")  # RAPL, the counters of Intel's and AMD's processors


def cost_of(step: Callable[[Any], object], frames: Iterable[Any]) -> dict[str, float | None]:
    """Do a step with each frame, and return seconds, processor seconds and joules of one frame.

    Processor seconds are those of this process, so what else runs hardly changes them. Joules are those of the whole
    processor, others' work included; None if it does not tell them.
    """
    count, before = 0, counters()
    wall, cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        step(frame)
        count += 1
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    used = joules(before, counters())
    return {"wall": wall / count, "cpu": cpu / count, "joules": None if used is None else used / count}


def counters() -> dict[Path, int]:
    """Read the energy in microjoules of each processor; empty without such counters or the right to read them."""
    found = {}
    for folder in POWER.glob("intel-rapl:?"):  # its parts, such as intel-rapl:0:0, are in its sum
        try:
            found[folder] = int((folder / "energy_uj").read_text())
        except (OSError, ValueError):
            return {}
    return found


def joules(before: dict[Path, int], after: dict[Path, int]) -> float | None:
    """Return the energy between two readings; a counter that came to its end began again at 0."""
    if not before or set(before) != set(after):
        return None
    used = 0
    for folder, start in before.items():
        used += after[folder] - start
        if after[folder] < start:
            used += int((folder / "max_energy_range_uj").read_text()) + 1
    return used / 1e6
