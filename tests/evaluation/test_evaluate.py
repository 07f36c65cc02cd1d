"""`mixformer.evaluate`: what it takes, what it gives, and what it keeps apart."""

import json
import sys
import types

import numpy as np
import pytest

import mixformer
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.data import VideoSequence
from mixformer.engines import create_engine
from mixformer.errors import ConfigError, DataError, MissingDependencyError
from mixformer.evaluation import CONVENTIONS, compare, evaluate, track_and_measure
from mixformer.evaluation.runs import RunPlanned
from mixformer.tracking import Tracker, TrackerFactory
from mixformer.weights.load_save import load_model
from tests.helpers.trackers import MakeBad, Stays, make_sequences


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("squares")
    make_sequences(made)
    return made


@pytest.fixture(scope="module")
def sequences(folder):
    return make_sequences(folder)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_top_level_offers_it():
    assert mixformer.evaluate is evaluate


def test_the_numbers_are_those_of_the_convention_by_name(sequences):
    result = evaluate(Stays(), sequences)
    expected = track_and_measure(Stays(), sequences)
    assert dict(result.summary) == pytest.approx(dict(expected), abs=1e-3)  # result files keep four decimals
    assert result.summary.convention == expected.convention == "pytracking"
    assert set(result.per_sequence) == {"clip_0", "clip_1", "clip_2"}
    assert result.per_sequence["clip_1"]["auc"] == pytest.approx(expected.per_sequence["clip_1"]["auc"], abs=0.02)
    assert "perfect tracker scores 0.952" in result.summary.note
    assert "EvaluationResult: Stays on sequences, 3 sequences, 0 failed" in repr(result)
    assert "pytracking: auc 0." in repr(result)


def test_trackers_of_every_kind_are_taken(tiny_model, sequences):
    config = TrackerConfig(update_interval=2)
    engine = create_engine(tiny_model)
    given = {
        "folder": tiny_model,
        "network": load_model(tiny_model),
        "engine": engine,
        "tracker": Tracker(engine, config),
        "factory": TrackerFactory(str(tiny_model), config),
    }
    for name, tracker in given.items():
        result = evaluate(tracker, sequences[:1], name=name)
        assert result.done == ("clip_0",), name
        assert result.folder.parts[-2:] == (name, "sequences")
    assert evaluate(str(tiny_model), sequences[:1], only=["clip_0"]).tracker == "tiny"


def test_a_folder_is_taken_in_three_ways(folder):
    for words in ({"root": folder}, {"dataset": "own", "root": folder}, {"dataset": folder}):
        result = evaluate(Stays(), **words)
        assert (result.dataset, len(result.done)) == (folder.name, 3)
    with pytest.raises(ConfigError, match="as root"):
        evaluate(Stays(), "lasot")
    with pytest.raises(DataError, match="no data set called"):
        evaluate(Stays(), "imagenet", root=folder)


def test_several_conventions(sequences):
    result = evaluate(Stays(), sequences, convention=["got10k", "otb"])
    assert list(result.summaries) == ["got10k", "otb"]
    assert "ao" in result.summary
    assert result.summaries["otb"].note == CONVENTIONS["otb"].note
    with pytest.raises(ConfigError, match="no convention 'mine'"):
        evaluate(Stays(), sequences, convention="mine")


def test_a_tracker_without_fingerprint_is_never_resumed(tiny_model, sequences):
    class Jumps(Stays):
        def update(self, frame):
            return (0, 0, 5, 5)

    first = evaluate(Stays(), sequences, name="same")
    second = evaluate(Jumps(), sequences, name="same", only=["clip_0"])
    assert second.summary["auc"] < first.summary["auc"]
    assert sorted(path.name for path in second.folder.glob("clip_?.txt")) == ["clip_0.txt"]
    assert evaluate(str(tiny_model), sequences).kept == ()
    assert evaluate(str(tiny_model), sequences).done == ()


def test_failures_and_events(sequences, tmp_path):
    heard = []
    bad = MakeBad("raise", tmp_path / "mark")(0)
    result = evaluate(bad, sequences, progress=heard.append)
    assert list(result.failures) == ["clip_1"]
    assert heard[0] == RunPlanned("sequences", 3)
    assert "1 failed" in repr(result)
    assert set(result.per_sequence) == {"clip_0", "clip_2"}
    with pytest.raises(ConfigError, match="processes must be 0 or more"):
        evaluate(Stays(), sequences, processes=-1)


def test_processes_give_the_same_numbers(sequences):
    alone, two = (evaluate(Stays(), sequences, processes=count) for count in (0, 2))
    assert dict(alone.summary) == dict(two.summary)


def test_without_public_truth_there_are_files_but_no_numbers(sequences):
    boxes = sequences[0].boxes.copy()
    boxes[1:] = np.nan
    result = evaluate(Stays(), [VideoSequence("hidden", sequences[0].frames, boxes)])
    assert result.done == ("hidden",)
    assert "AUC" not in repr(result)
    with pytest.raises(DataError, match="not public"):
        _ = result.summary


def test_saved_numbers_and_a_later_comparison(folder):
    result = evaluate(Stays(), folder, name="ours")
    content = json.loads(result.save().read_text())
    assert content["conventions"]["pytracking"]["summary"] == dict(result.summary)
    assert result.save("elsewhere/numbers.json").is_file()
    found = compare("results", folder.name)  # the folder of the data set was noted
    assert found.ranked[0].summary["auc"] == result.summary["auc"]


def test_a_data_frame(sequences, monkeypatch):
    result = evaluate(Stays(), sequences)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install 'pandas'"):
        result.to_dataframe()

    class DataFrame:
        def __init__(self, rows):
            self.rows, self.index, self.attrs = rows, types.SimpleNamespace(name=None), {}

        @classmethod
        def from_dict(cls, rows, orient):
            assert orient == "index"
            return cls(rows)

    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=DataFrame))
    frame = result.to_dataframe()
    assert frame.rows["clip_0"]["auc"] == result.per_sequence["clip_0"]["auc"]
    assert (frame.index.name, frame.attrs["convention"]) == ("sequence", "pytracking")
    with pytest.raises(DataError, match="not measured under 'otb', but under: pytracking"):
        result.to_dataframe("otb")
