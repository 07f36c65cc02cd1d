"""A report as one HTML page, in a single file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mixformer.evaluation.comparison import Comparison
from mixformer.evaluation.report.figures import COLORS, noted_values, svg_text
from mixformer.evaluation.report.frame_data import FrameData, frame_data
from mixformer.evaluation.report.metric_labels import label
from mixformer.evaluation.report.qualitative import Strip, drawn_trackers
from mixformer.evaluation.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE, _SCRIPT = (Path(__file__).with_name(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
_STYLE += "".join(f".c{number} {{ color: {color}; }}\n" for number, color in enumerate(COLORS) if color != "#000000")
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
        shown = "\n".join(_plot(figure, name) for name, figure in figures.items())
        parts.append(("Plots", f'<div class="plots">{shown}</div>'))
    data = frame_data(comparison)
    if data["sequences"]:
        parts.append(("Frames", _frames(comparison, data)))
    if strips:
        parts.append(("Worst sequences", _strips(comparison, strips)))
    title = f"{escape(comparison.dataset)}: {', '.join(escape(entry.tracker) for entry in comparison.entries)}"
    links = "".join(f'<a href="#part{number}">{name}</a>' for number, (name, _) in enumerate(parts))
    body = "".join(f'<h2 id="part{number}">{name}</h2>{text}' for number, (name, text) in enumerate(parts))
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in comparison.notes)
    packed = json.dumps(data if data["sequences"] else None).replace("<", "\\u003c")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f'<body><h1>{title}</h1>{notes}<nav>{links}</nav>\n{body}<div id="tip" role="status" hidden></div>'
        f'<script type="application/json" id="data">{packed}</script><script>{_SCRIPT}</script></body></html>\n'
    )


def _policy() -> str:
    """Allow the page its own style and script and pictures inside it, and nothing else."""
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (_STYLE, _SCRIPT)
    )
    allowed = f"img-src data:; style-src {style}; script-src {script}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _plot(figure: Figure, name: str) -> str:
    drawn = svg_text(figure, name)
    values = json.dumps(noted_values(figure), separators=(",", ":"))
    return f'<div class="plot" data-values="{escape(values)}">{drawn}</div>'


def _table(name: str, table: Table, comparison: Comparison) -> str:
    """Make a foldable table, with the convention and the notes that are not at the top of the page."""
    kinds = ["text" if column.kind == "text" else "number" for column in table.columns]
    head = "".join(
        f'<th class="{kind}"><button>{escape(column.heading)}</button></th>'
        for kind, column in zip(kinds, table.columns, strict=True)
    )
    mine = _mine(table, comparison.entries[0].tracker)
    numbered = sorted(
        enumerate(table.texts()), key=lambda row: row[0] not in mine or table.columns[0].heading != "tracker"
    )
    rows = []
    for number, row in numbered:
        cells = [f"<b>{escape(text)}</b>" if best else escape(text) for text, best in row]
        if name == "sequences":
            cells[0] = f'<button class="go">{cells[0]}</button>'
        joined = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, cells, strict=True))
        rows.append(f'<tr class="mine">{joined}</tr>\n' if number in mine else f"<tr>{joined}</tr>\n")
    told = comparison.notes[1:]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes if note not in told)
    opened = " open" if name in _OPEN else ""
    return (
        f"<details{opened}><summary>{escape(table.title)}</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{"".join(rows)}</tbody></table></div>'
        f"{notes}</details>\n"
    )


def _mine(table: Table, tracker: str) -> set[int]:
    """Return the numbers of the rows that the first tracker was measured for; a paper may have its name too."""
    headings = [column.heading for column in table.columns]
    if "tracker" not in headings:
        return set()
    place = headings.index("tracker")
    return {
        number
        for number, row in enumerate(table.rows)
        if row[place] == tracker and ("source" not in headings or row[-1] == "measured here")
    }


def _frames(comparison: Comparison, data: FrameData) -> str:
    """Make the choice of a sequence, and the places for its legend and curves, which the script draws."""
    told = (
        "Overlap with the true box, or the score, in each frame. Gray: no true box, or hidden. Below the curves: "
        "frames in which a tracker says that it is uncertain (pale) or has lost its target. A click on a name hides it."
    )
    if len(data["sequences"]) < len(comparison.sequences):
        told += f" Those {len(data['sequences'])} sequences that {data['trackers'][0]} follows worst are here."
    if len(data["trackers"]) < len(comparison.entries):
        told += f" The first {len(data['trackers'])} trackers are drawn."
    options = "".join(f"<option>{escape(each['name'])}</option>" for each in data["sequences"])
    keys = "".join(
        f'<button aria-pressed="true">{_key(f"c{number}", name)}</button>'
        for number, name in enumerate(data["trackers"])
    )
    scored = any(text for each in data["sequences"] for text in each["score"])
    values = "".join(f"<option>{name}</option>" for name in ("overlap", "score")[: 1 + scored])
    return (
        f'<div id="frames"><p class="note">{escape(told)}</p><div class="choose">'
        f'<label>Sequence <select id="sequence" autocomplete="off">{options}</select></label>'
        f'<label>Show <select id="value" autocomplete="off">{values}</select></label></div>'
        f'<div id="keys">{keys}</div><div id="chart"></div></div>'
    )


def _strips(comparison: Comparison, strips: Sequence[Strip]) -> str:
    names = drawn_trackers(comparison)
    legend = _key("truth", "truth") + "".join(_key(f"c{number}", name) for number, name in enumerate(names))
    first, metric = comparison.entries[0].tracker, comparison.sequence_metric
    told = f"Lowest {label(metric)} of {escape(first)}: regions around the target; frames from 0, and its status."
    parts = [f"<p>{told} {legend}</p>"]
    for strip in strips:
        values = ", ".join(f"{name} {'-' if value is None else f'{100 * value:.1f}'}" for name, value in strip.values)
        caption = f"<figcaption><b>{escape(strip.sequence)}</b> {escape(values)}</figcaption>"
        data, text = base64.b64encode(strip.jpeg).decode(), f"frames of {escape(strip.sequence)}"
        image = f'<img alt="{text}" src="data:image/jpeg;base64,{data}">'
        parts.append(f"<figure>{caption}<div>{image}</div></figure>\n")
    return "".join(parts)


def _key(kind: str, name: str) -> str:
    return f'<span class="keyed"><span class="key {kind}"></span>{escape(name)}</span>'
