"""The pictures of an inspection, as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from mixformer.errors import OutputError
from mixformer.inspection.attention_pictures import PAIRS, Query, attention_sheet, with_box
from mixformer.inspection.contact_sheet import FAINT, PAPER, font
from mixformer.inspection.distributions import distributions_picture
from mixformer.inspection.frame_inspection import FrameInspection
from mixformer.types import Image

_GAP, _LINE = 12, 18


def write_inspection(seen: FrameInspection, folder: str | Path, query: Query = "target") -> list[Path]:
    """Write `crops.png`, `distributions.png`, an `attention_QUERIES_to_KEYS.png` for every pair, and `inspection.npz`.

    Args:
        seen: the inspected frame.
        folder: made if it is not there; files of the same names in it are replaced.
        query: whose attention is drawn; see `attention_sheet`.

    Returns:
        What was written.

    Raises:
        OutputError: if it cannot be written.
        ConfigError: if the query is unknown.
    """
    place = make_folder(folder)
    written = []
    for name, picture in pictures(seen, query):
        path = place / f"{name}.png"
        try:
            PillowImage.fromarray(picture).save(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error}; give another folder") from error
        written.append(path)
    path = place / "inspection.npz"
    try:
        np.savez_compressed(path, **seen.arrays())  # type: ignore[arg-type]
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; give another folder") from error
    return [*written, path]


def make_folder(folder: str | Path) -> Path:
    """The folder, made if it is not there.

    Raises:
        OutputError: if it cannot be made, or nothing can be written into it.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()
    except OSError as error:
        raise OutputError(f"cannot write into the folder {folder}: {error}; give another one") from error
    return path


def pictures(seen: FrameInspection, query: Query = "target") -> Iterator[tuple[str, Image]]:
    """Every picture of an inspection, RGB uint8 (H, W, 3), with the name of its file; one is held at a time."""
    yield "crops", crops_picture(seen)
    yield "distributions", distributions_picture(seen)
    there = {pair for block in seen.result.blocks for pair in block.maps}
    for pair in PAIRS:
        if pair in there:
            yield f"attention_{pair}", attention_sheet(seen, pair, query)


def crops_picture(seen: FrameInspection) -> Image:
    """What the network was given, pixel by pixel, with the box that it found."""
    named = [(seen.templates[0], "template")]
    named += [(picture, f"online template {n + 1}") for n, picture in enumerate(seen.templates[1:])]
    named.append((with_box(seen.search, seen.corners), "search region and the box found"))
    widths = [max(picture.shape[1], round(font(12).getlength(name))) + _GAP for picture, name in named]
    sheet = PillowImage.new("RGB", (sum(widths) + _GAP, max(p.shape[0] for p, _ in named) + 2 * _GAP + _LINE), PAPER)
    pen, x = ImageDraw.Draw(sheet), _GAP
    for (picture, name), width in zip(named, widths, strict=True):
        sheet.paste(PillowImage.fromarray(picture), (x, _GAP))
        pen.text((x, _GAP + picture.shape[0] + 2), name, FAINT, font(12))
        x += width
    return np.asarray(sheet)
