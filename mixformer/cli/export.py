"""`mixformer export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.bars import spinner
from mixformer.cli.console import make_console, make_table, print_table
from mixformer.cli.parser import add_box, add_option, add_overwrite
from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.export.settings import ExportReport

DESCRIPTION = """Write a model as graphs for other runtimes, and compare them with PyTorch on real crops.

The result is a model folder: give it wherever a command takes a model. If a difference exceeds its limit, nothing is
written.

  mixformer export mixformerv2_small.pth.tar --to onnx --out v2s
  mixformer track clip.mp4 --box 260 29 41 142 --model v2s --engine onnx
  mixformer export v2s --to openvino --precision int8 --out v2s_int8
  mixformer export v2s --to openvino --precision int8 --calibrate mine.mp4 --box 12 40 80 60 --out v2s_mine

--precision int8 has two meanings. With --to onnx, weights are stored in 8 bits. With --to openvino, the network also
calculates in 8 bits; it is calibrated on the video of --calibrate, or else on the demo clip. Exporting needs
mixformer[export], and 8-bit arithmetic needs mixformer[int8].
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("model", help="name, folder or official checkpoint of a model")
    precision = "precision of the stored weights; default: that of the model"
    calibrate = "video or folder of pictures for comparison and calibration; default: the demo clip"
    add_option(made, "--out", Path, "folder to write", required=True)
    add_option(made, "--to", Literal["onnx", "openvino"], "format of the graphs", "onnx")
    add_option(made, "--precision", Literal["float32", "float16", "int8"], precision)
    for name, what in (("batch", "targets in one call"), ("templates", "templates of a target, including the first")):
        number = int | Literal["dynamic"]
        add_option(made, f"--{name}", number, f"fixed number of {what}", "dynamic", metavar="N")
    add_option(made, "--calibrate", str, calibrate, metavar="VIDEO")
    add_box(made, "target in the first frame of --calibrate")
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Export."""
    from mixformer.export import export_model

    if (options.calibrate is None) != (options.box is None):
        raise ConfigError("give --calibrate VIDEO and --box X Y W H together: the target is tracked through the video")
    batch, templates = (None if count == "dynamic" else count for count in (options.batch, options.templates))
    crops = {} if options.calibrate is None else {"video": options.calibrate, "box": tuple(options.box)}
    kept = {"to": options.to, "precision": options.precision, "batch": batch, "templates": templates}
    with spinner("exporting and comparing, a minute or more"):
        report = export_model(options.model, options.out, **kept, **crops, overwrite=options.overwrite)
    _show(report)


def _show(report: ExportReport) -> None:
    console = make_console()
    batch, count = ("any number" if fixed is None else str(fixed) for fixed in (report.batch, report.templates))
    console.print(f"{report.config.name}: {report.precision} weights, targets in a call: {batch}, templates: {count}")
    if report.differences:
        headings = ("runtime", "batch", "templates", "boxes", "scores")
        table = make_table(headings, title="largest differences from PyTorch")
        for each in report.differences:
            scores = "no score" if each.scores is None else f"{each.scores:.1e}"
            table.add_row(each.runtime, str(each.batch), str(each.templates), f"{each.boxes:.1e}", scores)
        print_table(console, table)
        console.print("boxes in sides of the search crop; scores as logits, relative for logits above 1")
    if report.iou is not None:
        console.print(f"mean IoU with the boxes of the source model: {report.iou:.4f}")
    for name, size in report.sizes.items():
        console.print(f"wrote {report.folder / name} ({size / 1e6:.2f} MB)")
