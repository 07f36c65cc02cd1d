"""A table of numbers as text for a terminal, a README, a spreadsheet or a paper."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from mixformer.evaluation.report.fitting import plain_table, print_fitting, room_of, width_of
from mixformer.imaging.notebook_parts import html_table

Cell = str | float | None
Kind = Literal["text", "percent", "fraction", "number", "hundredths"]

_DECIMALS = {"fraction": 3, "hundredths": 2, "number": 1}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        heading: text at the top.
        kind: "text"; "percent" for numbers times 100 with one decimal; "fraction" for numbers with three decimals;
            "number" with one; or "hundredths" with two.
        best: the bold number: the largest ("high"), the smallest ("low") or none ("").
    """

    heading: str
    kind: Kind = "text"
    best: Literal["high", "low", ""] = ""


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers; None and NaN are shown as a dash, infinity as "never".

    Attributes:
        title: heading.
        columns: one for each cell of a row.
        rows: one cell for each column.
        notes: lines under the table; the first one names the convention.
        across: the best number of each row is bold, not the best of each column.

    Example:
        >>> from mixformer.evaluation import Table
        >>> from mixformer.evaluation.report.tables import Column, to_markdown
        >>> print(to_markdown(Table("Cars", (Column("tracker"), Column("AUC", "percent")), (("ours", 0.665),))))
        ### Cars
        <BLANKLINE>
        | tracker | AUC |
        | --- | ---: |
        | ours | 66.5 |
        <BLANKLINE>
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    across: bool = False

    def texts(self) -> list[list[tuple[str, bool]]]:
        """Return the text of each cell, and whether it is the best of its column or row; several can be equal."""
        numbers = np.array([[_number(*pair) for pair in self._pairs(row)] for row in self.rows], np.float64)
        numbers = numbers.reshape(len(self.rows), len(self.columns))  # also without rows
        axis = 1 if self.across else 0
        known = np.isfinite(numbers).sum(axis, keepdims=True)
        top = np.where(np.isfinite(numbers), numbers, -np.inf).max(axis, keepdims=True, initial=-np.inf)
        best = (numbers == top) & (known > 1)
        return [
            [(_text(*pair), bool(best[number, place])) for place, pair in enumerate(self._pairs(row))]
            for number, row in enumerate(self.rows)
        ]

    def _pairs(self, row: tuple[Cell, ...]) -> list[tuple[Cell, Column]]:
        return list(zip(row, self.columns, strict=True))


def _number(cell: Cell, column: Column) -> float:
    """Return the number as shown, larger for better, so that equal texts are equal; NaN if it is not compared."""
    text = _text(cell, column)
    if not column.best or text == "-":
        return np.nan
    if text == "never":
        return -np.inf
    return -float(text) if column.best == "low" else float(text)


def _text(cell: Cell, column: Column) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    if isinstance(cell, str):
        return cell
    if math.isinf(cell):
        return "never"
    if column.kind == "percent":
        return f"{100 * cell:.1f}"
    return f"{cell:.{_DECIMALS[column.kind]}f}"


def to_terminal(table: Table, console: Console) -> None:
    """Print the table with rich, the best numbers bold, and its notes.

    On a terminal, a wide table gets numbers in place of sources, which notes explain. If it is still too wide, its last
    columns go into a second table. In a pipe, rows stay whole. Lines of notes end between words.
    """
    room = room_of(console) or 80
    if room_of(console) is not None and width_of(_rich(table), console) > room:
        table = _with_numbered_sources(table)
    print_fitting(console, _rich(table))
    for note in table.notes:
        console.print(Text(textwrap.fill(note, room - 1, break_long_words=False, break_on_hyphens=False)))


def _rich(table: Table) -> RichTable:
    shown = plain_table()
    shown.title = Text(table.title)
    for column in table.columns:
        justify: Literal["left", "right"] = "left" if column.kind == "text" else "right"
        shown.add_column(Text(column.heading), justify=justify, no_wrap=True)
    for row in table.texts():
        shown.add_row(*(Text(text, "bold" if best else "") for text, best in row))
    return shown


def _with_numbered_sources(table: Table) -> Table:
    """Replace the texts of a last column of text by numbers, and name them in the notes."""
    if len(table.columns) < 2 or table.columns[-1].kind != "text":
        return table
    sources = list(dict.fromkeys(str(row[-1]) for row in table.rows))
    rows = tuple((*row[:-1], f"[{sources.index(str(row[-1])) + 1}]") for row in table.rows)
    told = "; ".join(f"[{number}] {source}" for number, source in enumerate(sources, 1))
    return replace(table, rows=rows, notes=(f"{table.columns[-1].heading}: {told}", *table.notes))


def to_notebook(table: Table) -> str:
    """Write HTML for a notebook: at most 20 rows, all texts escaped, the best numbers bold."""
    headings = [column.heading for column in table.columns]
    rows = [[text for text, _ in row] for row in table.texts()]
    bold = [[best for _, best in row] for row in table.texts()]
    left = next((place for place, column in enumerate(table.columns) if column.kind != "text"), len(headings))
    return html_table(table.title, headings, rows, notes=table.notes, left=left, bold=bold)


def to_markdown(table: Table) -> str:
    """Write a heading, a table with pipes and bold best numbers, and the notes in italics."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rules = ["---" if column.kind == "text" else "---:" for column in table.columns]
    lines = [f"### {table.title}", "", line([_pipe(column.heading) for column in table.columns]), line(rules)]
    lines += [line([f"**{text}**" if best else _pipe(text) for text, best in row]) for row in table.texts()]
    lines += [f"\n*{_pipe(note)}*" for note in table.notes]
    return "\n".join(lines) + "\n"


def _pipe(text: str) -> str:
    """Escape text for a Markdown cell: a pipe would end the cell, stars and underscores would mean emphasis."""
    for special in "\\|*_":
        text = text.replace(special, "\\" + special)
    return text


def to_csv(table: Table) -> str:
    """Write comma-separated values: numbers unrounded and unscaled (fractions 0..1), notes as `#` lines."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.heading for column in table.columns])
    for row in table.rows:
        writer.writerow(["" if _text(*pair) == "-" else pair[0] for pair in table._pairs(row)])
    return out.getvalue() + "".join(f"# {note}\n" for note in table.notes)


def to_latex(table: Table) -> str:
    """Write a LaTeX `table`, which needs the package booktabs."""
    kinds = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_tex(' '.join((table.title + '.', *table.notes)))}}}"]
    lines += [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule"]
    lines += [" & ".join(_tex(column.heading) for column in table.columns) + r" \\", r"\midrule"]
    for row in table.texts():
        lines.append(" & ".join(rf"\textbf{{{_tex(text)}}}" if best else _tex(text) for text, best in row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


_TEX = str.maketrans(
    {sign: "\\" + sign for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}"}
)


def _tex(text: str) -> str:
    """Escape the special characters of LaTeX."""
    return text.translate(_TEX)


WRITERS: Mapping[str, tuple[str, Callable[[Table], str]]] = MappingProxyType(
    {"markdown": ("md", to_markdown), "csv": ("csv", to_csv), "latex": ("tex", to_latex)}
)
"""Text formats by name: the ending of their files, and the function that writes a table."""
