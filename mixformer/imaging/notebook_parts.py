"""Views of objects in a notebook: small tables of escaped text, and progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from html import escape
from importlib import import_module
from itertools import zip_longest
from typing import Any

_MOST_ROWS = 20
_EVERY = 0.2  # seconds between two drawings of a progress bar


def html_table(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    notes: Iterable[str] = (),
    most: int = _MOST_ROWS,
    left: int = 1,
    bold: Iterable[Sequence[bool]] = (),
) -> str:
    """Make a table of plain texts as HTML, every one escaped.

    Args:
        title: caption.
        headings: of the columns; those after the first `left` hold numbers.
        rows: texts, one for each column.
        notes: lines below.
        most: rows shown; a line says how many more there are.
        left: number of columns that hold text.
        bold: for each row, which of its texts are bold; none without it.
    """

    def cells(texts: Sequence[str], tag: str, heavy: Sequence[bool] = ()) -> str:
        parts = []
        for place, text in enumerate(texts):
            side = "left" if place < left else "right"
            inside = f"<b>{escape(text)}</b>" if place < len(heavy) and heavy[place] else escape(text)
            parts.append(f'<{tag} style="text-align: {side}">{inside}</{tag}>')
        return "".join(parts)

    rows = list(rows)
    body = "".join(f"<tr>{cells(row, 'td', heavy)}</tr>" for row, heavy in zip_longest(rows[:most], bold, fillvalue=()))
    lines = [f"and {len(rows) - most} more"] if len(rows) > most else []
    small = "".join(f"<div><small>{escape(line)}</small></div>" for line in [*lines, *notes])
    return (
        f"<div><b>{escape(title)}</b></div><table><thead><tr>{cells(headings, 'th')}</tr></thead>"
        f"<tbody>{body}</tbody></table>{small}"
    )


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and hasattr(found, "kernel")


class NotebookBar:
    """A progress bar below a cell; where there is no notebook, it shows nothing.

    The browser draws it, so that it needs no package for widgets.
    """

    def __init__(self, total: int = 0) -> None:
        """`total`: number of steps; 0 if it is unknown."""
        self.total, self.done, self._told = total, 0, 0.0
        self._place: Any = None
        if in_notebook():
            shown = import_module("IPython.display")
            self._html = shown.HTML
            self._place = shown.display(shown.HTML(""), display_id=True)

    def show(self, done: int, text: str = "") -> None:
        """Show how many steps are done, at most five times a second, and a text beside it."""
        self.done = done
        if self._place is None or (time.monotonic() - self._told < _EVERY and done != self.total):
            return
        self._told = time.monotonic()
        length = f' value="{done}" max="{self.total}"' if self.total else ""
        count = f"{done} of {self.total}" if self.total else str(done)
        self._place.update(self._html(f"<progress{length}></progress> {count} {escape(text)}"))

    def close(self) -> None:
        """Take the bar away."""
        if self._place is not None:
            self._place.update(self._html(""))
