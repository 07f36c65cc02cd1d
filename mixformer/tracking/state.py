"""The state of one tracked target as an explicit value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.errors import CheckpointError, OutputError
from mixformer.imaging.crop import resize
from mixformer.tracking.template_update import TemplateBuffer
from mixformer.types import Box, Image

_FORMAT = 1


@dataclass(frozen=True)
class TrackState:
    """Everything a tracker knows about its target. Values are never changed in place, so keeping one is a copy.

    Attributes:
        box: last box in pixels, xywh.
        frame_index: 0 after `init`.
        frame_size: (height, width) of the frames.
        templates: uint8 (1 + n, t, t, 3): the initial template, then the online ones.
        ring: bookkeeping of the online templates.
        candidate: window of the best frame of the running interval before its resize, uint8 (side, side, 3); None while
            there is none.
        memory: the engine's encoding of `templates`; None when restored from a file, then encoded on demand.
    """

    box: Box
    frame_index: int
    frame_size: tuple[int, int]
    templates: Image
    ring: TemplateBuffer = field(default_factory=TemplateBuffer)
    candidate: Image | None = None
    memory: Any = field(default=None, repr=False, compare=False)

    def committed(self, slot: int) -> Image:
        """Templates with the candidate (or, without one, the initial template) in an online slot, or appended."""
        size = self.templates.shape[1]
        new = self.templates[0] if self.candidate is None else resize(self.candidate, size, size)
        online = list(self.templates[1:])
        online[slot : slot + 1] = [new]
        return np.stack([self.templates[0], *online])

    def save(self, path: str | Path) -> None:
        """Write to one `.npz` file (arrays and JSON; no pickle).

        Raises:
            OutputError: if it cannot be written.
        """
        header = {
            "format": _FORMAT,
            "box": list(self.box),
            "frame_index": self.frame_index,
            "frame_size": list(self.frame_size),
            "ring": [self.ring.best_score, self.ring.count, self.ring.next_slot],
        }
        arrays: dict[str, Any] = {"header": np.array(json.dumps(header)), "templates": self.templates}
        if self.candidate is not None:
            arrays["candidate"] = self.candidate
        try:
            with Path(path).open("wb") as file:
                np.savez_compressed(file, **arrays)
        except OSError as error:
            raise OutputError(f"could not write the tracker state to {path}: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> TrackState:
        """Read what `save` wrote.

        Raises:
            CheckpointError: if the file is missing, damaged or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                header = json.loads(str(arrays["header"]))
                templates = arrays["templates"]
                candidate = arrays.get("candidate")
            if header["format"] != _FORMAT:
                raise ValueError(f"format {header['format']}, this version reads {_FORMAT}")
            best, count, following = header["ring"]
            height, width = header["frame_size"]
            ring = TemplateBuffer(float(best), int(count), int(following))
            box, index = Box(*header["box"]), int(header["frame_index"])
        except Exception as error:  # zipfile, numpy and json raise many kinds; all mean the same here
            raise CheckpointError(f"{path} is not a tracker state: {error}") from error
        return cls(box, index, (height, width), templates, ring, candidate)
