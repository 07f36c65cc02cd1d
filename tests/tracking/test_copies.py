"""States and trackers are values: pickled, copied, called by several threads, and refused in forks (B8, B12, C2)."""

import copy
import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from mixformer import MixFormerError, MultiTracker, Runtime, Tracker, TrackerConfig, load_model, track
from mixformer.engines import create_engine
from mixformer.engines.engine_table import openvino_precisions
from mixformer.errors import StateError
from tests.helpers.clips import moving_square
from tests.tracking.test_lost import RedEngine

BOX = (10, 30, 20, 20)
OFTEN = TrackerConfig(update_interval=3, score_threshold=0.0)
WAYS = pytest.mark.parametrize(
    "again", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
BFLOAT16 = pytest.mark.skipif("bfloat16" not in openvino_precisions(), reason="the processor has no bfloat16")
ENGINES = pytest.mark.parametrize("engine", ["openvino", "torch"])


@pytest.fixture(scope="module")
def frames():
    return moving_square()[0]


def begun(kind, engine, tiny_model, frames):
    """A tracker in the middle of an interval, with a candidate."""
    if engine == "openvino":
        tracker = kind(config=OFTEN, runtime=Runtime(engine=engine, precision="float32"))
    else:
        tracker = kind(tiny_model, OFTEN, runtime=Runtime(engine=engine, precision="float32"))
    if kind is Tracker:
        tracker.init(frames[0], BOX)
    else:
        tracker.add(frames[0], BOX)
        tracker.add(frames[0], (50, 40, 20, 30), id="other")
    for frame in frames[1:5]:
        tracker.update(frame)
    return tracker


@pytest.mark.parametrize("kind", [Tracker, MultiTracker])
@pytest.mark.parametrize("other", ["int8", pytest.param("bfloat16", marks=BFLOAT16), "torch"])
@pytest.mark.parametrize("is_first", [True, False], ids=["to", "from"])
def test_a_state_goes_to_a_tracker_of_another_engine(kind, other, is_first, frames):
    """The memory of one engine was read by another, without an error: boxes were 20 pixels off."""
    float32 = Runtime(engine="openvino", precision="float32")
    theirs = Runtime(engine="torch") if other == "torch" else Runtime(engine="openvino", precision=other)
    runtimes = (float32, theirs) if is_first else (theirs, float32)
    first, second = (Tracker(config=OFTEN, runtime=runtime) for runtime in runtimes)
    first.init(frames[0], BOX)
    first.update(frames[1])
    kept, found = first.state, []
    for state in (kept, pickle.loads(pickle.dumps(kept))):  # a pickled state has no memory
        if kind is MultiTracker:
            several = MultiTracker(config=OFTEN, runtime=runtimes[1])
            several.restore(state, 1)
            found.append(several.update(frames[2])[1])
        else:
            second.state = state
            found.append(second.update(frames[2]))
    assert found[0] == found[1]
    looked, again = (second.search(frames[2], each) for each in (kept, pickle.loads(pickle.dumps(kept))))
    assert (looked.box, looked.score) == (again.box, again.score)
    first.state = kept  # its own engine does not encode the templates again
    assert first.state is kept


@WAYS
@ENGINES
def test_b12_a_state_goes_on_with_the_same_boxes(again, engine, tiny_model, frames):
    """B12: `pickle.dumps(tracker.state)` and `copy.deepcopy` raised TypeError."""
    tracker = begun(Tracker, engine, tiny_model, frames)
    kept = again(tracker.state)
    assert np.array_equal(kept.templates, tracker.state.templates)
    assert kept.memory is None
    expected = [tracker.update(frame) for frame in frames[5:12]]
    tracker.state = kept
    assert [tracker.update(frame) for frame in frames[5:12]] == expected


@WAYS
@ENGINES
@pytest.mark.parametrize("kind", [Tracker, MultiTracker])
def test_b12_a_tracker_goes_on_with_the_same_boxes(again, engine, kind, tiny_model, frames):
    tracker = begun(kind, engine, tiny_model, frames)
    other = again(tracker)
    expected = [tracker.update(frame) for frame in frames[5:12]]
    assert [other.update(frame) for frame in frames[5:12]] == expected


@pytest.mark.parametrize("kind", [Tracker, MultiTracker])
def test_b8_no_update_of_eight_threads_is_lost(kind, tiny_model, frames):
    """B8: 60 of 480 updates were lost, and ids could not be removed."""
    tracker = begun(kind, "torch", tiny_model, frames)
    failures = []

    def work(number):
        try:
            for frame in frames[:10]:
                tracker.update(frame)
                if kind is MultiTracker:
                    tracker.add(frame, BOX, id=number)
                    tracker.remove(number)
        except Exception as error:
            failures.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number + 10,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failures
    state = tracker.state if kind is Tracker else tracker.state(1)
    assert state.frame_index == 4 + 80
    if kind is MultiTracker:
        assert tracker.ids == (1, "other")


FORK = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")


def in_a_child(model, engine):
    """What a child says that makes a tracker of its own."""
    try:
        runtime = Runtime(engine=engine, precision="float32", threads=1)
        return [result.frame for result in track(moving_square()[0][:3], BOX, model=model, runtime=runtime)]
    except MixFormerError as error:
        return error


def with_the_parents(model, engine):
    try:
        return THE_PARENTS[0].update(moving_square()[0][1])
    except MixFormerError as error:
        return error


THE_PARENTS = []


@FORK
@ENGINES
@pytest.mark.parametrize("work", [in_a_child, with_the_parents])
def test_c2_a_fork_says_to_use_spawn(work, engine, tiny_model, frames):
    """C2: a tracker in a process forked from one that had run a tracker waited for ever, without a word."""
    THE_PARENTS[:] = [begun(Tracker, engine, tiny_model, frames)]
    model = "mixformerv2_dino_s8" if engine == "openvino" else str(tiny_model)
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        said = pool.apply_async(work, (model, engine)).get(60)
    assert isinstance(said, StateError)
    assert "spawn" in str(said)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert isinstance(pool.submit(work, model, engine).result(60), StateError)


def test_c2_spawn_works(tiny_model, frames):
    begun(Tracker, "torch", tiny_model, frames)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(in_a_child, str(tiny_model), "torch").result(120) == [0, 1, 2]


def test_damaged_weights_are_told_once(tiny_model, frames, caplog):
    """NaN weights gave the first box for ever with score 0 and no word (section D)."""
    model = load_model(tiny_model)
    next(iter(model.parameters())).data.fill_(float("nan"))
    engine = create_engine(model, runtime=Runtime(engine="torch", device="cpu"))
    for _ in range(2):
        results = list(track(frames[:4], BOX, model=engine))
    assert results[-1].box == BOX
    assert [record.levelname for record in caplog.records if "NaN or infinity" in record.message] == ["WARNING"]


class Meddles:
    """An id that adds a target while it is pickled, as another thread may."""

    def __init__(self, tracker, frame):
        self.tracker, self.frame = tracker, frame

    def __reduce__(self):
        self.tracker.add(self.frame, BOX)
        return str, ("meddler",)


def test_a_tracker_that_changes_meanwhile_is_pickled_as_it_was(frames):
    """It was a RuntimeError, or a copy whose rows and states did not belong together."""
    tracker = MultiTracker(RedEngine())
    tracker.add(frames[0], BOX, id="first")
    tracker.add(frames[0], BOX, id=Meddles(tracker, frames[0]))
    again = pickle.loads(pickle.dumps(tracker))
    assert again.ids == ("first", "meddler")
    assert len(again) == 2
    assert len(tracker) > 2
