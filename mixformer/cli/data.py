"""`mixformer data`: check, import, pack and list data sets."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich.text import Text

from mixformer.cli.bars import spinner
from mixformer.cli.console import make_console, make_table, print_filled, print_table
from mixformer.cli.data_exchange import EXPORT, add_export, export_project, import_project
from mixformer.cli.parser import CommandGroup, add_flag, add_option, add_overwrite
from mixformer.errors import MixFormerError, counted

DESCRIPTION = """Check, import, export, pack and list data for training and evaluation.

  mixformer data check my_videos            list problems, with advice
  mixformer data check LaSOT --split test   also list the missing ones of the 280 sequences
  mixformer data import cvat annotations.xml my_videos --images clip.mp4
  mixformer data export yolo clip.mixformer.json dataset
  mixformer data pack lasot lasot_lmdb      one LMDB database in the official layout
  mixformer data list                       list the data sets and their files

Your own data is a folder of NAME/img/* with NAME/groundtruth.txt, or one JSON file; see docs/data.md.
"""
_CHECK = """Check sequences for problems and print advice; the exit code is 1 if there is an error.

DIR is a folder of NAME/img/* with NAME/groundtruth.txt, a JSON file of sequences, or a public data set.

  mixformer data check my_videos
  mixformer data check LaSOT --split test --limit 20
"""
_IMPORT = """Turn annotations of another tool into folders, one for each track, with img/ and groundtruth.txt.

  coco-vid  JSON with videos, images, annotations (instance_id or track_id)
  mot       folder with gt/gt.txt and img1/, or a folder of these; pixels count from 1
  mot-cvat  the same format as CVAT and datumaro write it; pixels count from 0
  cvat      XML 1.1 of a video task (tracks) or an image task (each box becomes a sequence of one picture)

These formats also need the video, as --images: coco, yolo, voc, label-studio, folder, jsonl, csv. If OUT is
NAME.mixformer.json, the command writes an annotation project instead of folders (docs/annotation.md).

  mixformer data import cvat annotations.xml my_videos --images clip.mp4
  mixformer data import cvat annotations.xml clip.mixformer.json --images clip.mp4
  mixformer data import mot MOT17/train my_videos
"""
_PACK = """Write a public data set as LMDB with the official keys: one file, quick to read in any order.

TrackingNet becomes one database for each part and a seq_list.json.

  mixformer data pack lasot lasot_lmdb
"""
_LIST = """List the data sets with their splits and files, or the sequences in a folder.

  mixformer data list
  mixformer data list LaSOT --split test
"""

_ROWS = 200  # of the table of sequences


def _add_check(made: ArgumentParser) -> None:
    made.add_argument("dir", type=Path, metavar="DIR", help="folder, JSON file or archive")
    add_option(made, "--set", str, "name of the data set, if it is not detected", "")
    add_option(made, "--split", str, "split, such as test; default: the first", "")
    add_flag(made, "--all", "decode every picture instead of five of each sequence")
    add_option(made, "--limit", int, "check only N sequences, evenly spread; 0: all", 0)
    add_option(made, "--factor", float, "side of the search region, in sides of the target, to judge jumps", 4.5)


def _check(options: Namespace) -> None:
    from mixformer.data.checks import Options, Problem, Summary, check

    console = make_console()
    problems: list[Problem] = []
    summaries: list[Summary] = []
    settings = Options(options.all, options.factor, options.limit, options.set, options.split)
    with spinner("checking") as show:
        for summary, found in check(options.dir, settings):
            problems += found
            if summary:
                summaries.append(summary)
                show(summary.name)
    table = make_table(("sequence", "frames", "boxes", "visible", "picture", "side"))
    for summary in summaries[:_ROWS]:
        share = f"{100 * summary.visible / max(1, summary.frames):.0f} %"
        size = f"{summary.size[0]} x {summary.size[1]}" if summary.size else "?"
        counts = str(summary.frames), str(summary.boxes), share, size, f"{summary.side:.0f}"
        table.add_row(summary.name, *counts)
    print_table(console, table)
    console.print("side: median square root of the box's area, in pixels")
    if len(summaries) > _ROWS:
        console.print(f"... and {len(summaries) - _ROWS} more")
    frames, boxes = sum(s.frames for s in summaries), sum(s.boxes for s in summaries)
    console.print(f"{counted(len(summaries), 'sequence')}, {counted(frames, 'frame')}, {counted(boxes, 'box')}")
    for problem in problems:
        color = "red" if problem.level == "error" else "yellow"
        console.print(Text.assemble((problem.level, color), f" {problem.sequence}: {problem.text}"))
        console.print(f"    {problem.advice}")
    errors = sum(problem.level == "error" for problem in problems)
    if errors:
        raise MixFormerError(f"{counted(errors, 'error')} in {options.dir}")
    warnings = f"; {counted(len(problems), 'warning')}" if problems else ""
    console.print(f"ready to train on{warnings}")


def _add_import(made: ArgumentParser) -> None:
    made.add_argument("format", type=str, metavar="FORMAT", help="one of the formats above")
    made.add_argument("source", type=Path, metavar="SRC", help="annotation file or folder")
    made.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    add_option(made, "--images", Path, "pictures or video, if they are not beside SRC")
    add_flag(made, "--copy", "copy pictures instead of linking to them")
    add_overwrite(made)


def _import(options: Namespace) -> None:
    from mixformer.annotation.project_files import ENDING
    from mixformer.data.importers import IMPORTERS, write_folders
    from mixformer.files.places import require_place

    console = make_console()
    if options.format not in IMPORTERS or options.out.name.endswith(ENDING):
        import_project(options, console)
        return
    require_place(options.out, overwrite=True)
    sequences = IMPORTERS[options.format](options.source, options.images)
    with spinner("writing") as show:
        kept = {"copy": options.copy, "overwrite": options.overwrite}
        folders = write_folders(sequences, options.out, **kept, progress=show)
    console.print(f"wrote {counted(len(folders), 'sequence')} to {options.out.resolve()}")
    console.print(f"next: mixformer data check {options.out}")


def _add_pack(made: ArgumentParser) -> None:
    made.add_argument("source", type=Path, metavar="SET_DIR", help="folder of the set, or of its zip files")
    made.add_argument("out", type=Path, metavar="OUT", help="folder to write, such as lasot_lmdb")
    add_option(made, "--set", str, "name of the data set, if it is not detected", "")
    add_overwrite(made)


def _pack(options: Namespace) -> None:
    from mixformer.data.datasets.archive_packing import pack, require_packable

    console = make_console()
    require_packable(options.out, options.overwrite)
    with spinner("packing") as show:
        packed = pack(
            options.source,
            options.out,
            options.set,
            lambda files, size: show(f"{files} files, {size / 1e9:.2f} GB"),
            overwrite=options.overwrite,
        )
    console.print(f"{packed.name}: {counted(packed.files, 'file')}, {packed.size / 1e6:.1f} MB")
    for path in packed.databases:
        console.print(f"wrote {path.resolve()}")


def _add_list(made: ArgumentParser) -> None:
    add_option(made, "dir", Path | None, "folder, JSON file or archive", nargs="?", metavar="DIR")
    add_option(made, "--split", str, "split of a public data set", "")


def _list(options: Namespace) -> None:
    from mixformer.data import DATASETS, read_any
    from mixformer.data.datasets.registry import CUSTOM, CUSTOM_LAYOUT
    from mixformer.data.sequence import LazySequences

    console = make_console()
    if options.dir:
        found = read_any(options.dir, options.split)
        names = found.names if isinstance(found, LazySequences) else [sequence.name for sequence in found]
        for name in names:
            console.print(name)
        return
    for known in DATASETS.values():
        console.print(Text.assemble((known.name, "bold"), f"  {known.title}"))
        for split, meaning in known.splits.items():
            print_filled(console, f"    {split:<10}  ", meaning)
        print_filled(console, "    files:      ", known.layout)
    console.print(Text.assemble((CUSTOM, "bold"), "  your own sequences"))
    print_filled(console, "    files:      ", CUSTOM_LAYOUT)


_GROUP = CommandGroup(
    {
        "check": (_CHECK, _add_check, _check),
        "import": (_IMPORT, _add_import, _import),
        "export": (EXPORT, add_export, export_project),
        "pack": (_PACK, _add_pack, _pack),
        "list": (_LIST, _add_list, _list),
    }
)
add_options, run = _GROUP.add_options, _GROUP.run
