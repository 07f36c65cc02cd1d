"""Write a report folder."""

from __future__ import annotations

from pathlib import Path

from mixformer.evaluation.comparison import Comparison
from mixformer.evaluation.report.build_tables import make_tables
from mixformer.evaluation.report.tables import WRITERS
from mixformer.files import Writer, text_writer, write_files


def write_report(comparison: Comparison, folder: str | Path, *, plots: bool = True, qualitative: int = 5) -> list[Path]:
    """Write each table as Markdown, CSV and LaTeX, each plot as PNG and PDF, and `index.html` with all of them.

    Args:
        comparison: result of `mixformer.evaluation.compare`.
        folder: folder of the report, made if missing.
        plots: draw plots; needs matplotlib.
        qualitative: number of worst sequences whose frames the page shows; 0 needs no pictures.

    Returns:
        The files, the page first. All are written, or none.

    Raises:
        OutputError: if a file cannot be written.
        MissingDependencyError: for plots without matplotlib.
        DataError: if a picture of a worst sequence cannot be read.

    Example:
        >>> import numpy as np, tempfile
        >>> from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics
        >>> from mixformer.evaluation import write_report
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> found = Comparison("cars", (ComparedTracker("ours", summary, {}),), (), total=1, policy="zero")
        >>> [path.name for path in write_report(found, tempfile.mkdtemp(), plots=False)][:3]
        ['index.html', 'overall.md', 'overall.csv']
    """
    from mixformer.evaluation.report import page
    from mixformer.evaluation.report.qualitative import qualitative_strips

    folder, tables = Path(folder), make_tables(comparison)
    figures, strips = {}, qualitative_strips(comparison, qualitative) if qualitative else []
    if plots:
        from mixformer.evaluation.report.figures import figure_writers
        from mixformer.evaluation.report.plots import draw_plots

        figures = draw_plots(comparison)
    files: dict[Path, Writer] = {
        folder / "index.html": text_writer(page.make_page(comparison, tables, figures, strips))
    }
    for name, table in tables.items():
        files |= {folder / f"{name}.{ending}": text_writer(make(table)) for ending, make in WRITERS.values()}
    for name, figure in figures.items():
        files |= {folder / f"{name}.{ending}": write for ending, write in figure_writers(figure).items()}
    write_files(files)
    return list(files)
