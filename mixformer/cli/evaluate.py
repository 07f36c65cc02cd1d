"""`mixformer evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.markup import escape

from mixformer.cli.bars import TaskBars
from mixformer.cli.parser import add_runtime, make_parser, runtime_from
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.errors import ConfigError, MixFormerError, first_few

if TYPE_CHECKING:
    from mixformer.data.sequence import VideoSequence
    from mixformer.evaluation.runs import EvaluationRun, Outcome
    from mixformer.run.executor import Executor

_DESCRIPTION = """Run a tracker over a data set, write its raw results and print its numbers.

The results go to OUT/NAME/DATASET: SEQUENCE.txt (x,y,w,h), SEQUENCE_time.txt, SEQUENCE_score.txt and run.json. The same
command goes on where a stopped run was. Sequences that fail are listed, their tracebacks are in failures/, and the
exit code is then 1.

  mixformer evaluate --dataset lasot --root LaSOTBenchmark --model mixvit.pth.tar --preset paper --workers 8
  mixformer evaluate --dataset got10k --split test --root GOT-10k --preset none
  mixformer evaluate --root my_videos                    NAME/img/* with NAME/groundtruth.txt
  mixformer pack got10k results/mixvit/got10k mixvit.zip
"""
_SHOWN = 20  # failed sequences


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the data set")
    made.add_argument(
        "--dataset", type=str, default="", metavar="NAME", help="one of mixformer data list; default: what is in DIR"
    )
    made.add_argument("--split", type=str, default="", help="of the data set; default: test, else val")
    made.add_argument(
        "--sequences", type=str, default="", metavar="A,B", help="only these, with commas between their names"
    )
    made.add_argument("--model", type=str, default=DEFAULT_MODEL, help="name, folder or checkpoint file of a model")
    made.add_argument(
        "--preset",
        type=str,
        default="none",
        help="none: the rules that come with the model; paper: those published for this model on this data set; or the "
        "name of published rules, such as lasot@1k (docs/presets.md)",
    )
    made.add_argument("--out", type=Path, default=Path("results"), metavar="RESULTS", help="folder of all results")
    made.add_argument("--name", type=str, default="", metavar="TRACKER", help="name in tables; default: the model's")
    made.add_argument("--truncate", action="store_true", help="whole pixels, cut off as the official code does")
    made.add_argument(
        "--one-based",
        action="store_true",
        help="keep boxes of data sets that count pixels from 1 as they are written, as the official code does",
    )
    made.add_argument(
        "--convention", type=str, default="", help="how to measure; default: the data set's own, else pytracking"
    )
    _add_machine(made)
    return made


def _add_machine(made: ArgumentParser) -> None:
    where = made.add_argument_group("where it runs (the results do not depend on the number of workers)")
    where.add_argument("--workers", type=int, default=1, help="processes with a model each; 0: in this process")
    add_runtime(where, threads=1)
    where.add_argument(
        "--executor",
        type=Literal["local", "ray"],
        default="local",
        help="ray: on a Ray cluster. Needs: pip install 'mixformer[ray]'",
    )
    where.add_argument(
        "--address", type=str | None, default=None, help="of the Ray cluster; default: RAY_ADDRESS, else this machine"
    )
    where.add_argument("--gpus", type=float, default=0.0, help="GPUs that a Ray worker takes; 0.5: two on one")
    where.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: Namespace) -> None:
    """Track, print the table, and raise if a sequence failed."""
    from mixformer.evaluation.runs import run_evaluation

    console = Console(quiet=options.quiet, highlight=False, soft_wrap=True)
    job = _job(options)
    convention = _convention(options.convention, job.dataset)
    with TaskBars(len(job.only or job.sequences), options.quiet) as bars:
        outcome = run_evaluation(job, _executor(options), bars.listen)
    kept = f", {len(outcome.kept)} were complete" if outcome.kept else ""
    console.print(f"{len(outcome.done)} sequences tracked{kept}; wrote {escape(str(outcome.folder.resolve()))}")
    _measure(convention, job, outcome, console)
    if outcome.failed:
        raise MixFormerError(_failures(outcome))


def _job(options: Namespace) -> EvaluationRun:
    from mixformer.evaluation.runs import EvaluationRun
    from mixformer.tracking.factory import TrackerFactory, rules_for

    dataset, split, sequences = open_for_test(options.dataset, options.root, options.split, options.one_based)
    rules = rules_for(options.model, options.preset, dataset)
    plan = TrackerFactory(options.model, rules, runtime_from(options))
    return EvaluationRun(
        options.name or Path(options.model).name.removesuffix(".tar").removesuffix(".pth"),
        dataset,
        sequences,
        plan,
        options.out,
        settings={**plan.settings(), "as_written": options.one_based},
        notes={
            "root": str(options.root.resolve()),
            **{key: options[key] for key in ("preset", "device", "workers", "executor")},
        },
        integers=options.truncate,
        split=split,
        only=tuple(name.strip() for name in options.sequences.split(",") if name.strip()),
    )


def open_for_test(
    dataset: str, root: Path, split: str, as_written: bool = False
) -> tuple[str, str, Sequence[VideoSequence]]:
    """Name, split and sequences of a data set to measure on.

    Args:
        dataset: known name, or "" for whatever is in the folder.
        root: folder of the data set.
        split: of a known set; "" takes its test split, else its validation split, else its first.
        as_written: keep boxes that count pixels from 1 as they are.

    Raises:
        DataError: if it is not there.
    """
    from mixformer.data import DATASETS, DatasetOptions, detect_dataset, load_dataset, read_any

    name = dataset or detect_dataset(root) or ""
    if not name:
        return root.resolve().name, split, read_any(root, split, lazy=True)
    splits = DATASETS[name].splits if name in DATASETS else {}
    split = split or next((part for part in ("test", "val", *splits) if part in splits), "")
    return name, split, load_dataset(name, root, DatasetOptions(split, keep_one_based=as_written))


def _convention(name: str, dataset: str) -> str:
    """The name asked for or the data set's own; a wrong one is found before anything is tracked."""
    from mixformer.evaluation.metrics import CONVENTIONS
    from mixformer.evaluation.report.metric_labels import convention_of

    if name and name not in CONVENTIONS:
        raise ConfigError(f"there is no convention {name!r}; there are: {', '.join(CONVENTIONS)}")
    return name or convention_of(dataset)


def _executor(options: Namespace) -> Executor:
    from mixformer.run.executor import ProcessExecutor, SerialExecutor

    if options.executor == "ray":
        from mixformer.run.ray_executor import RayExecutor

        return RayExecutor(options.workers, address=options.address, cpus=options.threads, gpus=options.gpus)
    if options.workers < 0 or options.threads < 1:
        raise ConfigError("--workers must be 0 or more, and --threads 1 or more")
    return ProcessExecutor(options.workers) if options.workers else SerialExecutor()


def _measure(convention: str, job: EvaluationRun, outcome: Outcome, console: Console) -> None:
    """Print the numbers of the sequences that have results, unless their truth is not public."""
    from mixformer.evaluation.compare import compare
    from mixformer.evaluation.report.build_tables import overall
    from mixformer.evaluation.report.tables import to_terminal
    from mixformer.evaluation.result_folders import ResultFolder
    from mixformer.evaluation.runs import names_of

    complete = {*outcome.done, *outcome.kept}
    names = names_of(job.sequences)
    sequences = [job.sequences[number] for number, name in enumerate(names) if name in complete]
    if not sequences:
        return
    if all(len(sequence.valid) < 2 for sequence in sequences):
        console.print(
            f"the truth of this split is not public: pack the results for the benchmark's server with\n"
            f"  mixformer pack {job.dataset} {escape(str(outcome.folder))} {escape(job.tracker)}.zip"
        )
        return
    lacking = max(len(names), _published(job)) - len(sequences)
    found = compare(job.dataset, [ResultFolder(job.tracker, outcome.folder)], sequences, convention, absent=lacking)
    to_terminal(overall(found), console)


def _published(job: EvaluationRun) -> int:
    """How many sequences the published list of the split has; 0 for a set of one's own."""
    from mixformer.data import DATASETS

    rows = DATASETS[job.dataset].published.get(job.split) if job.dataset in DATASETS else None
    return len(rows()) if rows else 0


def _failures(outcome: Outcome) -> str:
    lines = [f"  {line}" for line in first_few((f"{n}: {message}" for n, message in outcome.failed.items()), _SHOWN)]
    where = outcome.folder / "failures"
    lines.append(f"tracebacks are in {where}; the same command tries these sequences again")
    return "\n".join([f"{len(outcome.failed)} sequences failed:", *lines])
