"""Known data sets and a user's own, all as lists of `mixformer.data.sequence.Sequence`; see docs/data.md."""

from mixformer.data.sets.attributes import attributes
from mixformer.data.sets.base import DataSet, SetOptions
from mixformer.data.sets.registry import SETS, absent, known_set, open_set, read_any, recognise

__all__ = ["SETS", "DataSet", "SetOptions", "absent", "attributes", "known_set", "open_set", "read_any", "recognise"]
