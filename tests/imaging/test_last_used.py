"""Values in bounded memory."""

import pickle

from mixformer.data.sequence import ImageCache
from mixformer.imaging.last_used import LastUsed


def test_what_was_used_longest_ago_goes_first():
    kept = LastUsed(10, len)
    for word in ("four", "six"):
        assert kept.put(word, word) == []
    assert kept.get("four") == "four"
    assert kept.put("seven", "seven") == ["six"]
    assert (list(kept.values), kept.held) == (["four", "seven"], 9)
    assert kept.trim(5) == ["four"]


def test_a_value_that_is_kept_again_counts_once():
    kept = LastUsed(10, len)
    for _ in range(5):
        assert kept.put("key", "value") == []
    assert kept.held == 5
    assert kept.pop("key") == "value"
    assert kept.pop("key") is None
    assert kept.held == 0


def test_what_is_too_large_alone_drops_nothing_else():
    kept = LastUsed(10, len)
    kept.put("key", "value")
    assert kept.put("large", "x" * 11) == ["x" * 11]
    assert list(kept.values) == ["key"]


def test_a_cache_can_go_to_another_process():
    for kept in (LastUsed(3), ImageCache(1)):
        assert type(pickle.loads(pickle.dumps(kept))) is type(kept)
