"""The tracker behind other libraries' calls gives the boxes that it gives on its own."""

import numpy as np
import pytest
from PIL import Image

from mixformer.engines import Runtime, create_engine
from mixformer.errors import BoxError, ConfigError, SourceError
from mixformer.tracking import Tracker
from mixformer.tracking.adapters import Got10kTracker, PytrackingTracker
from tests.helpers.clips import moving_square

FRAMES, BOXES = moving_square(6)


@pytest.fixture(scope="module")
def engine(tiny_model):
    return create_engine(tiny_model, runtime=Runtime(device="cpu"))


@pytest.fixture(scope="module")
def reference(engine):
    """Results of `Tracker` itself."""
    tracker = Tracker(engine)
    return [tracker.init(FRAMES[0], BOXES[0]), *map(tracker.update, FRAMES[1:])]


@pytest.mark.parametrize("kind", [np.asarray, Image.fromarray], ids=["array", "PIL"])
def test_got10k_calls(engine, reference, kind):
    tracker = Got10kTracker(engine, name="ours")
    tracker.init(kind(FRAMES[0]), np.array(BOXES[0], float))
    for frame, wanted in zip(FRAMES[1:], reference[1:], strict=True):
        box = tracker.update(kind(frame))
        assert box.shape == (4,)
        assert tuple(box) == wanted.box
    assert (tracker.name, tracker.is_deterministic) == ("ours", True)


def test_got10k_files(engine, reference, tmp_path):
    files = []
    for index, frame in enumerate(FRAMES):
        files.append(str(tmp_path / f"{index}.png"))
        Image.fromarray(frame).save(files[-1])
    boxes, times = Got10kTracker(engine).track(files, BOXES[0])
    assert boxes.tolist() == [list(result.box) for result in reference]
    assert times.shape == (6,)
    assert (times > 0).all()
    with pytest.raises(ConfigError, match="does not draw"):
        Got10kTracker(engine).track(files, BOXES[0], visualize=True)


def test_got10k_files_that_cannot_be_tracked(engine, tmp_path):
    tracker, picture = Got10kTracker(engine), tmp_path / "0.png"
    with pytest.raises(SourceError, match="no pictures"):
        tracker.track([], BOXES[0])
    Image.fromarray(FRAMES[0]).save(picture)
    with pytest.raises(BoxError, match="four numbers"):
        tracker.track([picture], (1, 2, 3))
    (tmp_path / "half.png").write_bytes(picture.read_bytes()[:200])
    for wrong in ("gone.png", "half.png"):
        with pytest.raises(SourceError, match=f"cannot read the picture .*{wrong}"):
            tracker.track([picture, tmp_path / wrong], BOXES[0])


def test_a_grey_picture_is_tracked_as_the_toolkit_reads_it(engine):
    gray = [Image.fromarray(frame).convert("L") for frame in FRAMES[:2]]
    one, other = Got10kTracker(engine), Tracker(engine)
    one.init(gray[0], BOXES[0])
    other.init(np.asarray(gray[0].convert("RGB")), BOXES[0])
    assert tuple(one.update(gray[1])) == other.update(np.asarray(gray[1].convert("RGB"))).box


def test_pytracking_calls(engine, reference):
    tracker = PytrackingTracker(engine)
    tracker.initialize(FRAMES[0], {"init_bbox": list(BOXES[0]), "object_ids": None})
    for frame, wanted in zip(FRAMES[1:], reference[1:], strict=True):
        out = tracker.track(frame, {"previous_output": {}})
        assert tuple(out["target_bbox"]) == wanted.box
        assert out["best_score"] == wanted.score
    with pytest.raises(BoxError, match=r'info\["init_bbox"\].*info has bbox'):
        tracker.initialize(FRAMES[0], {"bbox": BOXES[0]})


@pytest.mark.sweep
def test_the_got10k_toolkit_itself_accepts_it(engine, reference, tmp_path):
    """Its experiment runs the tracker once and records the same boxes (rounded to 3 decimals)."""
    experiments = pytest.importorskip("got10k.experiments", reason="pip install got10k to compare with it")
    folder = tmp_path / "data" / "val" / "clip"
    folder.mkdir(parents=True)
    for index, frame in enumerate(FRAMES, 1):
        Image.fromarray(frame).save(folder / f"{index:08d}.jpg", quality=95)
    np.savetxt(folder / "groundtruth.txt", BOXES, delimiter=",")
    (folder.parent / "list.txt").write_text("clip\n")
    experiment = experiments.ExperimentGOT10k(str(tmp_path / "data"), "val", str(tmp_path / "out"), str(tmp_path / "r"))
    experiment.run(Got10kTracker(engine, name="ours"))
    records = sorted((tmp_path / "out").rglob("clip_*.txt"))
    assert [path.name for path in records] == ["clip_001.txt", "clip_time.txt"]
    tracker = Tracker(engine)
    frames = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.jpg"))]
    wanted = [tracker.init(frames[0], BOXES[0]).box, *(tracker.update(frame).box for frame in frames[1:])]
    np.testing.assert_allclose(np.loadtxt(records[0], delimiter=","), wanted, atol=6e-4)
