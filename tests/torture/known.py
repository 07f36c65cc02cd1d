"""Findings that wait to be mended: this table must shrink to nothing."""

from __future__ import annotations

from dataclasses import dataclass

from tests.torture.runner import Finding, Tally


@dataclass(frozen=True)
class Known:
    """A surface whose findings are known, with the row of the list of findings that says so."""

    surface: str
    row: str


KNOWN = (
    Known("boxes", "C3, C10"),
    Known("sources", "C10"),
    Known("targets", "C10"),
    Known("jobs", "C10"),
    Known("resumed", "C10, C12"),
    Known("cache", "B7"),
    Known("checkpoints", "C4"),
    Known("zip", "C6"),
    Known("lmdb", "C5"),
    Known("mot", "C10, C12"),
    Known("evaluate again", "C10"),
    Known("coco-vid", "A6, C10"),
    Known("cvat", "A6, C6"),
    Known("frames", "C10"),
    Known("outputs", "C8"),
    Known("videos", "lists of other files"),
    Known("results", "C10"),
    Known("words", "C10, C11"),
)


def unknown(tally: Tally) -> list[Finding]:
    """The findings that nobody knows yet."""
    return [] if any(known.surface == tally.surface for known in KNOWN) else tally.findings


def healed(tallies: list[Tally]) -> list[str]:
    """Surfaces of the table without any finding: they can be struck off."""
    clean = {tally.surface for tally in tallies if tally.tried and not tally.findings}
    return sorted({known.surface for known in KNOWN} & clean)
