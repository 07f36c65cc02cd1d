"""ImageNet-VID: videos with XML annotations. Each track of an object is a sequence."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mixformer.data.datasets.annotation_cache import cached_index, read_whole
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, one_database, pack_item
from mixformer.data.datasets.sequence_files import StoredFrames, index_frames
from mixformer.data.datasets.vid_tracks import Tracks, from_json, from_xml, to_json
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.data.storage import Storage, describe_key, open_storage
from mixformer.errors import DataError

log = logging.getLogger(__name__)

_LAYOUT = (
    "Annotations/VID/train/ILSVRC2015_VID_train_0000/NAME/000000.xml (or cache.json) and "
    "Data/VID/train/ILSVRC2015_VID_train_0000/NAME/000000.JPEG, as folders, or in one LMDB database"
)
_ANNOTATIONS, _DATA, _JSON = "Annotations/VID/train", "Data/VID/train", "cache.json"


@dataclass
class _Reader:
    """Makes the sequence of track number i."""

    storage: Storage
    tracks: Tracks
    _warned: set[int] = field(default_factory=set, repr=False)

    def __call__(self, index: int) -> VideoSequence:
        folder = str(self.tracks.folders[index])
        boxes, visible = self.tracks.rows(index)
        place, start = f"{_DATA}/{folder}", int(self.tracks.starts[index])
        names = index_frames(self.storage.listing(place)[1], start)
        rows = [row for row in range(len(boxes)) if row in names]
        if len(rows) < len(boxes) and index not in self._warned:
            self._warned.add(index)
            gone = next(row for row in range(len(boxes)) if row not in names) + start
            log.warning(
                "%s: %s lacks %d of %d pictures, the first is number %d. These frames are left out",
                self.tracks.name(index),
                describe_key(self.storage, place),
                len(boxes) - len(rows),
                len(boxes),
                gone,
            )
        frames = StoredFrames(self.storage, place, tuple(names[row] for row in rows))
        kind = str(self.tracks.kinds[index])
        return VideoSequence(self.tracks.name(index), frames, boxes[rows], "vid", ~visible[rows], kind)


def _tracks(root: Path, cache: Path | None) -> tuple[Storage, Tracks]:
    """Read all tracks from cache.json if it is there, else from the XML files."""
    storage = open_storage(root)
    if _JSON in storage.listing("")[1]:
        index = cached_index(storage, _JSON, cache, lambda: from_json(read_whole(storage, _JSON), _JSON))
        return storage, Tracks(**index)
    if not storage.listing(_ANNOTATIONS)[0]:
        raise DataError(f"no vid sequences in {root}; looked for {_LAYOUT}")
    return storage, Tracks(**cached_index(storage, _ANNOTATIONS, cache, lambda: from_xml(storage, _ANNOTATIONS)))


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """Read the data set under a root. It has a million XML files, so parsing takes minutes without a `cache` folder."""
    storage, tracks = _tracks(root, options.cache)
    reader = _Reader(storage, tracks)
    count = len(tracks.starts)
    if not any(len(reader(index)) for index in range(min(count, 5))):
        raise DataError(f"vid in {root}: the first of {count} tracks have no pictures; looked for {_LAYOUT}")
    return LazySequences([tracks.name(index) for index in range(count)], reader, "vid")


def detect(root: Path) -> bool:
    """Return whether the folders of ImageNet-VID are there."""
    storage = open_storage(root)
    return bool(storage.listing(_DATA)[0]) and bool(storage.listing(_ANNOTATIONS)[0] or _JSON in storage.listing("")[1])


def pack_items(root: Path) -> Iterator[PackItem]:
    """Yield the entries of a database: cache.json and Data/VID/train/..."""
    storage, tracks = _tracks(root, None)
    yield _JSON, json.dumps(to_json(storage, _DATA, tracks)).encode()
    for folder in dict.fromkeys(tracks.folders.tolist()):
        for name in storage.listing(f"{_DATA}/{folder}")[1]:
            key = f"{_DATA}/{folder}/{name}"
            yield key, pack_item(storage, key)


VID = DatasetSpec(
    "vid",
    "ImageNet-VID, videos of 30 classes",
    {"train": "every track of an object in the training videos"},
    _LAYOUT,
    frozenset({"cache"}),
    detect,
    read,
    one_database(pack_items),
)
