"""References to pictures in files, archives and videos, in one process and in several; and lazy lists."""

import multiprocessing
import pickle
import threading

import av
import numpy as np
import pytest

from mixformer.data import load_dataset
from mixformer.data.datasets.archive_packing import pack
from mixformer.data.frame_storage import ArchiveFrame, ClipFrame, Handles, read_frame
from mixformer.data.sequence import ImageCache, LazySequences, VideoSequence
from mixformer.errors import DataError
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.miniatures import got10k, lasot, zip_folder


@pytest.fixture
def archives(tmp_path):
    """The same pictures in a zip file and in a database, and the plain ones."""
    root = lasot(tmp_path / "plain")
    pack(root, tmp_path / "packed")
    return root, zip_folder(root, tmp_path / "all.zip"), tmp_path / "packed"


KEY = "bear/bear-2/img/00000003.jpg"


def test_pictures_are_the_same_wherever_they_are(archives):
    root, *packed = archives
    plain = read_frame(root / KEY)
    for archive in packed:
        frame = ArchiveFrame(archive, KEY)
        assert {frame: 1}[ArchiveFrame(archive, KEY)] == 1
        assert pickle.loads(pickle.dumps(frame)) == frame
        assert (read_frame(frame) == plain).all()
        cache = ImageCache(1)
        assert cache.read(frame) is cache.read(frame)
        with pytest.raises(DataError, match=r"has no entry bear/nothing\.jpg"):
            read_frame(ArchiveFrame(archive, "bear/nothing.jpg"))
        with pytest.raises(DataError, match=r"cannot read the image .*groundtruth\.txt"):
            read_frame(ArchiveFrame(archive, "bear/bear-1/groundtruth.txt"))


def _sum(frames, queue):
    queue.put(sum(int(read_frame(frame).sum()) for frame in frames))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_open_archives_of_their_own(archives, method, clip):
    frames = [*(ArchiveFrame(archive, KEY) for archive in archives[1:]), ClipFrame(clip, 3)]
    expected = sum(int(read_frame(frame).sum()) for frame in frames)  # now all are open here
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_sum, args=(frames, queue), daemon=True) for _ in range(2)]
    for child in children:
        child.start()
    assert [queue.get(timeout=60) for _ in children] == [expected, expected]
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert sum(int(read_frame(frame).sum()) for frame in frames) == expected  # still open here


def test_sequences_of_a_set_can_be_sent_to_a_process(archives):
    found = load_dataset("lasot", archives[2])
    again = pickle.loads(pickle.dumps(found))
    assert [s.name for s in again] == [s.name for s in found]
    assert list(pickle.loads(pickle.dumps(again[0])).frames) == list(found[0].frames)


def test_threads_share_one_open_archive(archives):
    frame, found = ArchiveFrame(archives[1], KEY), []
    expected = read_frame(frame)
    threads = [threading.Thread(target=lambda: found.append(read_frame(frame))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all((image == expected).all() for image in found)


def test_only_so_many_files_stay_open(tmp_path):
    class Opened:
        def __init__(self, path):
            self.path, self.closed = path, False

        def close(self):
            self.closed = True

    few, made = Handles(limit=2), []

    def opener(path):
        made.append(Opened(path))
        return made[-1]

    for name in ("a", "b", "a", "c", "a"):
        assert few.use(tmp_path / name, opener, lambda opened: opened.path.name) == name
    assert [(o.path.name, o.closed) for o in made] == [("a", False), ("b", True), ("c", False)]
    few.before_fork()
    assert all(opened.closed for opened in made)
    few.after_fork()
    assert few.use(tmp_path / "a", opener, lambda opened: opened.closed) is False


def test_frames_of_a_video_by_number(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", moving_square(count=40, step=2)[0])
    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len({frame.tobytes() for frame in frames}) == 40
    for index in (0, 39, 7, 8, 9, 3, 38, 0):
        assert (read_frame(ClipFrame(clip, index)) == frames[index]).all()
    with pytest.raises(DataError, match=r"has 40 frames; there is no frame 40"):
        read_frame(ClipFrame(clip, 40))
    with pytest.raises(DataError, match="not a video that can be read"):
        read_frame(ClipFrame(tmp_path / "nowhere.mp4", 0))
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DataError, match="not a video that can be read"):
        read_frame(ClipFrame(tmp_path / "text.mp4", 0))


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    loaded = []

    def load(index):
        loaded.append(index)
        return VideoSequence(f"s{index}", (tmp_path / "a.png",), np.array([[1.0, 2, 3, 4]]))

    lazy = LazySequences([f"s{i}" for i in range(5)], load, "set", keep=2)
    assert (len(lazy), loaded, lazy.names[3]) == (5, [], "s3")
    assert lazy[3] is lazy[3] is lazy[-2]
    assert [s.name for s in lazy[1:3]] == ["s1", "s2"]
    assert loaded == [3, 1, 2]
    assert lazy[1].name == "s1"
    assert loaded == [3, 1, 2]
    assert lazy[3].name == "s3"
    assert loaded == [3, 1, 2, 3]
    assert repr(lazy) == "LazySequences(5 of set)"
    with pytest.raises(IndexError):
        lazy[5]


def test_opening_a_set_reads_few_of_its_annotations(tmp_path, monkeypatch):
    root = got10k(tmp_path)
    names = [f"GOT-10k_Train_{number:06d}" for number in range(1, 1001)]
    (root / "train" / "list.txt").write_text("\n".join(names))
    read = []
    monkeypatch.setattr(
        "mixformer.data.datasets.sequence_reader._read_boxes", lambda *_: read.append(1) or (np.ones((4, 4)), {})
    )
    assert len(load_dataset("got10k", root)) == 1000
    assert len(read) <= 5


def test_marks_of_hidden_targets(tmp_path):
    frames = (tmp_path / "a.png",) * 3
    boxes = np.array([[1.0, 2, 3, 4], [1, 2, 0, 4], [1, 2, 3, 4]])
    sequence = VideoSequence("x", frames, boxes, hidden=np.array([False, False, True]))
    assert sequence.valid.tolist() == [0, 2]
    assert sequence.visible.tolist() == [0]
    assert not sequence.is_still
    with pytest.raises(DataError, match="`hidden` of shape"):
        VideoSequence("x", frames, boxes, hidden=np.zeros(2, bool))
