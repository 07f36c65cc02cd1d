"""Key boxes that another run gives: what was tracked between those that stay is kept, at once for all of them."""

import time

from hypothesis import given, strategies as st

from mixformer import Box
from mixformer.annotation import AnnotatedTarget, AnnotatedVideo, AnnotationProject, KeyBox, TrackedBox, set_tracked
from mixformer.annotation.key_files import tracked_before
from mixformer.annotation.tracked_rows import WAYS

FOUND = TrackedBox(Box(9, 9, 9, 9), 0.9)
KEYS = st.dictionaries(st.integers(0, 19), st.sampled_from([None, Box(1, 2, 3, 4), Box(5, 6, 7, 8)]), max_size=5)


def project_with(boxes, count):
    keys = tuple(KeyBox(frame, boxes[frame]) for frame in sorted(boxes))
    return AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=count), (AnnotatedTarget(1, keys=keys),))


def test_key_boxes_that_all_moved_are_joined_in_no_time():
    """The second run over an hour of key boxes took ten minutes and more: each made a copy of its target."""
    old, new = (project_with(dict.fromkeys(range(0, 60_000, 2), Box(x, 2, 3, 4)), 100_000) for x in (1, 2))
    old = set_tracked(old, 1, 0, [FOUND] * 100_000, "joined")
    start = time.monotonic()
    joined = tracked_before(new, old).target(1)
    assert time.monotonic() - start < 10
    assert joined.keys == new.target(1).keys
    assert len(joined.tracked) == 0  # all follow from a box that moved


@given(KEYS, KEYS, st.lists(st.sampled_from([None, *WAYS]), min_size=20, max_size=20))
def test_tracked_boxes_stay_if_the_key_boxes_they_follow_from_do(before, after, ways):
    def nearest(boxes, frame, step):
        frames = range(frame + step, 20 if step > 0 else -1, step)
        return next(((each, boxes[each]) for each in frames if each in boxes), None)

    old = project_with(before, 20)
    for frame, way in enumerate(ways):
        if way:
            old = set_tracked(old, 1, frame, [FOUND], way)
    there = dict(old.target(1).tracked)
    left = dict(tracked_before(project_with(after, 20), old).target(1).tracked)
    for frame, way in enumerate(ways):
        same = {step: nearest(before, frame, step) == nearest(after, frame, step) for step in (-1, 1)}
        holds = (same[-1] or way == "backward") and (same[1] or way == "forward")
        last = nearest(after, frame, -1)
        is_free = frame not in after and not (last and last[1] is None)
        assert (frame in left) == (frame in there and holds and is_free)
