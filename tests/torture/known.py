"""Findings that wait to be mended: this table must shrink to nothing."""

from __future__ import annotations

from dataclasses import dataclass

from tests.torture.runner import Finding, Tally


@dataclass(frozen=True)
class Known:
    """A surface whose findings are known, with the row of the list of findings that says so."""

    surface: str
    row: str


KNOWN: tuple[Known, ...] = ()


def unknown(tally: Tally) -> list[Finding]:
    """The findings that nobody knows yet."""
    return [] if any(known.surface == tally.surface for known in KNOWN) else tally.findings


def healed(tallies: list[Tally]) -> list[str]:
    """Surfaces of the table without any finding: they can be struck off."""
    clean = {tally.surface for tally in tallies if tally.tried and not tally.findings}
    return sorted({known.surface for known in KNOWN} & clean)
