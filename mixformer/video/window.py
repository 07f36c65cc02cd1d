"""Open windows with tkinter, to watch a track and to draw a box."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Self

import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import MissingDependencyError, OutputError
from mixformer.types import Box, Image

_LARGEST = 1200  # pixels along the longer side of a window


def _tkinter() -> tuple[ModuleType, Any]:
    """Return tkinter and a new root window.

    Raises MissingDependencyError if Python was built without tkinter, and OutputError if there is no display.
    """
    try:
        import tkinter
    except ImportError as error:
        raise MissingDependencyError(
            "this Python has no tkinter, which windows need; install it (Debian and Ubuntu: apt install python3-tk)"
        ) from error
    try:
        return tkinter, tkinter.Tk()
    except tkinter.TclError as error:
        raise OutputError(f"there is no display to open a window on ({error}); leave out --show") from error


def has_display() -> bool:
    """Tell whether a window can be opened."""
    try:
        _, root = _tkinter()
    except (MissingDependencyError, OutputError):
        return False
    root.destroy()
    return True


def _photo(tkinter: Any, root: Any, image: Image) -> tuple[Any, float]:
    """Convert a picture for tkinter, reduced to fit; return it and its scale."""
    scale = min(1.0, _LARGEST / max(image.shape[:2]))
    if scale < 1:
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        image = np.asarray(PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BILINEAR))
    header = f"P6 {image.shape[1]} {image.shape[0]} 255 ".encode()
    return tkinter.PhotoImage(master=root, data=header + image.tobytes(), format="PPM"), scale


class Window:
    """A window that shows frames. The user closes it, or presses q or Escape, to stop."""

    def __init__(self, title: str) -> None:
        self._tkinter, self._root = _tkinter()
        self._root.title(title)
        self._label = self._tkinter.Label(self._root)
        self._label.pack()
        self._open = True
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda _: self._close())
        self._root.protocol("WM_DELETE_WINDOW", self._close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def show(self, image: Image) -> bool:
        """Show RGB uint8 (H, W, 3). Return False after the user has closed the window."""
        if self._open:
            self._photo, _ = _photo(self._tkinter, self._root, image)  # kept here, since tkinter does not keep it
            self._label.configure(image=self._photo)
            self._root.update()
        return self._open

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._root.destroy()


def draw_box(image: Image, title: str) -> Box | None:
    """Let the user drag a box over a picture. Enter accepts it; after Escape, the result is None."""
    tkinter, root = _tkinter()
    root.title(f"{title}: drag a box around the target, then press Enter")
    photo, scale = _photo(tkinter, root, image)
    canvas = tkinter.Canvas(root, width=photo.width(), height=photo.height(), cursor="crosshair")
    canvas.create_image(0, 0, anchor="nw", image=photo)
    canvas.pack()
    # The handlers share `corners`: empty means that no box was drawn, or that the user gave up.
    corners: list[float] = []
    shape = canvas.create_rectangle(0, 0, 0, 0, outline="#40ff60", width=2)

    def press(event: Any) -> None:
        corners[:] = [event.x, event.y, event.x, event.y]

    def drag(event: Any) -> None:
        corners[2:] = [event.x, event.y]
        canvas.coords(shape, *corners)

    def give_up(_: Any) -> None:
        corners.clear()
        root.quit()

    canvas.bind("<ButtonPress-1>", press)
    canvas.bind("<B1-Motion>", drag)
    root.bind("<Return>", lambda _: root.quit())
    root.bind("<Escape>", give_up)
    root.protocol("WM_DELETE_WINDOW", lambda: give_up(None))
    root.mainloop()
    root.destroy()
    if not corners:
        return None
    # The user may drag in any direction, and the picture may be shown smaller than it is.
    (x1, x2), (y1, y2) = sorted(corners[::2]), sorted(corners[1::2])
    return Box(x1 / scale, y1 / scale, (x2 - x1) / scale, (y2 - y1) / scale)
