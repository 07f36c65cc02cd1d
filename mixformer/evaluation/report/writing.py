"""Writing a report folder."""

from __future__ import annotations

from pathlib import Path

from mixformer.errors import OutputError
from mixformer.evaluation.compare import Comparison
from mixformer.evaluation.report.build_tables import tables
from mixformer.evaluation.report.tables import WRITERS


def make_folder(folder: Path) -> None:
    """Make the folder, so that a wrong one fails before the work.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error}; give another --out") from error


def write_report(comparison: Comparison, folder: Path, *, plots: bool = True, strips: int = 5) -> list[Path]:
    """Write every table as Markdown, CSV and LaTeX, every plot as PNG and PDF, and `index.html` with all of it.

    Args:
        comparison: what is reported.
        folder: exists.
        plots: draw; needs matplotlib.
        strips: number of worst sequences shown as strips of frames; 0 needs no pictures.

    Returns:
        The files, the page first.

    Raises:
        OutputError: if a file cannot be written.
        MissingDependencyError: for plots without matplotlib.
        DataError: if a picture of a worst sequence cannot be read.
    """
    from mixformer.evaluation.report import figures, page
    from mixformer.evaluation.report import plots as drawing
    from mixformer.evaluation.report.qualitative import worst_strips

    if plots:
        figures.require_matplotlib()
    made = tables(comparison)
    drawn = drawing.plots(comparison) if plots else {}
    shown = worst_strips(comparison, strips) if strips else []
    written = [_write(folder / "index.html", page.make_page(comparison, made, drawn, shown))]
    for name, table in made.items():
        written += [_write(folder / f"{name}.{ending}", make(table)) for ending, make in WRITERS.values()]
    for name, figure in drawn.items():
        written += figures.save_figure(figure, folder, name)
    return written


def _write(path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    return path
