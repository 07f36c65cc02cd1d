"""VOT2020 and VOT2022, short-term: folders of the VOT toolkit, with rectangles, polygons or masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mixformer.data.annotated_folders import parse_lines
from mixformer.data.datasets.benchmarks import BenchmarkSplit, benchmark
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout
from mixformer.data.lists import ListedSequence
from mixformer.data.storage import Storage, read_text
from mixformer.errors import counted
from mixformer.imaging.images import is_picture

TAGS = ("camera_motion", "illum_change", "motion_change", "occlusion", "size_change")
"""Attributes of frames, from files called NAME/TAG.tag."""

_LARGEST = 2**31  # number in a mask


def text_region_box(text: str) -> list[float]:
    """Return the box xywh around a region of the VOT toolkit; NaN for an empty region.

    A region is `x,y,w,h`; a polygon `x1,y1,x2,y2,x3,y3,...`; a mask `mX,Y,W,H,ZEROS,ONES,...`, the lengths of runs in
    that window, row by row; or one number, the code for "no region". Raises ValueError for anything else.
    """
    text = text.strip()
    if text.startswith("m"):
        return _mask_box([int(word) for word in text[1:].split(",") if word.strip()])
    values = [float(word) for word in text.replace("\t", ",").split(",")]
    if len(values) == 1:
        return [np.nan] * 4
    if len(values) == 4:
        return values
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"a region has 1, 4, or an even count of 6 or more numbers, found {len(values)}")
    xs, ys = values[::2], values[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _mask_box(numbers: list[int]) -> list[float]:
    """Return the smallest box around the ones of a mask. It contains both end pixels: w = x1 - x0 + 1."""
    if len(numbers) < 4:
        raise ValueError(f"a mask begins with x, y, width and height, found {counted(len(numbers), 'number')}")
    x, y, width, height = numbers[:4]
    if max(map(abs, numbers)) > _LARGEST:
        raise ValueError("a number of a mask is beyond any picture")
    ends = np.cumsum(numbers[4:])
    if len(ends) and (ends[-1] > width * height or min(numbers[4:]) < 0):
        raise ValueError(f"the runs of a mask of {width} x {height} pixels make {ends[-1]} pixels")
    starts, stops = ends[0::2], ends[1::2]
    starts = starts[: len(stops)]
    full = stops > starts
    if not full.any():
        return [np.nan] * 4
    starts, stops = starts[full], stops[full] - 1
    top, bottom = starts[0] // width, stops[-1] // width
    wraps = starts // width != stops // width  # the run goes on in the next row, so it touches both borders
    left = 0 if wraps.any() else (starts % width).min()
    right = width - 1 if wraps.any() else (stops % width).max()
    return [float(v) for v in (x + left, y + top, right - left + 1, bottom - top + 1)]


@dataclass(frozen=True)
class VotLayout(SequenceLayout):
    """Files of the VOT toolkit. The file `sequence` names the folder of pictures; without that file, it is `color/`."""

    def find(self, storage: Storage, base: str, listed: ListedSequence) -> SequenceFiles | None:
        """Find a sequence of the list; None if its boxes are missing, or the folder is one of another data set."""
        found = super().find(storage, base, listed)
        if found is None:
            return None
        home = found.home
        folders, files = storage.listing(home)
        place = _pictures(read_text(storage, f"{home}/sequence") or "")
        if "sequence" not in files and place not in folders:
            if not any(map(is_picture, files)) or "absence.label" in files:
                return None
            place = ""
        return replace(found, folder=f"{home}/{place}".rstrip("/"))


def _pictures(properties: str) -> str:
    """Read the folder of pictures from the line `channels.color=color/%08d.jpg` of a sequence's properties."""
    for line in properties.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "channels.color":
            folder, _, pattern = value.strip().replace("\\", "/").rpartition("/")
            return folder if "." in pattern or not pattern else f"{folder}/{pattern}".lstrip("/")
    return "color"


_LAYOUT = (
    "NAME/groundtruth.txt (rectangles, polygons or masks), NAME/sequence and NAME/color/00000001.jpg ..., as the VOT "
    "toolkit downloads them into the folder `sequences` of a workspace"
)
_FILES = VotLayout(
    "{name}/groundtruth.txt",
    "{name}/color",
    parse=partial(parse_lines, parse=text_region_box),
    extra_files=("sequence", *(f"{tag}.tag" for tag in TAGS)),
)

VOT2020 = benchmark(
    "vot2020",
    "VOT2020 short-term, with masks",
    _LAYOUT,
    {"test": BenchmarkSplit("60 sequences", "vot2020", (_FILES,))},
    subset_of="vot2022",
)
VOT2022 = benchmark(
    "vot2022", "VOT2022 short-term", _LAYOUT, {"test": BenchmarkSplit("62 sequences", "vot2022", (_FILES,))}
)
