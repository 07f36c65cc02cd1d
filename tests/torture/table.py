"""The table of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.torture.runner import Tally

_HEAD = ("surface", "tried", "failed", "hangs", "crashes", "first failing seeds")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    surface: str
    tried: int
    failed: int
    hangs: int
    crashes: int
    seeds: str = ""


def row_of(tally: Tally) -> Row:
    """The line of a surface."""
    seeds = ", ".join(group[0].mark for group in tally.kinds()[:3])
    return Row(tally.surface, tally.tried, tally.count("failed"), tally.count("hang"), tally.count("crash"), seeds)


def table(rows: Sequence[Row]) -> str:
    """Plain text, one line for each surface and one for all."""
    total = Row("all", *(sum(getattr(row, name) for row in rows) for name in ("tried", "failed", "hangs", "crashes")))
    cells = [
        _HEAD,
        *((r.surface, str(r.tried), str(r.failed), str(r.hangs), str(r.crashes), r.seeds) for r in (*rows, total)),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD) - 1)]
    return "\n".join(
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:], strict=True)),
                line[-1],
            ]
        )
        for line in cells
    )


def details(tallies: Sequence[Tally], most: int = 40) -> str:
    """Every kind of finding with the command that repeats it."""
    lines = []
    for tally in tallies:
        for group in tally.kinds()[:most]:
            first = group[0]
            lines.append(f"{first.kind} x{len(group)}  python -m tests.torture --repeat '{first.mark}'")
            lines.append(f"    input: {first.told}")
            lines.append(f"    {first.reason[:600]}")
    return "\n".join(lines)
