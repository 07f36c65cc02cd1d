"""Print tables on terminals that are narrower than the table."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table as RichTable


def room_of(console: Console) -> int | None:
    """Return the columns of a terminal; None in a pipe, where lines may have any length."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else None


def width_of(table: RichTable, console: Console) -> int:
    """Return how many columns a table needs so that no cell is cut."""
    return console.measure(table, options=console.options.update(max_width=10_000)).maximum


def print_fitting(console: Console, table: RichTable) -> None:
    """Print a table so that no cell is cut or wrapped.

    On a terminal, columns for which there is no room go into a second table, which repeats the first columns of text.
    """
    room = room_of(console)
    for part in [table] if room is None else _parts(table, room, console):
        console.width = max(console.width, width_of(part, console))
        console.print(part)


def _parts(table: RichTable, room: int, console: Console) -> Iterator[RichTable]:
    sides = [column.justify for column in table.columns]
    texts = sides.index("right") if "right" in sides else len(sides)
    rest, title = list(range(texts, len(sides))), table.title
    while True:
        taken = len(rest)
        part = _columns(table, [*range(texts), *rest], title)
        while taken > 1 and width_of(part, console) > room:
            taken -= 1
            part = _columns(table, [*range(texts), *rest[:taken]], title)
        yield part
        rest, title = rest[taken:], "continued"
        if not rest:
            return


def plain_table(title: str | None = None) -> RichTable:
    """Make an empty table in the look of all tables: a line below the headings, and no frame."""
    made = RichTable(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    made.show_edge, made.pad_edge, made.padding = False, False, (0, 1, 0, 0)
    return made


def _columns(table: RichTable, places: list[int], title: object) -> RichTable:
    made = plain_table()
    made.title = title  # type: ignore[assignment]
    for place in places:
        column = table.columns[place]
        made.add_column(column.header, justify=column.justify, no_wrap=True)
    cells = [list(table.columns[place].cells) for place in places]
    for row in zip(*cells, strict=True):
        made.add_row(*row)
    return made
