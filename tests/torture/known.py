"""Findings that wait to be mended, each by its error: this table must stay empty, or shrink."""

from __future__ import annotations

from dataclasses import dataclass

from tests.torture.runner import Finding, Tally


@dataclass(frozen=True)
class Known:
    """An error that is known.

    Attributes:
        surface: where it comes up.
        reason: a part of what the finding says.
        row: of the list of findings that tells it (docs/notes/torture.md).
    """

    surface: str
    reason: str
    row: str

    def fits(self, surface: str, finding: Finding) -> bool:
        """Tell whether a finding is this one."""
        return surface == self.surface and self.reason in finding.reason


KNOWN: tuple[Known, ...] = ()


def unknown(tally: Tally) -> list[Finding]:
    """The findings that nobody knows yet."""
    return [found for found in tally.findings if not any(known.fits(tally.surface, found) for known in KNOWN)]


def healed(tallies: list[Tally]) -> list[str]:
    """Known errors that did not come up where their surface was tried: they can be struck off."""
    tried = {tally.surface: tally for tally in tallies if tally.tried}
    return [
        f"{known.surface}: {known.reason}"
        for known in KNOWN
        if known.surface in tried and not any(known.fits(known.surface, each) for each in tried[known.surface].findings)
    ]
