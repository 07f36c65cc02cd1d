"""`mixformer submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_flag, add_option, add_overwrite
from mixformer.errors import counted

DESCRIPTION = """Pack raw results into the zip file for a benchmark's server.

The command first checks that every sequence of the benchmark has a valid box for each frame. It reads the number of
frames from the data set (--root), or from the run.json of mixformer evaluate. The raw results do not change.

  mixformer submit got10k results/mixvit/got10k mixvit.zip
  mixformer submit trackingnet results/mixvit/trackingnet mixvit.zip --root TrackingNet
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("format", type=Literal["got10k", "trackingnet"], metavar="FORMAT", help="got10k or trackingnet")
    results = "folder with SEQUENCE.txt and SEQUENCE_time.txt"
    made.add_argument("results", type=Path, metavar="RESULTS_FOLDER", help=results)
    made.add_argument("out", type=Path, metavar="OUT.zip", help="file to write")
    add_option(made, "--root", Path, "folder of the data set", metavar="DIR")
    add_option(made, "--split", str, "split of the data set", "test")
    add_flag(made, "--truncate", "write whole pixels, cut off as the official scripts do")
    add_flag(made, "--part", "pack only the sequences that have results, as a trial")
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Check the results, pack them and print the path."""
    from mixformer.evaluation import expected_sequences, write_submission
    from mixformer.files.places import require_apart, require_place

    require_apart(options.out, options.results.glob("*.txt"))
    require_place(options.out, options.overwrite)
    expected = expected_sequences(
        options.format, options.results, root=options.root, split=options.split, part=options.part
    )
    count = write_submission(options.format, options.results, options.out, expected, truncate=options.truncate)
    make_console().print(f"packed {counted(count, 'sequence')}: {options.out.resolve()}")
