"""A user's sequences in one JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixformer.data.frame_storage import ClipFrame, FrameRef
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.data.storage import path_below
from mixformer.errors import DataError, counted, malformed_as_data_error
from mixformer.files import LARGEST_ANNOTATION, as_numbers, read_json_file
from mixformer.types import FloatArray


def read_json(path: Path) -> LazySequences:
    """Read a file `{"sequences": [{"name", "frames" or "video", "boxes", "label"?}, ...]}`.

    `frames` lists picture files relative to the JSON file; `video` is one video file instead. `boxes` has for each
    frame `[x, y, w, h]` in pixels, or null where the target is absent.

    Raises DataError if the file is not of this form. A sequence that is not of this form raises it when it is indexed.
    """
    form = '{"sequences": [{"name": ..., "frames": [...], "boxes": [...]}]}'
    with malformed_as_data_error(f"{path} is not of the form {form}"):
        entries = read_json_file(path, DataError, LARGEST_ANNOTATION)["sequences"]
        names = [str(entry.get("name", number)) for number, entry in enumerate(entries)]
    if not names:
        raise DataError(f"{path} lists no sequences; docs/data.md shows the form")
    return LazySequences(names, _Reader(path, entries, names), path.stem)


class _Reader:
    """Makes sequence number i."""

    def __init__(self, path: Path, entries: list[dict[str, Any]], names: list[str]) -> None:
        self.path, self.entries, self.names = path, entries, names

    def __call__(self, index: int) -> VideoSequence:
        entry, name = self.entries[index], self.names[index]
        where = f"{self.path}, sequence {name}"
        boxes = self._boxes(entry, where)
        frames = self._frames(entry, len(boxes), where)
        if len(frames) != len(boxes):
            raise DataError(
                f"{where}: {counted(len(frames), 'frame')} but {counted(len(boxes), 'box')}; "
                "write null for an absent target"
            )
        return VideoSequence(name, frames, boxes, self.path.stem, label=str(entry.get("label", "")))

    def _frames(self, entry: dict[str, Any], count: int, where: str) -> tuple[FrameRef, ...]:
        if ("frames" in entry) == ("video" in entry):
            raise DataError(f'{where}: give either "frames" or "video"')
        if "video" in entry:
            video = path_below(self.path.parent, entry["video"], self.path)
            return tuple(ClipFrame(video, number) for number in range(count))
        if not isinstance(entry["frames"], list):
            raise DataError(f'{where}: "frames" must be a list of picture files')
        return tuple(path_below(self.path.parent, frame, self.path) for frame in entry["frames"])

    def _boxes(self, entry: dict[str, Any], where: str) -> FloatArray:
        boxes = entry.get("boxes")
        if not isinstance(boxes, list):
            raise DataError(f'{where}: "boxes" must be a list with one box or null for each frame')
        return as_numbers(boxes, 4, f"{where}: a box is four numbers [x, y, w, h] or null")
