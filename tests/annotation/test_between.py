"""Tracking between key boxes: both ways, only what is stale, and never over a person's box."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mixformer import Box, MultiTracker
from mixformer.annotation import (
    AnnotationProject,
    add_target,
    backward,
    clear_tracked,
    load_project,
    look_at_video,
    mark_absent,
    put_found,
    remove_key,
    save_project,
    set_key,
    stale_stretches,
    track_between,
)
from mixformer.annotation.backward import read_backward
from mixformer.annotation.joining import join
from mixformer.annotation.stretches import all_stretches
from mixformer.errors import BoxError, ConfigError
from mixformer.types import TrackResult
from mixformer.video import FrameReader, open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers.clips import moving_square, write_clip

FRAMES = 30


@dataclass(frozen=True)
class State:
    """What the tracker below knows of a target."""

    box: Box | None
    steps: int


class Drifting:
    """A tracker of several targets that follows the square and drifts by 0.5 pixels in every frame since its start."""

    def __init__(self, fails=(), says="uncertain"):
        self.steps, self.fails, self.says, self.started, self.moved, self.seen = {}, fails, says, [], [], 0

    def __len__(self):  # as that of a MultiTracker: without targets, it is falsy
        return len(self.steps)

    def add(self, frame, box, id):
        self.steps[id] = 0
        self.started.append(tuple(box))

    def remove(self, id):
        return State(None, self.steps.pop(id))

    def restore(self, state, id):
        self.steps[id] = state.steps
        self.moved.append(state.box)

    def update_each(self, frames):
        found = {}
        for id, frame in frames.items():
            self.steps[id] += 1
            self.seen += 1
            x = int(np.argmax(frame[35, :, 0] > 150))
            fails = (x - 10) // 3 in self.fails
            box, score, status = (
                Box(x + 0.5 * self.steps[id], 30, 20, 20),
                0.1 if fails else 0.9,
                self.says if fails else "tracking",
            )
            found[id] = TrackResult(box, score, 1, status=status)
        return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "square.mp4", moving_square(FRAMES)[0])


def truth(frame):
    return (10 + 3 * frame, 30, 20, 20)


def keyed(clip, *frames, targets=1):
    project = AnnotationProject(look_at_video(clip))
    for id in range(1, targets + 1):
        project = add_target(project)
        for frame in frames:
            project = set_key(project, id, frame, truth(frame))
    return project


def tracked(project, clip, **options):
    options.setdefault("tracker", Drifting())
    return put_found(project, track_between(project, clip, **options))


def drift(project, first, stop, id=1):
    return [round(each.box.x - truth(each.frame)[0], 1) for each in project.boxes(id, first, stop)]


def test_forward_ends_at_the_next_key_box(clip):
    project = tracked(keyed(clip, 0, 4), clip, direction="forward", frames=range(7))
    assert drift(project, 0, 7) == [0, 0.5, 1.0, 1.5, 0, 0.5, 1.0]


def test_backward_begins_at_each_key_box(clip):
    project = tracked(keyed(clip, 3, 7), clip, direction="backward")
    assert drift(project, 0, 8) == [1.5, 1.0, 0.5, 0, 1.5, 1.0, 0.5, 0]
    assert project.target(1).tracked.frames.max() == 6


def test_both_ways_meet_without_a_step(clip):
    project = tracked(keyed(clip, 0, 20), clip)
    ways = [project.target(1).tracked.way(frame) for frame in (1, 19, 21, 29)]
    assert ways == ["joined", "joined", "forward", "forward"]
    steps = np.diff([each.box.x for each in project.boxes(1, 0, 21)])
    assert np.abs(steps - 3).max() < 1.1  # at the ends the drift of one way, and no jump anywhere
    assert max(drift(project, 0, 21)) <= 5.1


def test_the_surer_way_wins_where_both_differ():
    ahead, back = np.tile([0.0, 0, 20, 20], (10, 1)), np.tile([100.0, 0, 20, 20], (10, 1))
    sure, sure_back = np.full(10, 0.9), np.full(10, 0.9)
    sure[3:] = 0.1
    joined = join(ahead, back, sure, sure_back)
    assert joined.boxes[:, 0].tolist() == [0] * 3 + [100] * 7


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 40))
def test_a_joined_box_lies_between_the_two(data, count):
    def boxes():
        return np.array(data.draw(st.lists(
            st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(1, 100)] * 2), min_size=count, max_size=count
        )))  # fmt: skip

    def scores():
        return np.array(data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count)))

    ahead, back = boxes(), boxes()
    joined = join(ahead, back, scores(), scores())
    assert (np.diff(joined.part) >= 0).all()
    assert (joined.part >= 0).all()
    assert (joined.part <= 1).all()
    low, high = np.minimum(ahead, back), np.maximum(ahead, back)
    assert (joined.boxes >= low - 1e-9).all()
    assert (joined.boxes <= high + 1e-9).all()


def test_only_what_a_new_key_box_changes_is_tracked_again(clip):
    project = tracked(keyed(clip, 0, 10, 20), clip)
    assert stale_stretches(project) == []
    project = set_key(project, 1, 15, truth(15))
    assert [(each.first, each.stop) for each in stale_stretches(project)] == [(11, 15), (16, 20)]
    tracker = Drifting()
    again = tracked(project, clip, tracker=tracker)
    assert tracker.seen == 2 * 8
    assert stale_stretches(again) == []
    assert again.target(1).tracked.between(0, 10) == project.target(1).tracked.between(0, 10)


def test_nothing_is_tracked_where_the_target_is_absent(clip):
    project = set_key(mark_absent(keyed(clip, 0), 1, 5), 1, 9, truth(9))
    project = tracked(project, clip)
    assert [each.visible for each in project.boxes(1, 0, 11)] == [True] * 5 + [False] * 4 + [True] * 2
    assert stale_stretches(project) == []


def test_several_targets_go_through_the_network_together(clip):
    project = set_key(keyed(clip, 0, targets=2), 2, 8, truth(8))
    found = list(track_between(project, clip, [2], tracker=Drifting(), direction="forward"))
    assert {each.target for each in found} == {2}
    project = tracked(project, clip, direction="forward")
    assert drift(project, 7, 10, 1) == [3.5, 4.0, 4.5]
    assert drift(project, 7, 10, 2) == [3.5, 0, 0.5]


def test_both_ways_are_joined_also_where_the_first_frame_cannot_be_read(clip, monkeypatch):
    """The way back never came to that frame, so the surer boxes from there were left out."""
    whole = FrameReader.__getitem__

    def damaged(reader, number):
        if number == 1:
            raise IndexError("it cannot be read")
        return whole(reader, number)

    monkeypatch.setattr(FrameReader, "__getitem__", damaged)
    rows = tracked(keyed(clip, 0, 20, 25), clip).target(1).tracked
    assert [rows.way(frame) for frame in (1, 2, 19, 21, 24)] == ["forward"] + ["joined"] * 4


def test_stop_ends_at_once_and_keeps_what_came(clip):
    seen = []
    found = list(track_between(
        keyed(clip, 0, 20), clip, tracker=(tracker := Drifting()), stop=lambda: len(seen) >= 5,
        progress=lambda done, total: seen.append((done, total)),
    ))  # fmt: skip
    assert [each.frame for each in found] == [1, 2, 3, 4, 5]
    assert seen[-1] == (5, 19 + 9 + 19)
    assert tracker.steps == {}


def test_a_run_that_was_stopped_goes_on_where_it_was(clip):
    """Only what is missing is tracked, from the place that was found last."""
    for keys, direction, begun, left in (
        ([0], "forward", 12, 17),
        ([29], "backward", 12, 17),
        ([0, 20], "both", 12, 7 + 19 + 9),
        ([0, 20], "both", 19, 19 + 9),
        ([0, 20], "both", 19 + 9 + 6, 13),
        ([0, 20], "both", 19 + 9 + 19, 1),
    ):
        project = keyed(clip, *keys)
        found = track_between(project, clip, tracker=Drifting(), direction=direction)
        some = [each for each, _ in zip(found, range(begun), strict=False)]
        found.close()
        tracker = Drifting()
        project = put_found(project, some)
        project = put_found(project, track_between(project, clip, tracker=tracker, direction=direction))
        assert tracker.seen == left
        reached = {19: [], 47: [some[-2].box]}.get(begun, [some[-1].box])  # of the way back, its last frame is left
        assert tracker.moved[:1] == reached
        assert not stale_stretches(project, direction=direction)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_runs_that_are_stopped_anywhere_end_as_one_that_is_not(clip, data):
    """Boxes of the way back between two key boxes were lost."""
    numbers = st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=3, unique=True)
    project = keyed(clip, *data.draw(numbers), targets=data.draw(st.integers(1, 2)))
    whole, seen = tracked(project, clip), 0
    total = sum(
        len(each.frames) * ((each.before is not None) + (each.after is not None)) for each in all_stretches(project)
    )
    stops = data.draw(st.lists(st.integers(1, 40), max_size=4))
    for stop in stops:
        found = track_between(project, clip, tracker=Drifting())
        some = [each for each, _ in zip(found, range(stop), strict=False)]
        found.close()
        while some and some[-1].way == "joined":  # a stretch is joined as a whole
            some.pop()
        project, seen = put_found(project, some), seen + len([each for each in some if each.way != "joined"])
    project = tracked(project, clip, tracker=(tracker := Drifting()))
    assert seen + tracker.seen <= total + 2 * len(stops)  # a frame of each way back that was done
    assert not stale_stretches(project)
    for target, other in zip(project.targets, whole.targets, strict=True):
        assert not len(target.unjoined)
        assert (target.tracked.frames == other.tracked.frames).all()
        assert (target.tracked.ways == other.tracked.ways).all()


def test_boxes_of_the_way_back_are_kept_as_far_as_a_correction_allows(clip, tmp_path):
    found = track_between(keyed(clip, 0, 20), clip, tracker=Drifting())
    project = put_found(keyed(clip, 0, 20), [each for each, _ in zip(found, range(19 + 9 + 15), strict=False)])
    found.close()
    assert project.target(1).unjoined.frames.tolist() == [*range(5, 20)]
    save_project(project, tmp_path / "clip.mixformer.json")
    assert load_project(tmp_path / "clip.mixformer.json") == project
    assert set_key(project, 1, 10, truth(10)).target(1).unjoined.frames.tolist() == [*range(11, 20)]
    for corrected in (set_key(project, 1, 20, truth(19)), remove_key(project, 1, 20), mark_absent(project, 1, 3)):
        assert not len(corrected.target(1).unjoined)
    assert set_key(project, 1, 0, truth(1)).target(1).unjoined == project.target(1).unjoined
    assert clear_tracked(project, 1, 0, 12).target(1).unjoined.frames.tolist() == [*range(12, 20)]
    tracker = Drifting()
    tracked(set_key(project, 1, 10, truth(10)), clip, tracker=tracker)
    assert tracker.seen == 9 + 9 + 1  # back from the correction, forward from it, and one frame to meet


def test_a_run_goes_on_from_the_last_sure_frame(clip):
    project = keyed(clip, 0)
    found = track_between(project, clip, tracker=Drifting({9, 10}, "lost"), direction="forward", frames=range(11))
    project = put_found(project, found)
    tracker = Drifting()
    assert [each.frame for each in track_between(project, clip, tracker=tracker, direction="forward")][:2] == [9, 10]
    assert tracker.moved == [project.target(1).tracked.at(8).box]


def test_a_dropped_generator_leaves_the_tracker_empty(clip):
    tracker = Drifting()
    steps = track_between(keyed(clip, 0), clip, tracker=tracker)
    next(steps)
    assert tracker.steps
    steps.close()
    assert tracker.steps == {}


@pytest.mark.parametrize("says", ["tracking", "uncertain", "lost"])
def test_the_status_is_what_the_tracker_says_whatever_the_score(clip, says):
    project = tracked(keyed(clip, 0), clip, tracker=Drifting({3}, says), frames=range(6))
    assert [each.status for each in project.boxes(1, 1, 6)] == ["tracking"] * 2 + [says] + ["tracking"] * 2


@pytest.mark.parametrize("memory", [1, 120 * 90 * 3 * 8, 2**30])
@pytest.mark.parametrize(("first", "stop"), [(0, 30), (7, 23), (29, 30), (5, 5)])
def test_frames_come_backward_exactly(clip, memory, first, stop):
    frames = list(read_backward(clip, first, stop, memory))
    assert [frame.index for frame in frames] == [*range(first, stop)][::-1]
    if frames:
        with open_video(clip, first, stop) as video:
            for frame, other in zip(video, frames[::-1], strict=True):
                assert (frame.image == other.image).all()


def test_memory_is_bounded_also_where_the_last_frame_cannot_be_read(clip, monkeypatch):
    """The size of a frame was unknown then, and pieces had 256 of them."""
    pieces, piece = [], backward._piece

    def noted(reader, first, stop):
        pieces.append(stop - first)
        return [frame for frame in piece(reader, first, stop) if frame.index != 29]

    monkeypatch.setattr(backward, "_piece", noted)
    assert [frame.index for frame in read_backward(clip, 0, 30, 120 * 90 * 3 * 2)] == [*range(29)][::-1]
    assert max(pieces) == 1


def test_wrong_values_are_refused_before_anything_is_read(clip):
    project = keyed(clip, 0)
    with pytest.raises(ConfigError, match="forward, backward or both, not 'up'"):
        next(track_between(project, "none.mp4", direction="up"))
    with pytest.raises(ConfigError, match="there is no target 9"):
        next(track_between(project, "none.mp4", [9]))
    with pytest.raises(ConfigError, match="a range with step 1"):
        next(track_between(project, "none.mp4", frames=range(0, 9, 2)))


def test_a_key_box_outside_the_picture_names_its_target(clip, tmp_path):
    small = write_clip(tmp_path / "small.mp4", moving_square(6, height=60, width=64)[0])
    project = set_key(keyed(clip), 1, 0, (100, 30, 10, 10))
    with pytest.raises(BoxError, match="target 1, frame 0"):
        list(track_between(project, small, tracker=MultiTracker(), frames=range(4)))


def test_the_demo_clip_is_followed_both_ways():
    with open_video(DEMO_CLIP) as video:
        count = sum(1 for _ in video)
    project = set_key(add_target(AnnotationProject(look_at_video(DEMO_CLIP))), 1, 0, DEMO_BOX)
    forward = put_found(project, track_between(project, DEMO_CLIP, direction="forward", frames=range(30)))
    last = forward.target(1).box_at(29).box
    project = put_found(set_key(forward, 1, 29, last), track_between(set_key(forward, 1, 29, last), DEMO_CLIP))
    assert len(project.target(1).tracked) == count - 2
    assert project.target(1).tracked.way(15) == "joined"
    middle, before = project.target(1).box_at(15).box, forward.target(1).box_at(15).box
    assert np.abs(np.subtract(middle, before)).max() < 15
