"""The official frame samplers against an enumeration of their rules, negatives, and the streams of samples."""

import itertools
import logging
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer.data.augmentation import Augmentation, CropSettings
from mixformer.data.official_samplers import SAMPLERS, Causal, OfficialSamples, Trident
from mixformer.data.sample_dataset import SampleDataset, batches
from mixformer.data.sampling import Mixture, Negatives, SequenceSamples
from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.errors import DataError
from mixformer.types import Box

PATTERNS = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    [0, 1, 2, 6, 7, 11],
    [1, 5, 9],  # with a small gap, only a grown one finds neighbors
    [0, 10, 11],
]


class Pictures(ImageCache):
    """Made-up frames of 90 x 160 pixels; those named `lost` cannot be read."""

    def read(self, frame):
        if "lost" in str(frame):
            raise DataError(f"cannot read the image {frame}")
        name, number = Path(frame).parts
        return np.full((90, 160, 3), int(number) + 100 * (name[-1] in "bd"), np.uint8)


def sequence(name, length, *, hidden=(), empty=()):
    boxes = np.array([[10 + i, 20, 30, 24] for i in range(length)], np.float64)
    boxes[list(empty)] = np.nan
    marks = np.zeros(length, bool)
    marks[list(hidden)] = True
    return VideoSequence(name, tuple(Path(name) / str(i) for i in range(length)), boxes, hidden=marks)


def toy(visible, length=12, valid=None):
    empty = [i for i in range(length) if valid is not None and i not in valid]
    return sequence("toy", length, hidden=[i for i in range(length) if i not in visible], empty=empty)


def causal_odds(visible, length, gap, templates=2, rounds=60):
    """The rule of spec 4.1, all outcomes with their probabilities."""
    odds, left = Counter(), 1.0
    for turn in range(rounds):
        g = gap + 5 * turn
        bases = [i for i in visible if templates - 1 <= i < length - 1]
        failed = 0.0
        for base in bases:
            before = [i for i in visible if base - g <= i < base]
            after = [i for i in visible if base + 1 <= i < base + g]
            if not after or not before:
                failed += left / len(bases)
                continue
            share = left / len(bases) / len(before) ** (templates - 1) / len(after)
            for previous in itertools.product(before, repeat=templates - 1):
                for search in after:
                    odds[(base, *previous, search)] += share
        left = failed
    return odds


def trident_odds(visible, length, gap, online):
    """The rule of spec 4.1 for one online template, all outcomes with their probabilities."""
    odds = Counter()
    for static, search in itertools.product(visible, repeat=2):
        low, high = (search, search + gap) if static >= search else (search - gap, search)
        between = [i for i in online if max(0, low) <= i < min(high, length)]
        for dynamic in between:
            odds[(static, dynamic, search)] += Fraction(1, len(between))
    total = sum(odds.values())
    return Counter({outcome: float(share / total) for outcome, share in odds.items()})


def assert_distribution(found, expected, draws):
    assert set(found) <= set(expected)
    likely = {o: p for o, p in expected.items() if p * draws >= 5}
    chi = sum((found[o] - p * draws) ** 2 / (p * draws) for o, p in likely.items())
    assert chi < len(likely) + 5 * np.sqrt(2 * len(likely)) + 5, chi
    rare = 1 - sum(likely.values())
    assert sum(n for o, n in found.items() if o not in likely) <= rare * draws + 5 * np.sqrt(rare * draws + 1)


def draws_of(rule, video, templates, count=2500):
    random = np.random.default_rng(3)
    return Counter(tuple(rule.pick(random, video, templates)) for _ in range(count))


@pytest.mark.parametrize("gap", [2, 4, 200])
@pytest.mark.parametrize("visible", PATTERNS, ids=str)
def test_causal_frames_have_the_odds_of_the_rule(visible, gap):
    found = draws_of(Causal(gap), toy(visible), 2)
    assert_distribution(found, causal_odds(visible, 12, gap), 2500)
    assert all(previous < base < search for base, previous, search in found)


def test_causal_takes_any_number_of_online_templates():
    visible = [0, 1, 2, 4, 6, 9, 11]
    assert_distribution(draws_of(Causal(4), toy(visible), 3), causal_odds(visible, 12, 4, templates=3), 2500)
    for static, search in draws_of(Causal(4), toy(visible), 1, 500):
        assert static < search


@pytest.mark.parametrize("name", ["trident", "trident_pro", "stark"])
@pytest.mark.parametrize("gap", [1, 3, 200])
@pytest.mark.parametrize("visible", PATTERNS, ids=str)
def test_trident_frames_have_the_odds_of_the_rule(visible, gap, name):
    valid = sorted({*visible, 3, 8})
    allowed = {"trident": visible, "trident_pro": range(12), "stark": valid}[name]
    rule = Trident(gap, SAMPLERS[name].online)
    found = draws_of(rule, toy(visible, valid=valid), 2)
    assert_distribution(found, trident_odds(visible, 12, gap, allowed), 2500)


def test_trident_takes_any_number_of_online_templates():
    found = draws_of(Trident(3), toy(list(range(12))), 4, 2000)
    for static, *online, search in found:
        low, high = (search, search + 3) if static >= search else (search - 3, search)
        assert all(low <= i < high for i in online)
    assert any(len({*picked[1:4]}) == 3 for picked in found)


def test_the_official_gap_is_200_frames():
    assert SAMPLERS["causal"] == Causal(200, 5)
    assert {SAMPLERS[name].gap for name in ("trident", "trident_pro", "stark")} == {200}
    with pytest.raises(TypeError):
        SAMPLERS["other"] = Causal()


def numbers(shot):
    return [int(view.image[0, 0, 0]) for view in (*shot.templates, shot.search)]


def test_only_long_videos_that_show_their_target_take_part():
    videos = [
        sequence("a", 19),
        sequence("b", 30, hidden=range(7, 30)),  # 7 visible frames: enough for two templates, not for three
        sequence("c", 30, hidden=range(6, 30)),
    ]
    shots = OfficialSamples(videos, Pictures(), Causal(), name="toys")
    random = np.random.default_rng(0)
    assert {shots.draw(random, 2).search.origin.name for _ in range(100)} == {"b"}
    with pytest.raises(DataError, match="toys"):
        shots.draw(random, 3)


def test_sequences_are_equally_likely():
    videos = [sequence("a", 20), sequence("b", 90), sequence("c", 1)]
    shots = OfficialSamples(videos, Pictures(), SAMPLERS["trident_pro"])
    random = np.random.default_rng(0)
    names = Counter(shots.draw(random, 2).search.origin.name for _ in range(1500))
    assert all(abs(count - 500) < 90 for count in names.values())


def test_a_still_serves_every_frame():
    shots = OfficialSamples([sequence("still", 1)], Pictures(), Causal())
    shot = shots.draw(np.random.default_rng(0), 3)
    assert len(shot.templates) == 3
    assert numbers(shot) == [0] * 4
    assert shots.absent(np.random.default_rng(0), shot.search) is None


def test_small_objects_of_stills_can_be_left_out():
    random = np.random.default_rng(0)
    assert OfficialSamples([sequence("still", 1)], Pictures(), Causal(), smallest=23).draw(random, 2)
    with pytest.raises(DataError, match="training set"):
        OfficialSamples([sequence("still", 1)], Pictures(), Causal(), smallest=24).draw(random, 2)


def test_frames_without_a_box_are_never_cut():
    video = sequence("a", 40, hidden=range(10, 20), empty=range(20, 30))
    shots = OfficialSamples([video], Pictures(), SAMPLERS["trident_pro"])
    random = np.random.default_rng(0)
    online = Counter(numbers(shots.draw(random, 2))[1] for _ in range(800))
    assert not set(online) & set(range(20, 30))
    assert set(online) & set(range(10, 20))  # hidden, but with a box
    seen = {numbers_of_view(shots.view(random)) for _ in range(600)}
    assert seen == {*range(20), *range(30, 40)}


def numbers_of_view(view):
    return int(view.image[0, 0, 0])


class Nothing:
    def pick(self, random, sequence, templates):
        return None


def test_a_rule_gives_up_on_frames_too_far_apart():
    apart = sequence("apart", 40_000, hidden=[i for i in range(40_000) if i % 5_000])
    assert Causal(gap=2).pick(np.random.default_rng(0), apart, 2) is None
    dark = sequence("dark", 30, hidden=range(30))
    assert Causal().pick(np.random.default_rng(0), dark, 2) is None
    assert Trident().pick(np.random.default_rng(0), dark, 2) is None


def test_what_cannot_be_sampled_ends_with_an_error(caplog):
    random = np.random.default_rng(0)
    with pytest.raises(DataError, match="empty set: no sequences"):
        OfficialSamples([], Pictures(), Causal(), name="empty set")
    with pytest.raises(DataError, match=r"faraway: 1000 draws .*Nothing"):
        OfficialSamples([sequence("a", 30)], Pictures(), Nothing(), name="faraway").draw(random, 2)
    lost = OfficialSamples([sequence("lost", 30)], Pictures(), Causal(), name="broken")
    with caplog.at_level(logging.CRITICAL), pytest.raises(DataError, match=r"broken: .*lost"):
        lost.draw(random, 2)
    with caplog.at_level(logging.CRITICAL), pytest.raises(DataError, match=r"broken: .*lost"):
        lost.view(random)


def test_a_video_that_cannot_be_read_is_named_and_passed_over(caplog):
    shots = OfficialSamples([sequence("lost", 30), sequence("a", 30)], Pictures(), Causal(), name="half")
    random = np.random.default_rng(0)
    with caplog.at_level(logging.WARNING):
        assert {shots.draw(random, 2).search.origin.name for _ in range(20)} == {"a"}
    assert "half" in caplog.text
    assert "lost" in caplog.text


def test_negatives_show_the_video_without_its_target():
    video = sequence("a", 30, hidden=range(20, 30))
    mixture = Mixture([OfficialSamples([video], Pictures(), SAMPLERS["trident"])], [1], Negatives(0.5))
    random = np.random.default_rng(0)
    shots = [mixture.draw(random, 2) for _ in range(1000)]
    away = Counter(numbers(shot)[-1] for shot in shots if not shot.present)
    assert abs(sum(away.values()) - 500) < 80
    assert set(away) == set(range(20, 30))
    assert max(away.values()) < 2 * min(away.values())
    # 160 / 8 by 90 / 8 around the middle, all cut down to whole pixels
    assert {shot.search.box for shot in shots if not shot.present} == {Box(70, 39, 20, 11)}
    assert all(numbers(shot)[-1] < 20 for shot in shots if shot.present)


def test_without_such_a_frame_negatives_show_another_target():
    sets = [
        OfficialSamples([sequence("a", 30), sequence("b", 30)], Pictures(), SAMPLERS["trident_pro"]),
        OfficialSamples([sequence("d", 1)], Pictures(), SAMPLERS["trident_pro"]),
    ]
    random = np.random.default_rng(0)
    for same_target in (False, True):
        mixture = Mixture(sets, [1, 1], Negatives(1, same_target=same_target))
        pairs = Counter()
        for _ in range(400):
            shot = mixture.draw(random, 2)
            assert not shot.present
            pairs[shot.templates[0].origin.name, shot.search.origin.name] += 1
        assert any(first == second for first, second in pairs) == same_target
        assert len(pairs) == (9 if same_target else 6)


def test_another_target_of_the_same_still_does_not_count_as_other():
    picture = sequence("a", 1)
    other = VideoSequence("a, second object", picture.frames, picture.boxes)
    shots = OfficialSamples([picture, other], Pictures(), Causal())
    with pytest.raises(DataError, match="add more sequences"):
        Mixture([shots], [1], Negatives(1)).draw(np.random.default_rng(0), 2)
    assert not Mixture([shots], [1], Negatives(1, same_target=True)).draw(np.random.default_rng(0), 2).present


def test_sets_are_drawn_by_their_weights():
    sets = [OfficialSamples([sequence(name, 30)], Pictures(), Causal()) for name in "abd"]
    mixture = Mixture(sets, [1, 2, 1])
    random = np.random.default_rng(0)
    names = Counter(mixture.draw(random, 2).search.origin.name for _ in range(1200))
    for name, expected in zip("abd", (300, 600, 300), strict=True):
        assert abs(names[name] - expected) < 75


def official_dataset(seed=5):
    videos = [sequence("a", 40, hidden=range(30, 40)), sequence("b", 25, empty=range(5))]
    sets = [
        OfficialSamples(videos, Pictures(), SAMPLERS["trident_pro"]),
        OfficialSamples([sequence("d", 1)], Pictures(), Causal()),
        SequenceSamples(videos, Pictures()),
    ]
    mixture = Mixture(sets, [1, 1, 1], Negatives(0.5))
    return SampleDataset(mixture, CropSettings(64, 32, 4.5), Augmentation(4.5, 0.5).with_official_processing(), seed)


def same(first, second):
    return all(
        torch.equal(getattr(first, name), getattr(second, name)) for name in ("templates", "search", "boxes", "present")
    )


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 3])
def test_the_stream_is_the_same_for_any_number_of_workers(workers):
    alone = list(batches(official_dataset(), 4, 0, 5, workers=0))
    shared = list(batches(official_dataset(), 4, 0, 5, workers=workers))
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))
    assert not same(alone[0], alone[1])
    other = next(iter(batches(official_dataset(seed=6), 4, 0, 1, workers=0)))
    assert not torch.equal(alone[0].search, other.search)


def test_two_processes_share_the_stream_of_one():
    one = list(batches(official_dataset(), 6, 1, 4, workers=0))
    two = [list(batches(official_dataset(), 3, 1, 4, workers=w, rank=w, ranks=2)) for w in (0, 1)]
    assert [len(part) for part in two] == [3, 3]
    for whole, first, second in zip(one, *two, strict=True):
        assert torch.equal(whole.search[0::2], first.search)
        assert torch.equal(whole.search[1::2], second.search)
        assert torch.equal(whole.boxes[0::2], first.boxes)
        assert torch.equal(whole.present[1::2], second.present)
