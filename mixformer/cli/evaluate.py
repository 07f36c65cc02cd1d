"""`mixformer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from mixformer.cli.bars import TaskBars
from mixformer.cli.console import failure_text, make_console
from mixformer.cli.parser import (
    add_executor,
    add_flag,
    add_model,
    add_option,
    add_runtime,
    add_split,
    executor_from,
    runtime_from,
)
from mixformer.cli.settings_options import add_settings, changed_settings
from mixformer.errors import MixFormerError, counted

if TYPE_CHECKING:
    from mixformer.evaluation import EvaluationResult

DESCRIPTION = """Run a tracker on a data set, write its raw results and print its numbers.

The results go to OUT/NAME/DATASET: SEQUENCE.txt (x,y,w,h), SEQUENCE_time.txt, SEQUENCE_score.txt,
SEQUENCE_status.txt, run.json, and metrics.json with the numbers. Re-running the command resumes an interrupted run.
If sequences fail, the command lists them, writes their tracebacks to failures/, and ends with exit code 1 (4 if
results cannot be written).

ECE is the expected calibration error of the score. If the target is absent in some frames, two more tables show how
well the tracker notices this, and how soon it finds the target again (docs/metrics.md).

  mixformer evaluate --dataset lasot --root LaSOTBenchmark --model mixvit.pth.tar --preset paper --workers 8
  mixformer evaluate --dataset got10k --split test --root GOT-10k --preset none
  mixformer evaluate --root my_videos                    NAME/img/* with NAME/groundtruth.txt
  mixformer submit got10k results/mixvit/got10k mixvit.zip
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    preset = (
        "tracker settings. none: those stored with the model; paper: those published for this model on this data set; "
        "or the name of published settings, such as lasot@1k (docs/presets.md)"
    )
    one_based = "keep boxes of data sets that count pixels from 1 unchanged, as the official code does"
    convention = "how to measure (docs/metrics.md); default: the data set's own, else pytracking"
    overwrite = "replace results of this name that were made with other settings, when the first new one is there"
    add_option(made, "--root", Path, "folder of the data set", required=True, metavar="DIR")
    add_option(made, "--dataset", str, "see mixformer data list; default: detected in DIR", "", metavar="NAME")
    add_split(made)
    add_option(made, "--sequences", str, "track only these, separated by commas", "", metavar="A,B")
    add_model(made)
    add_option(made, "--preset", str, preset, "none")
    add_option(made, "--out", Path, "folder of all results", Path("results"), metavar="RESULTS")
    add_option(made, "--name", str, "name in tables; default: the model's", "", metavar="TRACKER")
    add_flag(made, "--truncate", "write whole pixels, cut off as the official code does")
    add_flag(made, "--one-based", one_based)
    add_option(made, "--convention", str, convention, "", metavar="A,B")
    add_flag(made, "--overwrite", overwrite)
    where = made.add_argument_group("where it runs (the results do not depend on the number of workers)")
    add_executor(where, 1, "processes with a model each; 0: in this process")
    add_runtime(where, threads=1)
    add_settings(made, preset=False)


def run(options: Namespace) -> None:
    """Evaluate, print the tables, and raise if a sequence failed."""
    from mixformer.evaluation import evaluate

    console = make_console(quiet=options.quiet)
    with TaskBars(None, options.quiet) as bars:
        result = evaluate(
            options.model,
            options.dataset,
            root=options.root,
            split=options.split,
            only=_words(options.sequences),
            preset=options.preset,
            settings=changed_settings(options),
            runtime=runtime_from(options),
            convention=_words(options.convention),
            name=options.name,
            out=options.out,
            executor=executor_from(options, options.threads or 1),  # "null" is the engine's own number
            truncate=options.truncate,
            keep_one_based=options.one_based,
            overwrite=options.overwrite,
            progress=bars.listen,
        )
    kept = f", {len(result.kept)} were complete" if result.kept else ""
    console.print(f"{counted(len(result.done), 'sequence')} tracked{kept}; wrote {result.folder.resolve()}")
    _print(result, console)
    if result.failures:
        text = failure_text(f"{counted(len(result.failures), 'sequence')} failed:", result.failures)
        where = f"tracebacks are in {result.folder / 'failures'}; the same command tries these sequences again"
        raise MixFormerError(f"{text}\n{where}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _print(result: EvaluationResult, console: Console) -> None:
    """Print and save the numbers; without public ground truth, say how to submit the results."""
    from mixformer.evaluation import make_tables
    from mixformer.evaluation.report.tables import to_terminal

    if result.comparisons:
        result.save()
    elif result.done or result.kept:
        console.print(
            f"the ground truth of this split is not public: pack the results for the benchmark's server with\n"
            f"  mixformer submit {result.dataset} {result.folder} {result.tracker}.zip"
        )
    for comparison in result.comparisons.values():
        tables = make_tables(comparison)
        for name in ("overall", *comparison.entries[0].besides):
            to_terminal(tables[name], console)
