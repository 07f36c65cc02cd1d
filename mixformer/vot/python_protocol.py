"""The tracker for the toolkit's `python` protocol (0.8 and later): the toolkit loads its class by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mixformer.configs.runtime import Runtime
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.errors import ConfigError, MixFormerError
from mixformer.imaging.images import read_image
from mixformer.masks.refiner import Mask
from mixformer.types import Box, Image
from mixformer.vot.regions import Polygon, Region, region_box

Status = tuple[Any, dict[str, str]]
"""A region and its properties, as the toolkit reads them."""

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")

Frame = str | Mapping[str, str | Image]
"""File of a picture, or files or RGB arrays of its channels."""


class MaskRows(list[list[int]]):
    """A mask as rows of 0 and 1, the only form that the toolkit recognizes.

    Toolkit 0.9.0 then calls `astype` on the list, as if it were an array, which would fail for a plain list.
    """

    def astype(self, dtype: DTypeLike) -> NDArray[Any]:
        """Return the mask as an array (H, W)."""
        return np.array(list(self), dtype)


class VotTracker:
    """The tracker of `command = mixformer.vot:VotTracker` in a `trackers.ini`; `arg_NAME` lines become arguments.

    The entry needs `convert = rectangle`, because the toolkit cannot send masks.

    Example:
        >>> from mixformer.vot import VotTracker
        >>> VotTracker.__name__  # the toolkit makes and calls it
        'VotTracker'
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        preset: str | None = None,
        masks: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        multiobject: str = "true",
        engine: str = "auto",
        threads: str = "auto",
    ) -> None:
        """Load the model. The toolkit gives every argument as text.

        Args:
            model: name, folder or checkpoint file of a model.
            preset: benchmark whose published settings to use.
            masks: how to turn boxes into masks; see `open_session`.
            device: as in `mixformer.Runtime`.
            precision: as in `mixformer.Runtime`.
            multiobject: "true" or "false": whether to accept several targets. Experiments with one target work either
                way, but `vot test` of toolkit 0.9.0 gives three targets to every tracker of this protocol.
            engine: as in `mixformer.Runtime`.
            threads: number of CPU threads, or "auto" for the engine's own number.

        Raises:
            RuntimeError: if the model cannot be loaded or an argument is wrong. The toolkit does not report errors of
                the kinds of this package.
        """
        from mixformer.vot.session import open_session

        try:
            self.multiobject = _flag(multiobject)
            runtime = Runtime(device=device, engine=engine, precision=precision, threads=_count(threads))
            self._session = open_session(model, preset=preset, masks=masks, runtime=runtime)
        except MixFormerError as error:
            raise RuntimeError(str(error)) from error

    def init(self, frame: Frame, new: Any, properties: Mapping[str, Any]) -> Status | list[Status]:
        """Remove all targets and start those of `new`; see `update`."""
        self._session.reset()
        return self.update(frame, new, properties)

    def update(self, frame: Frame, new: Any = (), properties: Mapping[str, Any] | None = None) -> Status | list[Status]:
        """Track all targets in a frame, and start the new ones.

        Args:
            frame: file of the picture; with several channels, files or RGB arrays by channel, of which `color` is used.
            new: (region, properties) if `init` has one target, otherwise a list of such pairs.
            properties: not used.

        Returns:
            (region, properties) of the target, or a list of these if `multiobject`.

        Raises:
            RuntimeError: if the frame or a region cannot be used, or one target is wanted and there is none.
        """
        pairs = [new] if isinstance(new, tuple) and new else new
        try:
            color = frame if isinstance(frame, str) else frame["color"]
            image = color if isinstance(color, np.ndarray) else read_image(color)
            answers = self._session.process(image, [_region(region) for region, _ in pairs])
        except MixFormerError as error:
            raise RuntimeError(str(error)) from error
        found = [(_plain(answer.region), answer.properties) for answer in answers]
        if not (found or self.multiobject):
            raise RuntimeError("there is no target; give one to init, or set multiobject to true")
        return found if self.multiobject else found[0]


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ConfigError(f"multiobject must be true or false, not {text!r}")
    return text.lower() in _TRUE


def _count(text: str) -> int | None:
    if text != "auto" and not text.isdecimal():
        raise ConfigError(f"threads must be a number or auto, not {text!r}")
    return None if text == "auto" else int(text)


def _region(data: Any) -> Region:
    """Decode a region of the toolkit.

    With `convert = rectangle`, the toolkit sends points only for a mask: the corner pixels of its box. These belong to
    the box, so it ends one pixel after them.
    """
    match data:
        case np.ndarray():
            return data.astype(np.bool_)
        case (x, y, w, h) if isinstance(data, tuple):
            return Box(x, y, w, h)
        case [_, _, _, *_] if isinstance(data, list):
            x, y, w, h = region_box(Polygon(np.array(data, np.float64)))
            return Box(x, y, w + 1, h + 1)
    raise ConfigError(f"cannot start on the region {str(data)[:60]}; give a box, a mask or a polygon")


def _plain(region: Box | Mask) -> tuple[float, ...] | MaskRows:
    if isinstance(region, Box):
        return tuple(float(v) for v in region)
    return MaskRows(region.astype(int).tolist())
