"""`mixformer pack`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from mixformer.cli.parser import make_parser

_DESCRIPTION = """Pack raw results as the zip file that a benchmark's server takes.

Everything is checked first: all sequences of the benchmark must be there, with a finite box for every frame. How many
frames there are is read from the data set (--root) or from the run.json that mixformer evaluate wrote. The raw results
stay as they are.

  mixformer pack got10k results/mixvit/got10k mixvit.zip
  mixformer pack trackingnet results/mixvit/trackingnet mixvit.zip --root TrackingNet
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("format", type=Literal["got10k", "trackingnet"], metavar="FORMAT", help="got10k or trackingnet")
    made.add_argument("results", type=Path, metavar="RESULTS_FOLDER", help="holds SEQUENCE.txt and SEQUENCE_time.txt")
    made.add_argument("out", type=Path, metavar="OUT.zip", help="file to write")
    made.add_argument("--root", type=Path | None, default=None, metavar="DIR", help="folder of the data set")
    made.add_argument("--split", type=str, default="test", help="of the data set")
    made.add_argument("--truncate", action="store_true", help="whole pixels, cut off as the official scripts do")
    made.add_argument("--part", action="store_true", help="pack the sequences that are there, as a trial")
    return made


def run(options: Namespace) -> None:
    """Check, pack and say where."""
    from mixformer.evaluation.submission import pack

    count = pack(options.format, options.results, options.out, _expected(options), integers=options.truncate)
    Console(soft_wrap=True).print(f"packed {count} sequences: {options.out.resolve()}")


def _expected(options: Namespace) -> Mapping[str, int | None]:
    """The sequences that must be there, with their numbers of frames as far as known."""
    from mixformer.data import DATASETS
    from mixformer.errors import ConfigError

    rows = DATASETS[options.format].published
    if options.split not in rows:
        raise ConfigError(f"{options.format} has no list of the split {options.split!r}, but of: {', '.join(rows)}")
    frames = _frames(options)
    names = [row.name for row in rows[options.split]()]
    if options.part:
        names = [name for name in names if (options.results / f"{name}.txt").is_file()]
        if not names:
            raise ConfigError(f"{options.results} holds no result of a {options.format} {options.split} sequence")
    return {name: frames.get(name) for name in names}


def _frames(options: Namespace) -> dict[str, int]:
    """Frames of each sequence, from the data set, else from the run that made the results; empty without both."""
    from mixformer.data import DatasetOptions, load_dataset
    from mixformer.evaluation.manifest import JOURNAL, read_manifest

    if options.root is not None:
        return {
            each.name: len(each) for each in load_dataset(options.format, options.root, DatasetOptions(options.split))
        }
    if not (options.results / JOURNAL).is_file():
        return {}
    return {name: told["frames"] for name, told in read_manifest(options.results)["sequences"].items()}
