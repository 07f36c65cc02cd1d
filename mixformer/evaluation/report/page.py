"""A report as one HTML page, in a single file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from mixformer.evaluation.comparison import Comparison
from mixformer.evaluation.report.figures import COLORS, png_bytes
from mixformer.evaluation.report.metric_labels import label
from mixformer.evaluation.report.qualitative import TRUTH, Strip, drawn_trackers
from mixformer.evaluation.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
nav a { margin-right: 1rem; } .note { color: #555; font-size: 13px; margin: .3rem 0; }
.scroll { overflow-x: auto; } details > summary { cursor: pointer; color: #0072B2; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .8rem 0; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #e4e4e4; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #888; } .text { text-align: left; } tbody tr:hover { background: #f4f8fb; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.plots img { width: 500px; max-width: 100%; border: 1px solid #eee; }
figure { margin: 1.2rem 0; } figure > div { overflow-x: auto; } figure img { display: block; }
.keyed { white-space: nowrap; }
.key { display: inline-block; width: 1.6em; height: .8em; border: 1px solid #000; margin: 0 .3em 0 1em; }
th button { all: unset; cursor: pointer; } th button:hover, th button:focus-visible { text-decoration: underline; }
th[aria-sort="descending"] button::after { content: " \\25BE"; }
th[aria-sort="ascending"] button::after { content: " \\25B4"; }
@media (prefers-color-scheme: dark) {
  body { color: #e4e4e4; background: #16181c; } h2, th, td { border-color: #3a3e45; } .note { color: #a8adb5; }
  a, details > summary { color: #6cb8ea; } tbody tr:hover { background: #23272e; }
  .plots img { border-color: #3a3e45; } .key { border-color: #888; }
}
"""
# A click on a heading sorts by its column: numbers from the largest on, words from A on; a second click the other way.
_SCRIPT = """
const value = (row, column) => row.cells[column].textContent.trim();
for (const head of document.querySelectorAll("thead th")) head.querySelector("button").addEventListener("click", () => {
  const column = head.cellIndex, body = head.closest("table").tBodies[0], words = head.className === "text";
  const usual = words ? "ascending" : "descending", other = words ? "descending" : "ascending";
  const way = head.getAttribute("aria-sort") === usual ? other : usual;
  const number = (row) => { const read = parseFloat(value(row, column)); return isNaN(read) ? null : read; };
  const compare = (a, b) => {
    const sign = way === "ascending" ? 1 : -1;
    if (words) return value(a, column).localeCompare(value(b, column), "en", {numeric: true}) * sign;
    const [x, y] = [number(a), number(b)];
    if (x === null || y === null) return (x === null) - (y === null);  // what is missing stays at the end
    return (x - y) * sign;
  };
  for (const each of head.parentNode.cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", way);
  body.append(...[...body.rows].sort(compare));
});
"""
_OPEN = {"overall", "attributes", "longterm", "presence"}  # longer tables are folded


def make_page(
    comparison: Comparison, tables: Mapping[str, Table], figures: Mapping[str, Figure], strips: Sequence[Strip]
) -> str:
    """Make the page as HTML, with all pictures inside.

    Args:
        comparison: the comparison to show.
        tables: tables by name, in the order of the page.
        figures: plots by name; may be empty.
        strips: frames of the worst sequences; may be empty.
    """
    parts = [("Results", "".join(_table(name, table, comparison) for name, table in tables.items()))]
    if figures:
        shown = "\n".join(_image(png_bytes(each), "png", name.replace("_", " ")) for name, each in figures.items())
        parts.append(("Plots", f'<div class="plots">{shown}</div>'))
    if strips:
        parts.append(("Worst sequences", _strips(comparison, strips)))
    title = f"{escape(comparison.dataset)}: {', '.join(escape(entry.tracker) for entry in comparison.entries)}"
    links = "".join(f'<a href="#part{number}">{name}</a>' for number, (name, _) in enumerate(parts))
    body = "".join(f'<h2 id="part{number}">{name}</h2>{text}' for number, (name, text) in enumerate(parts))
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in comparison.notes)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>{notes}<nav>{links}</nav>\n{body}<script>{_SCRIPT}</script></body></html>\n"
    )


def _table(name: str, table: Table, comparison: Comparison) -> str:
    """Make a foldable table, with the convention and the notes that are not at the top of the page."""
    kinds = ["text" if column.kind == "text" else "number" for column in table.columns]
    head = "".join(
        f'<th class="{kind}"><button>{escape(column.heading)}</button></th>'
        for kind, column in zip(kinds, table.columns, strict=True)
    )
    rows = []
    for row in table.texts():
        cells = [f"<b>{escape(text)}</b>" if best else escape(text) for text, best in row]
        joined = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, cells, strict=True))
        rows.append(f"<tr>{joined}</tr>\n")
    told = comparison.notes[1:]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes if note not in told)
    opened = " open" if name in _OPEN else ""
    return (
        f"<details{opened}><summary>{escape(table.title)}</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{"".join(rows)}</tbody></table></div>'
        f"{notes}</details>\n"
    )


def _strips(comparison: Comparison, strips: Sequence[Strip]) -> str:
    names = drawn_trackers(comparison)
    legend = _key(TRUTH, "truth") + "".join(_key(color, name) for color, name in zip(COLORS, names, strict=False))
    first, metric = comparison.entries[0].tracker, comparison.sequence_metric
    told = f"Lowest {label(metric)} of {escape(first)}: regions around the target; frames from 0, and its status."
    parts = [f"<p>{told} {legend}</p>"]
    for strip in strips:
        values = ", ".join(f"{name} {'-' if value is None else f'{100 * value:.1f}'}" for name, value in strip.values)
        caption = f"<figcaption><b>{escape(strip.sequence)}</b> {escape(values)}</figcaption>"
        image = _image(strip.jpeg, "jpeg", f"frames of {strip.sequence}")
        parts.append(f"<figure>{caption}<div>{image}</div></figure>\n")
    return "".join(parts)


def _key(color: str, name: str) -> str:
    return f'<span class="keyed"><span class="key" style="background:{color}"></span>{escape(name)}</span> '


def _image(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
