"""Serve exact frames of videos as JPEG to several people, in limited memory."""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
from PIL import Image as PillowImage

from mixformer.annotation.web.damage_notes import DamageNotes
from mixformer.annotation.web.previews import Previews
from mixformer.errors import SourceError
from mixformer.imaging.containers import open_container
from mixformer.imaging.last_used import LastUsed
from mixformer.types import Image
from mixformer.video import FrameReader, open_frames
from mixformer.video.frame_table import FrameTable
from mixformer.video.reader import from_disk

QUALITY = 85
_LANES = 16  # largest number of open decoders
_FRAME_BYTES = 512 * 2**20  # bytes of decoded frames of all decoders
_JPEG_BYTES = 128 * 2**20
_SMALLEST, _LARGEST = 64, 8192  # limits of the width in a request


class StaleRequestError(Exception):
    """The viewer has asked for a newer frame in the meantime."""


@dataclass(frozen=True)
class VideoFacts:
    """The facts of a video that the page needs."""

    width: int  # of a frame in pixels
    height: int
    fps: float | None  # frames per second, or None if unknown
    frame_count: int
    exact: bool  # whether the number of frames is exact; it is an estimate until the index is made


@dataclass
class _Lane:
    """The decoder of one viewer of one video."""

    path: Path
    reader: FrameReader
    lock: threading.Lock = field(default_factory=threading.Lock)
    newest: int = 0  # ticket of the latest seek
    used: float = 0.0
    waiting: int = 0  # number of requests that use it or wait for it


class FrameStore:
    """Make JPEG pictures of frames by number. Each viewer has its own decoder, which stays open at its place.

    The frames are those of `open_frames`, so a number means the same frame here, in a tracker and in an export.
    """

    def __init__(self, lanes: int = _LANES, frame_bytes: int = _FRAME_BYTES, jpeg_bytes: int = _JPEG_BYTES) -> None:
        self._most, self._frame_bytes = lanes, frame_bytes
        self._lanes: dict[tuple[Path, str], _Lane] = {}
        self._facts: dict[Path, VideoFacts] = {}
        self._tables: dict[Path, FrameTable | None] = {}
        self._jpegs: LastUsed[tuple[Path, int, int], bytes] = LastUsed(jpeg_bytes, len)
        self.damage = DamageNotes()
        self._previews = Previews(self.damage.note)
        self._guard = threading.Lock()  # protects the dictionaries; no thread decodes while it holds this
        self._closed = False

    def facts(self, path: Path, wait: bool = False) -> VideoFacts:
        """Return the known facts of a video. The first call decodes one frame; a thread then makes the index.

        With `wait`, the index is made now, so that the number of frames is exact. Raises SourceError if the video
        cannot be opened, or its first frame cannot be read.
        """
        facts = self._facts.get(path)
        if facts is None:
            facts = self._facts[path] = self._look(path)
            if not wait:
                threading.Thread(target=self._index, args=(path,), name="index", daemon=True).start()
        if wait and not facts.exact:
            self._index(path)
        return self._facts.get(path, facts)  # another thread may forget it

    def jpeg(self, path: Path, number: int, width: int | None = None, viewer: str = "", seek: bool = False) -> bytes:
        """Return frame `number` as JPEG, at most `width` pixels wide. Each viewer has its own decoder.

        With `seek`, the viewer has gone to this frame, so frames that it asked for before are not needed any more: they
        raise StaleRequestError. Raises IndexError if there is no such frame, and SourceError if the video cannot be
        opened.
        """
        size = self._width(path, width)
        if seek:
            self._previews.look(path, number, viewer)
        return self._kept((path, number, size), lambda: self._image(path, number, viewer, seek, size))

    def _kept(self, key: tuple[Path, int, int], make: Callable[[], Image]) -> bytes:
        with self._guard:
            found, facts = self._jpegs.get(key), self._facts.get(key[0])
        if found is not None:
            return found
        data = encode(make(), key[2])
        with self._guard:
            if self._facts.get(key[0]) is facts:  # else the file has changed meanwhile
                self._jpegs.put(key, data)
        return data

    def preview(self, path: Path, number: int, width: int | None = None, viewer: str = "") -> bytes | None:
        """Return a frame as JPEG from the previews, which may be smaller, or None if there is no preview yet."""
        image = self._previews.image(path, number)
        if image is None:
            return None
        self._previews.look(path, number, viewer)
        return encode(image, self._width(path, width))

    def key_before(self, path: Path, number: int, width: int | None = None) -> tuple[int, bytes]:
        """Return the key frame at or before a frame: its number and its JPEG. Raises IndexError if it is unknown."""
        table = self._tables.get(path)
        key = table.key_number(number) if table else None
        if key is None:
            raise IndexError(f"the key frame before frame {number} is unknown")
        size = self._width(path, width)
        return key, self._kept((path, key, size), lambda: self._key_image(path, key, size))

    def _key_image(self, path: Path, key: int, width: int) -> Image:
        with self._lane(path, "") as lane, lane.lock:
            return lane.reader.key_picture(key, width)

    def forget(self, path: Path) -> None:
        """Drop all data of a video whose file has changed."""
        with self._guard:
            lanes = [self._lanes.pop(key) for key in list(self._lanes) if key[0] == path]
            for key in [key for key in self._jpegs.values if key[0] == path]:
                self._jpegs.pop(key)
            self._facts.pop(path, None)
            self._tables.pop(path, None)
        self._previews.forget(path)
        self.damage.forget(path)
        for lane in lanes:
            lane.reader.close()

    def close(self) -> None:
        """Close all videos."""
        self._closed = True
        self._previews.close()
        for path in {key[0] for key in list(self._lanes)}:
            self.forget(path)

    def _look(self, path: Path) -> VideoFacts:
        try:
            with self._lane(path, "") as lane, lane.lock:
                frame = lane.reader[0]
        except IndexError as error:
            raise SourceError(f"{path.name} has no first frame that can be read: {error}") from error
        height, width = frame.image.shape[:2]
        count, fps = lane.reader.frame_count, lane.reader.fps
        return VideoFacts(width, height, fps, count or _estimate(path, fps), exact=False)

    def _index(self, path: Path) -> None:
        """Make the index of a file for all its decoders. If its packets do not tell the frames, count by decoding."""
        facts = self._facts.get(path)
        try:
            with open_frames(path, 0) as reader:
                count = reader.make_index()
                if count is None:
                    count = _counted(path, lambda: self._closed)
        except (SourceError, OSError):
            return  # requests for its frames get the error
        with self._guard:
            if facts is None or self._facts.get(path) is not facts:  # the file has changed meanwhile
                return
            self._facts[path] = replace(facts, frame_count=count, exact=True)
            self._tables[path] = reader.index
            for key, lane in self._lanes.items():
                if key[0] == path:
                    lane.reader.share_index(reader.index)
        self._previews.plan(path, reader.index, count, facts.width * facts.height)

    def _width(self, path: Path, width: int | None) -> int:
        own = self.facts(path).width
        return own if width is None else min(own, max(_SMALLEST, min(width, _LARGEST)))

    def _image(self, path: Path, number: int, viewer: str, seek: bool, width: int) -> Image:
        try:
            with self._lane(path, viewer) as lane:
                with self._guard:
                    lane.newest += seek
                    ticket = lane.newest
                with self._previews.standing_back() if seek else nullcontext(), lane.lock:
                    wanted = lane.newest == ticket
                    frame = lane.reader.read(number, lambda: lane.newest == ticket, width) if wanted else None
        except IndexError:
            facts = self._facts.get(path)
            if facts and facts.exact and number < facts.frame_count:
                self.damage.note(path, number)
            raise
        if frame is None:
            raise StaleRequestError
        if frame.damaged:
            self.damage.note(path, number)
        return frame.image

    @contextmanager
    def _lane(self, path: Path, viewer: str) -> Iterator[_Lane]:
        """Hold the viewer's decoder for a video, so that it is not dropped for others."""
        lane = self._taken_lane(path, viewer)
        try:
            yield lane
        finally:
            with self._guard:
                lane.waiting -= 1

    def _taken_lane(self, path: Path, viewer: str) -> _Lane:
        """Return the viewer's decoder for a video. If there are too many, drop the least recently used one."""
        with self._guard:
            lane = self._lanes.get((path, viewer))
            if lane is not None:
                return _taken(lane)
        made = _Lane(path, open_frames(path, self._frame_bytes // self._most))
        with self._guard:
            lane = self._lanes.setdefault((path, viewer), made)
            dropped = [self._drop_idle()] if len(self._lanes) > self._most else []
            share = self._frame_bytes // len(self._lanes)
            lane.reader.share_index(self._tables.get(path))
            readers = [each.reader for each in self._lanes.values()]
            _taken(lane)
        for old in [*dropped, *([made] if made is not lane else [])]:
            if old is not None:
                old.reader.close()
        for reader in readers:
            reader.limit_cache(share)
        return lane

    def _drop_idle(self) -> _Lane | None:
        idle = [key for key, lane in self._lanes.items() if not lane.waiting and lane.used]
        return self._lanes.pop(min(idle, key=lambda key: self._lanes[key].used)) if idle else None


def _taken(lane: _Lane) -> _Lane:
    lane.used = time.monotonic()
    lane.waiting += 1
    return lane


def encode(image: Image, width: int) -> bytes:
    """Return an RGB image as JPEG, reduced if it is wider than `width`."""
    picture = PillowImage.fromarray(image)
    if width < picture.width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), PillowImage.Resampling.BILINEAR, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _estimate(path: Path, fps: float | None) -> int:
    """Estimate the number of frames from the length in the container; 1 if it has none."""
    with open_container(path) as container:
        seconds = (container.duration or 0) / av.time_base
    return max(1, math.floor(seconds * fps + 0.5)) if fps else 1


def _counted(path: Path, over: Callable[[], bool]) -> int:
    """Count the frames of a file by decoding it, until `over` returns True."""
    count = 0
    with closing(from_disk(str(path))) as decoder:
        for raw in decoder.frames(0):
            count = raw.index + 1
            if over():
                break
    return max(count, 1)
