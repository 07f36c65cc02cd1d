"""`mixformer calibrate`."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.bars import TaskBars
from mixformer.cli.console import make_console
from mixformer.cli.parser import (
    add_flag,
    add_option,
    add_overwrite,
    add_quiet,
    add_runtime,
    add_split,
    runtime_from,
)

DESCRIPTION = """Calibrate the score of a model on your annotated clips.

The score should be the probability that the box is right (IoU above 0.5). The command runs the model on sequences with
ground truth, fits a scale and an offset of its score, and tests both on other sequences. OUT gets the model with both
in its last layer, so every engine and export has the new score. Boxes do not change. What the tracker decides by the
score may change: whether a target is lost, and new templates.

  mixformer calibrate mixformerv2_dino_s8 --data my_videos --out calibrated
  mixformer export calibrated --out calibrated                          graphs, for an install without PyTorch
  mixformer track clip.mp4 --box 260 29 41 142 --model calibrated

  mixformer evaluate --root my_videos --workers 8                       or from saved results of the same model
  mixformer calibrate mixformerv2_dino_s8 --results results/mixformerv2_dino_s8 --out calibrated

ECE is the expected calibration error, 0 at best: the mean distance between the score and the fraction of right boxes,
over ten bins. OUT/reliability.png shows the bins. Use clips like those that you will track, with hard scenes, at least
1,000 frames, and not the clips that you test on. See docs/lost.md.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("model", type=str, help="name, folder or checkpoint file of a model with a score head")
    add_option(made, "--out", Path, "model folder to write", required=True)
    data = (
        "folder of the data set, or of your own NAME/img/* with NAME/groundtruth.txt; default with --results: the one "
        "that mixformer evaluate noted"
    )
    results = "use results of this model from mixformer evaluate, instead of running it"
    add_option(made, "--data", Path, data, metavar="DIR")
    add_option(made, "--results", Path, results, metavar="FOLDER")
    add_option(made, "--dataset", str, "see mixformer data list; default: detected in DIR", "", metavar="NAME")
    add_split(made)
    add_flag(made, "--no-plots", "draw no diagram; it needs matplotlib")
    add_option(made, "--workers", int, "processes with a model each; 0: in this process", 0)
    add_runtime(made, threads=1)
    add_quiet(made)
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Calibrate, and print what changed."""
    from mixformer.training import calibrate

    with TaskBars(None, options.quiet) as bars:
        done = calibrate(
            options.model,
            options.out,
            options.data,
            results=options.results,
            dataset=options.dataset,
            split=options.split,
            runtime=runtime_from(options),
            processes=options.workers,
            diagram=not options.no_plots,
            overwrite=options.overwrite,
            progress=bars.listen,
        )
    console = make_console(quiet=options.quiet)
    frames = int(done.before.counts.sum())
    console.print(f"{frames} frames of {done.sequences} sequences: logit x {done.scale:.3f} {done.offset:+.3f}")
    console.print(
        f"expected calibration error: {done.before.error:.3f} before, {done.after.error:.3f} after (held out)"
    )
    if done.after.error >= done.before.error:
        console.print("the score did not improve: it was good already, or the sequences differ too much")
    console.print(f"wrote {done.folder.resolve()}; for graphs: mixformer export {done.folder} --out {done.folder}")
