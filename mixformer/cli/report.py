"""`mixformer report`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_flag, add_option, add_overwrite, add_split
from mixformer.errors import ConfigError, counted

if TYPE_CHECKING:
    from mixformer.evaluation import Comparison, Table

DESCRIPTION = """Compare trackers by their raw results: tables, plots and one page.

RESULTS are folders of any trackers, each given as FOLDER or NAME=FOLDER. A folder has files SEQUENCE.txt with one
x,y,w,h per line (separated by commas, tabs or spaces), or subfolders DATASET or TRACKER/DATASET with such files. The
report names the sequences that a tracker lacks.

  mixformer report results --dataset lasot --root /data/lasot
  mixformer report ours=results/v2b stark=downloads/stark/lasot --dataset lasot --root /data/lasot --out report
  mixformer report results --dataset got10k --root /data/got10k --convention got10k --format latex

--out writes every table (.md, .csv, .tex), every plot (.png, .pdf) and index.html, one file with all of them and with
frames of the first tracker's worst sequences. See docs/report.md.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("results", type=str, nargs="+", metavar="RESULTS", help="FOLDER or NAME=FOLDER; see above")
    dataset = (
        "see mixformer data list, or the name of your own folder; default: detected in DIR, else the one noted beside "
        "the results"
    )
    root = "folder of the data set, with ground truth and pictures; default: the one that mixformer evaluate noted"
    convention = (
        "pytracking, otb, got10k, trackingnet, longterm, absence or presence; default: the data set's own, else "
        "pytracking"
    )
    forms = Literal["terminal", "markdown", "csv", "latex"]
    missing = "for a sequence that a tracker lacks: leave it out for all trackers, or count it as never found"
    attributes = "attributes of the sequences: sequence,ATTRIBUTE,... with 0 or 1; default: those of the data set"
    first = "number of the first pixel in the results; auto: 0 in those of mixformer, else as in the data set's files"
    add_option(made, "--dataset", str, dataset, "", metavar="NAME")
    add_option(made, "--root", Path, root, metavar="DIR")
    add_split(made)
    add_option(made, "--convention", str, convention, "", metavar="NAME")
    add_option(made, "--out", Path, "folder for tables, plots and the page")
    add_option(made, "--format", forms, "format of the printed tables", "terminal")
    add_option(made, "--missing", Literal["leave-out", "zero"], missing, "leave-out")
    add_option(made, "--attributes", Path, attributes, metavar="CSV")
    add_option(made, "--count-from", Literal["auto", "0", "1"], first, "auto")
    add_option(made, "--worst", int, "number of worst sequences whose frames the page shows", 5)
    add_flag(made, "--no-plots", "draw no plots; they need matplotlib")
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Compare, write the report and print the tables."""
    from mixformer.evaluation import make_tables, write_report
    from mixformer.evaluation.report.figures import require_matplotlib
    from mixformer.files.places import claimed_folder

    if options.worst < 0:
        raise ConfigError("--worst must be 0 or more")
    with ExitStack() as stack:
        if options.out is not None:  # before the work, so that what cannot be written fails at once
            stack.enter_context(claimed_folder(options.out, "index.html", "report", options.overwrite))
            if not options.no_plots:
                require_matplotlib()
        comparison = _compare(options)
        if options.out is not None:  # first: whoever reads the tables may stop reading
            written = write_report(comparison, options.out, plots=not options.no_plots, qualitative=options.worst)
            make_console(stderr=True).print(
                f"wrote {written[0].resolve()} and {counted(len(written) - 1, 'file')} beside it"
            )
    shown = [table for name, table in make_tables(comparison).items() if not name.endswith(("sequences", "ablations"))]
    _print(shown, options.format)


def _compare(options: Namespace) -> Comparison:
    from mixformer.evaluation import compare

    return compare(
        options.results,
        options.dataset,
        options.root,
        split=options.split,
        convention=options.convention,
        missing=options.missing,
        attributes=options.attributes,
        first_pixel=None if options.count_from == "auto" else float(options.count_from),
    )


def _print(tables: list[Table], form: str) -> None:
    """Print tables; on a terminal the first one comes last, where it is visible below the long one of the papers."""
    from mixformer.evaluation.report.tables import WRITERS, to_terminal

    console = make_console()
    if form != "terminal":
        console.print("\n".join(WRITERS[form][1](table) for table in tables), end="")
        return
    for table in reversed(tables):
        to_terminal(table, console)
