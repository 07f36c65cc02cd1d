"""ImageNet-VID: videos with XML annotations, every track of an object a sequence."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixformer.data.datasets.annotation_cache import cached_index, read_whole
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, entry
from mixformer.data.datasets.vid_tracks import Tracks, from_json, from_xml, to_json
from mixformer.data.datasets.video_folders import Frames, number_names, where
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.data.storage import Store, open_store
from mixformer.errors import DataError

log = logging.getLogger(__name__)

_LAYOUT = (
    "Annotations/VID/train/ILSVRC2015_VID_train_0000/NAME/000000.xml (or cache.json) and "
    "Data/VID/train/ILSVRC2015_VID_train_0000/NAME/000000.JPEG, as folders, or in one LMDB database"
)
_TRUTH, _DATA, _JSON = "Annotations/VID/train", "Data/VID/train", "cache.json"


@dataclass
class _Reader:
    """Makes the sequence of track number i."""

    store: Store
    tracks: Tracks
    _warned: set[int] = field(default_factory=set, repr=False)

    def __call__(self, index: int) -> VideoSequence:
        folder = str(self.tracks.folders[index])
        boxes, visible = self.tracks.rows(index)
        place, start = f"{_DATA}/{folder}", int(self.tracks.starts[index])
        names = number_names(self.store.listing(place)[1], start)
        rows = [row for row in range(len(boxes)) if row in names]
        if len(rows) < len(boxes) and index not in self._warned:
            self._warned.add(index)
            gone = next(row for row in range(len(boxes)) if row not in names) + start
            log.warning(
                "%s: %s lacks %d of %d frames, the first of them number %d. The sequence goes on without them",
                self.tracks.name(index),
                where(self.store, place),
                len(boxes) - len(rows),
                len(boxes),
                gone,
            )
        frames = Frames(self.store, place, tuple(names[row] for row in rows))
        kind = str(self.tracks.kinds[index])
        return VideoSequence(self.tracks.name(index), frames, boxes[rows], "vid", ~visible[rows], kind)


def _tracks(root: Path, cache: Path | None) -> tuple[Store, Tracks]:
    """All tracks: of cache.json if there is one, else of the XML files."""
    store = open_store(root)
    if _JSON in store.listing("")[1]:
        return store, Tracks(**cached_index(store, _JSON, cache, lambda: from_json(read_whole(store, _JSON), _JSON)))
    if not store.listing(_TRUTH)[0]:
        raise DataError(f"no vid sequences in {root}; looked for {_LAYOUT}")
    return store, Tracks(**cached_index(store, _TRUTH, cache, lambda: from_xml(store, _TRUTH)))


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """The set under a root; parsing its million XML files takes minutes, so give a `cache` folder."""
    store, tracks = _tracks(root, options.cache)
    reader = _Reader(store, tracks)
    count = len(tracks.starts)
    if not any(len(reader(index)) for index in range(min(count, 5))):
        raise DataError(f"vid in {root}: the first of {count} tracks have no pictures; looked for {_LAYOUT}")
    return LazySequences([tracks.name(index) for index in range(count)], reader, "vid")


def detect(root: Path) -> bool:
    """Whether there are the folders of the task."""
    store = open_store(root)
    return bool(store.listing(_DATA)[0]) and bool(store.listing(_TRUTH)[0] or _JSON in store.listing("")[1])


def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
    """One database with the keys cache.json and Data/VID/train/..."""
    return {"": _items(root)}


def _items(root: Path) -> Iterator[PackItem]:
    store, tracks = _tracks(root, None)
    yield _JSON, json.dumps(to_json(store, _DATA, tracks)).encode()
    for folder in dict.fromkeys(tracks.folders.tolist()):
        for name in store.listing(f"{_DATA}/{folder}")[1]:
            key = f"{_DATA}/{folder}/{name}"
            yield key, entry(store, key)


VID = DatasetSpec(
    "vid",
    "ImageNet-VID, videos of 30 classes",
    {"train": "every track of an object in the training videos"},
    _LAYOUT,
    frozenset({"cache"}),
    detect,
    read,
    pack,
)
