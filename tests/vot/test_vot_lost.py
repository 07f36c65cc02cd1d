"""What VOT is told about a lost target: an empty region by careful rules, and a box as ever by the official ones."""

import numpy as np
import pytest

from mixformer import Box, TrackerConfig, TrackResult
from mixformer.vot.session import NOWHERE, Session
from mixformer.vot.trax import format_region

IMAGE = np.zeros((60, 80, 3), np.uint8)
BOX = Box(10, 20, 30, 15)


class Loses:
    """A tracker whose target is uncertain, lost, and found again."""

    def __init__(self, rules):
        self.config, self.state = TrackerConfig(rules=rules), None
        self._said = iter(["uncertain", "lost", "lost", "tracking"])

    def init(self, image, box):
        return TrackResult(BOX, 1.0, 0, is_initial=True)

    def update(self, image):
        return TrackResult(BOX, 0.25, 1, status=next(self._said))


@pytest.mark.parametrize(("rules", "empty"), [("careful", [False, True, True, False]), ("official", [False] * 4)])
@pytest.mark.parametrize("masks", [False, True])
def test_a_lost_target_is_nowhere(rules, empty, masks):
    refined = []

    def refiner(image, box):
        refined.append(box)
        return np.ones(image.shape[:2], bool)

    session = Session(Loses(rules), refiner if masks else None)
    session.process(IMAGE, [BOX])
    answers = [session.process(IMAGE)[0] for _ in empty]
    assert [answer.region is NOWHERE for answer in answers] == empty
    assert all(answer.properties == {"confidence": "0.250000"} for answer in answers)
    assert len(refined) == (1 + empty.count(False) if masks else 0)  # nothing is cut out where nothing is
    assert format_region(NOWHERE) == "0.0000,0.0000,0.0000,0.0000"


def test_a_refiner_that_knows_its_target_is_told_of_each_new_one():
    """As Alpha-Refine, which keeps features of the first frame; after a reset the first frame is another."""

    class Knows:
        def __init__(self):
            self.started = []

        def start(self, image, box):
            number = len(self.started)
            self.started.append((int(image[0, 0, 0]), box))
            return lambda image, box: np.arange(image.shape[1]) == np.full(image.shape[:2], number)

    refiner = Knows()
    session = Session(Loses("official"), refiner)

    def told(answers):
        return [int(answer.region[0].argmax()) for answer in answers]

    assert told(session.process(IMAGE, [BOX, BOX])) == [0, 1]
    assert told(session.process(IMAGE + 7, [BOX])) == [0, 1, 2]
    session.reset()
    assert told(session.process(IMAGE + 9, [BOX])) == [3]
    assert told(session.process(IMAGE)) == [3]
    assert refiner.started == [(0, BOX), (0, BOX), (7, BOX), (9, BOX)]


def test_a_mask_of_numbers_is_sent_as_true_and_false():
    session = Session(Loses("official"), lambda image, box: np.full(image.shape[:2], 255, np.uint8))
    (answer,) = session.process(IMAGE, [BOX])
    assert answer.region.dtype == bool
    assert answer.region.all()
