"""The table of a run."""

from __future__ import annotations

from collections.abc import Sequence

from tests.torture.tally import Tally

_KINDS = ("failed", "hang", "crash")
_HEAD = ("surface", "tried", "failed", "hangs", "crashes", "first failing seeds")


def table(tallies: Sequence[Tally]) -> str:
    """Plain text, one line for each surface and one for all."""
    lines = [(one.surface, one.tried, *map(one.count, _KINDS), _seeds(one)) for one in tallies]
    sums = (sum(line[column] for line in lines) for column in range(1, len(_HEAD) - 1))  # type: ignore[misc]
    cells = [_HEAD, *(tuple(map(str, line)) for line in (*lines, ("all", *sums, "")))]
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


def _seeds(tally: Tally) -> str:
    return ", ".join(group[0].mark for group in tally.kinds()[:3])


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
