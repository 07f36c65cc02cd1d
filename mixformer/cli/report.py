"""`mixformer report`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.markup import escape

from mixformer.cli.parser import make_parser
from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.data import DatasetSpec
    from mixformer.data.sequence import VideoSequence
    from mixformer.evaluation.compare import Comparison
    from mixformer.evaluation.report.tables import Table
    from mixformer.evaluation.result_folders import ResultFolder

_DESCRIPTION = """Compare trackers' raw results: tables, plots and one page.

RESULTS are folders of SEQUENCE.txt (x,y,w,h a line, separated by commas, tabs or spaces), of any tracker, as FOLDER or
NAME=FOLDER; or folders that hold DATASET or TRACKER/DATASET. Sequences that a tracker lacks are named.

  mixformer report results --dataset lasot --root /data/lasot
  mixformer report ours=results/v2b stark=downloads/stark/lasot --dataset lasot --root /data/lasot --out report
  mixformer report results --dataset got10k --root /data/got10k --convention got10k --format latex

--out writes every table (.md, .csv, .tex), every plot (.png, .pdf) and index.html, one file with all of them and with
frames of the first tracker's worst sequences. docs/report.md shows them.
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("results", type=str, nargs="+", metavar="RESULTS", help="FOLDER or NAME=FOLDER; see above")
    made.add_argument(
        "--dataset",
        type=str,
        required=True,
        metavar="NAME",
        help="one of `mixformer data list`, or your own folder's name",
    )
    made.add_argument(
        "--root",
        type=Path | None,
        default=None,
        metavar="DIR",
        help="folder of the data set, for the truth and the pictures; default: the one that mixformer evaluate noted",
    )
    made.add_argument("--split", type=str, default="", help="of the data set; default: test, else val")
    made.add_argument(
        "--convention",
        type=str,
        default="",
        metavar="NAME",
        help="pytracking, otb, got10k, trackingnet, longterm or absence; default: the data set's own, else pytracking",
    )
    made.add_argument("--out", type=Path | None, default=None, help="folder for tables, plots and the page")
    made.add_argument(
        "--format",
        type=Literal["terminal", "markdown", "csv", "latex"],
        default="terminal",
        help="of the tables that are printed",
    )
    made.add_argument(
        "--missing",
        type=Literal["leave-out", "zero"],
        default="leave-out",
        help="a sequence that a tracker lacks is left out for all trackers, or counts as tracked nowhere",
    )
    made.add_argument(
        "--attributes",
        type=Path | None,
        default=None,
        metavar="CSV",
        help="which sequence has which challenge: sequence,ATTRIBUTE,... with 0 or 1; default: those of the data set",
    )
    made.add_argument(
        "--count-from",
        type=Literal["auto", "0", "1"],
        default="auto",
        help="what the first pixel is in results; auto: 0 in those of mixformer, else as in the data set's own boxes",
    )
    made.add_argument("--worst", type=int, default=5, help="sequences shown as strips of frames on the page")
    made.add_argument("--no-plots", action="store_true", help="without plots, which need matplotlib")
    return made


def run(options: Namespace) -> None:
    """Read, measure, print, write."""
    from mixformer.evaluation.report.build_tables import tables
    from mixformer.evaluation.report.figures import require_matplotlib
    from mixformer.evaluation.report.writing import make_folder, write_report

    if options.out is not None:  # before the work, so that what cannot be written fails at once
        make_folder(options.out)
        if not options.no_plots:
            require_matplotlib()
    comparison = _compare(options)
    if options.out is not None:  # first: whoever reads the tables may stop reading
        written = write_report(comparison, options.out, plots=not options.no_plots, strips=options.worst)
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"wrote {escape(str(written[0].resolve()))} and {len(written) - 1} files beside it"
        )
    _print([table for name, table in tables(comparison).items() if name != "sequences"], options.format)


def _compare(options: Namespace) -> Comparison:
    from mixformer.cli.evaluate import open_for_test
    from mixformer.data import DATASETS, missing_sequences
    from mixformer.data.sequence import LazySequences
    from mixformer.evaluation.attributes import published_attributes, read_attributes
    from mixformer.evaluation.compare import compare
    from mixformer.evaluation.report.metric_labels import convention_of
    from mixformer.evaluation.result_folders import find_results

    dataset = options.dataset
    folders = find_results(options.results, dataset)
    root = options.root or _noted_root(folders)
    _, split, found = open_for_test(dataset if dataset in DATASETS else "", root, options.split)
    sequences = list(found)
    names = [sequence.name for sequence in sequences]
    gone = (
        missing_sequences(dataset, split, found)[0] if dataset in DATASETS and isinstance(found, LazySequences) else []
    )
    return compare(
        dataset,
        _settled(
            folders,
            options.count_from,
            DATASETS.get(dataset),
            lambda known: _first_pixel(known, root, split, sequences[0]),
        ),
        sequences,
        options.convention or convention_of(dataset),
        missing=options.missing,
        attributes=read_attributes(options.attributes, names)
        if options.attributes
        else published_attributes(dataset, split, root, names),
        absent=len(gone),
    )


def _settled(
    folders: list[ResultFolder], count_from: str, known: DatasetSpec | None, find_first: Callable[[DatasetSpec], float]
) -> list[ResultFolder]:
    """The folders with the prefix that a known set's official results have, and their first pixel."""
    if known is not None:
        folders = [replace(result, prefix=known.prefix) for result in folders]
    if count_from != "auto":
        return [replace(result, first_pixel=float(count_from)) for result in folders]
    if known is None or not any(map(_counts_like_the_set, folders)):
        return folders
    first = find_first(known)
    return [replace(each, first_pixel=first * _counts_like_the_set(each)) for each in folders]


def _counts_like_the_set(result: ResultFolder) -> bool:
    """Whether pixels have the numbers of the data set's own files, as official runs leave them, rather than ours."""
    from mixformer.evaluation.manifest import JOURNAL, read_manifest

    ours = (result.folder / JOURNAL).is_file()
    return not ours or bool(read_manifest(result.folder)["settings"].get("as_written"))


def _first_pixel(known: DatasetSpec, root: Path, split: str, sequence: VideoSequence) -> float:
    """What the first pixel is in a set's own files, 0 or 1: it shows in the same box read both ways."""
    import numpy as np

    from mixformer.data import DatasetOptions

    if "keep_one_based" not in known.takes:
        return 0.0
    written = known.read(root, DatasetOptions(split, keep_one_based=True))[0]
    return float(np.nanmax((written.boxes - sequence.boxes)[:, :2]).round())


def _noted_root(folders: list[ResultFolder]) -> Path:
    """The data set's folder as `mixformer evaluate` noted it beside some results."""
    from mixformer.evaluation.manifest import JOURNAL, read_manifest

    for result in folders:
        if (result.folder / JOURNAL).is_file():
            noted = read_manifest(result.folder).get("environment", {}).get("root")
            if noted and Path(noted).exists():
                return Path(noted)
    raise ConfigError("where the data set is was not noted with these results; give its folder as --root DIR")


def _print(tables: list[Table], form: str) -> None:
    """Print tables; on a terminal the first one last, where it is in sight, since that of the papers is long."""
    from mixformer.evaluation.report.tables import WRITERS, to_terminal

    console = Console(soft_wrap=True, highlight=False)
    if form != "terminal":
        console.print("\n".join(WRITERS[form][1](table) for table in tables), markup=False, end="")
        return
    for table in reversed(tables):
        to_terminal(table, console)
