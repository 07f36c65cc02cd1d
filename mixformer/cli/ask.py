"""Ask a person for the box if the command line does not give it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from mixformer.cli.console import make_console
from mixformer.errors import BoxError
from mixformer.imaging.boxes import box_numbers, read_box, require_overlap
from mixformer.types import Box, Image

_HOW = (
    "give the target in the first frame as --box X Y WIDTH HEIGHT (pixels, from the top left), "
    "for example --box 260 29 41 142"
)


def spread_box(words: Sequence[str]) -> list[str]:
    """Write a --box with commas, or in JSON, as the four words that the parser knows."""
    spread: list[str] = []
    waiting = 0  # numbers of a box that are still to come
    for word in words:
        if word.startswith("--box="):
            spread, word, waiting = [*spread, "--box"], word.removeprefix("--box="), 4
        numbers = [word]
        if waiting and ("," in word or word.startswith(("[", "{"))):
            with suppress(BoxError):
                numbers = [str(number) for number in box_numbers(word)]
        spread += numbers
        waiting = 4 if word == "--box" else max(0, waiting - len(numbers))
    return spread


def ask_box(source: str, start: int) -> Box:
    """Return the target's box from a window or, without a display, from the terminal.

    Raises BoxError if nobody can be asked, or the answer is no box; the message says how to give it.
    """
    if not sys.stdin.isatty():
        raise BoxError(f"no target: {_HOW}")
    from mixformer.video.reader import open_video
    from mixformer.video.window import draw_box, has_display

    with open_video(source, start, start + 1) as video:
        image = next(iter(video)).image
    box = draw_box(image, source) if has_display() else _ask_terminal(image)
    if box is None:
        raise BoxError(f"no target chosen: {_HOW}")
    require_overlap(box, *image.shape[:2])
    return box


def _ask_terminal(image: Image) -> Box:
    console = make_console(stderr=True)
    console.print(f"The first frame has {image.shape[1]} x {image.shape[0]} pixels.")
    console.print("Target as four numbers, x y width height:", end=" ")
    try:
        return read_box(sys.stdin.readline())
    except ValueError as error:
        raise BoxError(f"{error}; {_HOW}") from error
