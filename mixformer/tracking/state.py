"""The state of one target as an explicit value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.errors import CheckpointError, warn_deprecated
from mixformer.files import arrays_writer, write_files
from mixformer.imaging.resize import resize_image
from mixformer.tracking.presence import Presence
from mixformer.tracking.state_checks import check_read_state, four_numbers
from mixformer.tracking.template_update import TemplateBuffer
from mixformer.types import Box, FloatArray, Image, renamed

_FORMAT = 2
_NO_MEMORY: dict[str, Any] = dict.fromkeys(("memory", "first_memory", "first_look", "encoder"))


@dataclass(frozen=True)
class TrackState:
    """The state of one target. A state is never changed in place, so it can be kept and used again.

    Attributes:
        box: last box in pixels, xywh.
        frame_index: number of updates since `init`.
        frame_size: (height, width) of the frames.
        templates: uint8 (1 + n, t, t, 3): the initial template, then the n online templates.
        template_buffer: counters of the online templates.
        candidate_crop: crop of the best frame of the running interval before its resize, uint8 (side, side, 3); None
            while there is none.
        memory: the engine's encoding of `templates`. It is None in a state that was read from a file, pickled or
            deep-copied, until it is needed.
        presence: whether the target is there, and values for the search for a lost target.
        first_memory: the engine's encoding of the initial template alone, for that search; may be None like `memory`.
        first_look: the engine's description of the initial template, (tokens, C), for `likeness`; may be None like
            `memory`.
        encoder: function that gives the engine that made these three, if it still lives; another one makes its own,
            since no engine can read the memory of another, even of the same model in another precision.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from mixformer import Box, TrackState
        >>> state = TrackState(Box(1, 2, 3, 4), 7, (90, 120), np.zeros((2, 16, 16, 3), np.uint8))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     state.save(f"{folder}/state.npz")
        ...     TrackState.load(f"{folder}/state.npz").frame_index
        7
    """

    box: Box
    frame_index: int
    frame_size: tuple[int, int]
    templates: Image
    template_buffer: TemplateBuffer = field(default_factory=TemplateBuffer)
    candidate_crop: Image | None = None
    memory: Any = field(default=None, repr=False, compare=False)
    presence: Presence = field(default_factory=Presence)
    first_memory: Any = field(default=None, repr=False, compare=False)
    first_look: FloatArray | None = field(default=None, repr=False, compare=False)
    encoder: Callable[[], Any] | None = field(default=None, repr=False, compare=False)

    ring = renamed("ring", "template_buffer")
    candidate = renamed("candidate", "candidate_crop")

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the memories, which belong to an engine and are made again when a copy is used."""
        return {**vars(self), **_NO_MEMORY}

    def without_memory(self) -> TrackState:
        """Return the state without what an engine made; the next one that uses it makes it again."""
        if all(getattr(self, name) is None for name in _NO_MEMORY):
            return self
        return replace(self, **_NO_MEMORY)

    @property
    def window(self) -> Box:
        """The box around which the next frame is searched, in pixels: the last one, or one that the search found."""
        return self.presence.found_box or self.box

    def committed(self, slot: int) -> Image:
        """Return the templates with the candidate in an online slot; a slot at the end appends it.

        Without a candidate, the initial template takes the slot.
        """
        size = self.templates.shape[1]
        new = self.templates[0] if self.candidate_crop is None else resize_image(self.candidate_crop, size, size)
        online = list(self.templates[1:])
        online[slot : slot + 1] = [new]
        return np.stack([self.templates[0], *online])

    def to_arrays(self) -> dict[str, Any]:
        """Return all but the memories as arrays by name; the array `header` holds JSON. See `from_arrays`."""
        header = {
            "format": _FORMAT,
            "box": list(self.box),
            "frame_index": self.frame_index,
            "frame_size": list(self.frame_size),
            "template_buffer": asdict(self.template_buffer),
            "presence": asdict(self.presence),
        }
        arrays: dict[str, Any] = {"header": np.array(json.dumps(header)), "templates": self.templates}
        if self.candidate_crop is not None:
            arrays["candidate_crop"] = self.candidate_crop
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], name: object) -> TrackState:
        """Make the state from the arrays of `to_arrays`.

        Args:
            arrays: the arrays.
            name: name of the arrays in messages, such as the path of their file.

        Raises:
            CheckpointError: if they are not a state.
        """
        try:
            arrays = dict(arrays)
            header = json.loads(str(arrays.pop("header")))
            if header["format"] == 1:
                _renew(header, arrays, name)
            if header["format"] != _FORMAT:
                raise ValueError(f"format {header['format']}, this version reads 1 to {_FORMAT}")
            box, buffer = four_numbers(header["box"]), TemplateBuffer(**header["template_buffer"])
            presence = Presence.from_dict(header["presence"])
            if unknown := sorted(arrays.keys() - {"templates", "candidate_crop"}):
                raise ValueError(f"unknown arrays {', '.join(unknown)}")
            rest = {"template_buffer": buffer, "presence": presence, **arrays}
            state = cls(box, header["frame_index"], tuple(header["frame_size"]), **rest)
            check_read_state(state)
            return state
        except Exception as error:  # json and others raise many kinds; all mean the same here
            raise CheckpointError(f"{name} is not a tracker state: {error}; save one with TrackState.save") from error

    def save(self, path: str | Path) -> None:
        """Write the state to one `.npz` file of arrays and JSON, without pickle.

        Raises:
            OutputError: if it cannot be written.
        """
        write_files({Path(path): arrays_writer(self.to_arrays(), compressed=True)})

    @classmethod
    def load(cls, path: str | Path) -> TrackState:
        """Read a state that `save` wrote.

        Raises:
            CheckpointError: if the file is missing, damaged or not a state.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file}
        except Exception as error:  # zipfile and numpy raise many kinds; all mean the same here
            raise CheckpointError(f"{path} is not a tracker state: {error}; save one with TrackState.save") from error
        return cls.from_arrays(arrays, path)


def _renew(header: dict[str, Any], arrays: dict[str, Any], path: object) -> None:
    """Rename the contents of a state of mixformer 0.1 in place."""
    warn_deprecated(f"{path} has the format 1 of mixformer 0.1, with ring; save it again for template_buffer")
    best, count, following = header.pop("ring")
    buffer = TemplateBuffer(float(best), int(count), int(following))
    header |= {"format": 2, "template_buffer": asdict(buffer), "presence": asdict(Presence())}
    if "candidate" in arrays:
        arrays["candidate_crop"] = arrays.pop("candidate")
