"""OTB100, UAV123, NfS, Temple-Color 128 and AVisT: test sets whose files follow fixed patterns."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import numpy as np

from mixformer.data.annotated_folders import parse_lines
from mixformer.data.datasets.benchmarks import BenchmarkSplit, benchmark
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout, parse_flags
from mixformer.errors import DataError


def _corners_box(line: str) -> list[float]:
    """Parse `track left top right bottom frame lost occluded generated "label"`; NaN where `lost` is 1."""
    try:
        _, x0, y0, x1, y1, _, lost = (float(word) for word in line.split()[:7])
    except ValueError as error:
        raise ValueError(f"needs seven numbers first, found {line!r}") from error
    return [np.nan] * 4 if lost else [x0, y0, x1 - x0, y1 - y0]


def read_frame_range(files: SequenceFiles) -> tuple[int, int]:
    """Read the first and last frame number from `NAME_frames.txt`, a line `first,last`; else raises DataError."""
    text = files.text_beside(f"{files.name}_frames.txt")
    found = re.fullmatch(r"\s*([0-9]{1,9})[,\s]+([0-9]{1,9})\s*", text or "")
    if not found:
        problem = "is not there" if text is None else f"needs two numbers such as 1,200, found {text.strip()[:40]!r}"
        raise DataError(f"{files.name}: {files.name}_frames.txt beside its boxes {problem}; download it again")
    return int(found[1]), int(found[2])


_OTB100 = SequenceLayout("{folder}/{annotation}", "{folder}/img", pixel_origin=1)

OTB100 = benchmark(
    "otb100",
    "OTB100 (OTB-2015), short videos",
    "NAME/groundtruth_rect.txt (groundtruth_rect.1.txt and .2.txt where two targets share a folder) and "
    "NAME/img/0001.jpg ..., as folders, as NAME.zip files or in one LMDB database",
    {"test": BenchmarkSplit("100 targets in 98 folders", "otb100", (_OTB100,))},
)

UAV123 = benchmark(
    "uav123",
    "UAV123, videos from low flying drones",
    "anno/UAV123/NAME.txt and data_seq/UAV123/FOLDER/000001.jpg ..., as folders, as one zip file or LMDB database",
    {
        "test": BenchmarkSplit(
            "123 sequences, of which 51 are parts of 19 longer videos",
            "uav123",
            (SequenceLayout("anno/UAV123/{name}.txt", "data_seq/UAV123/{folder}", pixel_origin=1),),
        )
    },
    prefix="uav_",
)

_CORNERS = partial(parse_lines, parse=_corners_box)
_NFS_BOXES = SequenceLayout("anno/nfs_{name}.txt", "sequences/{name}", tolerance=1)
_NFS_240 = SequenceLayout("{name}/240/{name}.txt", "{name}/240/{name}", parse=_CORNERS, tolerance=1)
_NFS_30 = replace(_NFS_240, annotation="{name}/30/{name}.txt", pictures="{name}/30/{name}", boxes_per_picture=8)

NFS = benchmark(
    "nfs",
    "NfS (Need for Speed), videos of a fast camera",
    "anno/nfs_NAME.txt and sequences/NAME/00001.jpg ... (30 frames a second), or as published NAME/30/NAME.txt and "
    "NAME/30/NAME/00001.jpg ..., NAME/240/ alike",
    {
        "30fps": BenchmarkSplit("100 sequences at 30 frames a second, as in the papers", "nfs", (_NFS_BOXES, _NFS_30)),
        "240fps": BenchmarkSplit("the same at 240 frames a second", "nfs_240", (_NFS_240,)),
    },
    prefix="nfs_",
)

_TC128 = SequenceLayout(
    "{name}/{name}_gt.txt",
    "{name}/img",
    pixel_origin=1,
    frame_range=read_frame_range,
    extra_files=("{name}_frames.txt",),
)

TC128 = benchmark(
    "tc128",
    "Temple-Color 128, short videos in color",
    "NAME/NAME_gt.txt, NAME/NAME_frames.txt and NAME/img/0001.jpg ..., as folders, zip files or one LMDB database",
    {
        "test": BenchmarkSplit("129 targets in 128 videos", "tc128", (_TC128,)),
        "ce": BenchmarkSplit("the 78 of them that are in no other data set", "tc128", (_TC128,), "_ce"),
    },
)

_AVIST_FLAGS = ("full_occlusion/{name}_full_occlusion.txt", "out_of_view/{name}_out_of_view.txt")
_AVIST = SequenceLayout(
    "anno/{name}.txt", "sequences/{name}", flags=tuple((file, parse_flags) for file in _AVIST_FLAGS)
)

AVIST = benchmark(
    "avist",
    "AVisT, videos of adverse visibility",
    "anno/NAME.txt, full_occlusion/NAME_full_occlusion.txt, out_of_view/NAME_out_of_view.txt and "
    "sequences/NAME/img_00001.jpg ..., as folders, as one zip file or LMDB database",
    {"test": BenchmarkSplit("120 sequences", "avist", (_AVIST,))},
)
