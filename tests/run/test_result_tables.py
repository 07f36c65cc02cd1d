"""Results as flat rows, DataFrames and detections."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mixformer import Box, TrackResult
from mixformer.errors import MissingDependencyError
from mixformer.run import from_detections, to_dataframe, to_detections, to_row

RESULT = TrackResult(Box(10.12345, 20, 30, 40), score=0.5, frame=5, time=0.2)


def test_a_row_is_flat():
    assert to_row(RESULT) == {
        "frame": 5,
        "time": 0.2,
        "x": 10.123,
        "y": 20,
        "w": 30,
        "h": 40,
        "score": 0.5,
        "status": "tracking",
    }
    assert list(to_row(RESULT, 7)) == ["frame", "id", "time", "x", "y", "w", "h", "score", "status"]


def test_a_data_frame_has_a_row_for_each_target_and_frame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    rows = to_dataframe([{1: RESULT, 2: RESULT}, {}, {2: RESULT}])
    assert [row["id"] for row in rows] == [1, 2, 2]
    assert "id" not in to_dataframe([RESULT])[0]


def test_detections_have_corners_and_ids(monkeypatch):
    class Detections(SimpleNamespace):
        @classmethod
        def empty(cls):
            return cls(xyxy=np.zeros((0, 4)))

    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=Detections))
    found = to_detections({3: RESULT, 4: TrackResult(Box(1, 2, 3, 4), None, 5)}, class_id=2)
    np.testing.assert_allclose(found.xyxy, [[10.12345, 20, 40.12345, 60], [1, 2, 4, 6]], rtol=1e-6)
    assert (found.tracker_id.tolist(), found.class_id.tolist()) == ([3, 4], [2, 2])
    assert found.confidence.tolist() == [0.5, 1.0]
    assert to_detections(RESULT).tracker_id.tolist() == [1]
    assert len(to_detections({}).xyxy) == 0


@pytest.mark.parametrize(("call", "install"), [(to_detections, r"mixformer\[supervision\]"), (to_dataframe, "pandas")])
def test_a_missing_library_is_named(monkeypatch, call, install):
    monkeypatch.setitem(sys.modules, "supervision", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=install):
        call({1: RESULT})


def test_detections_come_back_as_boxes_by_id():
    supervision = pytest.importorskip("supervision")
    results = {3: TrackResult(Box(10, 20, 30, 40), 0.5, 5), 4: TrackResult(Box(1, 2, 3, 4), None, 5)}
    assert from_detections(to_detections(results)) == {id: result.box for id, result in results.items()}
    assert from_detections(supervision.Detections.empty()) == {}
