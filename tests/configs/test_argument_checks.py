"""Arguments of a wrong type in calls from Python."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from mixformer import evaluate, open_video, track_video, train
from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    TrackedBox,
    TrackedRows,
    export_annotations,
    load_project,
    track_between,
    write_results,
)
from mixformer.configs.argument_checks import checked
from mixformer.data import LazySequences
from mixformer.errors import ConfigError, DataError, FrameError
from mixformer.evaluation import bin_scores, mean_interval
from mixformer.inspection import average_attention, inspect_attention, inspect_frame, inspect_tracker, write_inspection
from mixformer.masks import MaskWriter
from mixformer.training import calibrate, finetune, run_ablation
from mixformer.types import Box, FloatArray
from mixformer.video import open_writer, read_targets
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

WRONG = (None, 3, 1.5, b"x", [1], {"a": 1}, object(), np.zeros(2), np.array("a"), torch.tensor(float("nan")), int)
"""None of these is a text or a path."""


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: type(each).__name__)
def test_what_is_no_path_is_a_typed_error(wrong, tiny_model, tmp_path, monkeypatch):
    """It was a TypeError of Python's from within."""
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: MaskWriter(wrong),
        lambda: read_targets(wrong),
        lambda: load_project(wrong),
        lambda: open_writer(wrong),
        lambda: calibrate(tiny_model, wrong, tmp_path),
        lambda: calibrate(wrong, "out", tmp_path),
        lambda: finetune(wrong, "out"),
        lambda: finetune(tmp_path, wrong),
        lambda: run_ablation("v2-1", wrong),
        lambda: run_ablation(wrong, "out"),
        lambda: inspect_frame(DEMO_CLIP, DEMO_BOX, 2, model=wrong),
    ):
        with pytest.raises(ConfigError, match=r"must be .*, not "):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", [MaskWriter, read_targets, load_project, open_writer])
def test_a_zero_byte_is_in_no_path(call):
    with pytest.raises(ConfigError, match=r"must be .* without a zero byte, not 'a\\x00b'"):
        call("a\0b")


@pytest.mark.parametrize(
    "wrong",
    [None, "nope", b"x", object(), np.zeros(2), torch.zeros(2), float("nan")],
    ids=lambda each: type(each).__name__,
)
def test_values_of_another_type_are_typed_errors(wrong, tmp_path):
    rows = TrackedRows().put(1, [TrackedBox(Box(1, 2, 3, 4))])
    for call in (
        lambda: rows.put(wrong, []),
        lambda: rows.put(1, wrong),
        lambda: rows.put(1, [], wrong),
        lambda: rows.at(wrong),
        lambda: rows.between(0, wrong),
        lambda: TrackedRows.unpacked(rows.packed(), wrong),
        lambda: LazySequences(["a"], wrong),
        lambda: LazySequences(["a"], len, keep=wrong),
        lambda: mean_interval([0.5, 0.6], wrong),
        lambda: finetune(tmp_path, tmp_path / "mine", minutes=wrong),
        lambda: finetune(tmp_path, tmp_path / "mine", changes=wrong),
        lambda: inspect_tracker(wrong, np.zeros((9, 9, 3), np.uint8)),
        lambda: inspect_attention(wrong, torch.zeros(1), torch.zeros(1)),
        lambda: average_attention(wrong, "search_to_search"),
        lambda: write_inspection(wrong, tmp_path / "seen"),
    ):
        with pytest.raises(ConfigError, match=r"must be .*, not "):
            call()
    with pytest.raises(ConfigError, match="runtime must be"):
        calibrate(tmp_path, tmp_path / "mine", tmp_path, runtime={} if wrong is None else wrong)
    with pytest.raises(DataError, match="the number of a frame"):
        MaskWriter(tmp_path).write(np.ones((2, 2), bool), wrong)
    assert not list(tmp_path.iterdir())


def test_scores_hits_and_levels_that_do_not_fit(tmp_path):
    for scores, hits in ((np.zeros(2), np.zeros(3, bool)), (np.zeros(()), np.zeros((), bool))):
        with pytest.raises(DataError, match="one value for each box"):
            bin_scores(scores, hits)
    for wrong in ([0.5], np.array(["a"])):
        with pytest.raises(ConfigError, match="must be a NumPy array of numbers"):
            bin_scores(wrong, np.zeros(1, bool))
    with pytest.raises(ConfigError, match="between 0 and 1"):
        mean_interval([0.5, 0.6], 1.5)
    assert mean_interval([0.5, float("nan")]) is None
    for name in ("a.mp4", "pictures"):
        with pytest.raises(FrameError), open_writer(tmp_path / name) as writer:
            writer.write(np.zeros(2))


def test_what_fits_is_passed_on():
    @checked
    def call(
        path: str | Path,
        flag: bool = False,
        way: Literal["a", "b"] = "a",
        *,
        names: Sequence[str] = (),
        more: Iterable[int] = (),
        array: FloatArray | None = None,
        then: Callable[[], object] | None = None,
        later: "NotThere" = 1,  # type: ignore[name-defined]  # noqa: F821
    ) -> tuple:
        return path, flag, way, names, more

    endless = iter(int, 1)  # is not read
    assert call(Path("a"), np.True_, "b", names=["x"], more=endless, array=np.zeros(2, np.float32), then=print) == (
        Path("a"), np.True_, "b", ["x"], endless
    )  # fmt: skip
    assert call("a", 1, later="anything")[1] == 1
    with pytest.raises(TypeError, match="required positional argument: 'path'"):
        call()  # type: ignore[call-arg]
    for wrong in ({"flag": "no"}, {"way": "c"}, {"names": "xy"}, {"names": [1]}, {"more": 3}, {"then": 3}, {"flag": 2}):
        with pytest.raises(ConfigError, match=f"call: {next(iter(wrong))} must be "):
            call("a", **wrong)


def test_the_quick_way_refuses_what_the_slow_one_refuses():
    """Usual values are known by their type alone; what is like them is not: a flag is no number."""

    @checked
    def call(
        self, frame: int, score: float = 0.0, name: str = "", *more: int, last: bool = False, **rest: int
    ) -> tuple:
        return frame, score, name, more, last, rest

    assert call(None, 2**63 - 1, 1, "", "any", last=np.True_, rest="any", more=2) == (
        2**63 - 1, 1, "", ("any",), np.True_, {"rest": "any", "more": 2}
    )  # fmt: skip
    assert call(None, np.int64(3), np.float32(0.5), np.str_("x"))[0] == 3
    for wrong in (True, np.True_, 1.0, np.float64(1), "1", None, 2**63, -(2**63), np.zeros(1, int), int):
        for given in ((None, wrong), (None, wrong, "x")):  # the first one is named
            with pytest.raises(ConfigError, match="call: frame must be a whole number, not "):
                call(*given)
        with pytest.raises(ConfigError, match="call: frame must be a whole number, not "):
            call(None, frame=wrong)
    for wrong in (True, float("nan"), float("inf"), 1e19, "0.5", None):
        with pytest.raises(ConfigError, match="call: score must be a number, not "):
            call(None, 1, wrong)
    for args, named in ((), {}), ((), {"frame": 1}), ((None, True), {"frame": 1}), ((None,), {"fame": True}):
        with pytest.raises(TypeError, match="argument"):  # Python refuses these calls itself
            call(*args, **named)


@pytest.mark.parametrize("wrong", [int, dict, lambda: None, lambda a, b, c, d: None, 3, "print"])
def test_a_function_to_call_back_takes_what_it_is_given(wrong, tmp_path, monkeypatch):
    """A class, or a function of other values, was an error of Python's in the middle of the work."""
    monkeypatch.chdir(tmp_path)
    project = AnnotationProject(AnnotatedVideo("clip.mp4", 64, 48, frame_count=2))
    for call in (
        lambda: finetune("data", "out", tell=wrong),
        lambda: finetune("data", "out", progress=wrong),
        lambda: calibrate("model", "out", "data", progress=wrong),
        lambda: run_ablation("v2-1", "out", progress=wrong),
        lambda: train("recipe.toml", "out", progress=wrong),
        lambda: evaluate(root="data", progress=wrong),
        lambda: track_video(DEMO_CLIP, DEMO_BOX, {"csv": "a.csv"}, on_frame=wrong),
        lambda: export_annotations(project, "mot", "out", progress=wrong),
        lambda: track_between(project, DEMO_CLIP, progress=wrong),
        lambda: write_results(project, open_video(DEMO_CLIP), {"csv": Path("a.csv")}, on_frame=wrong),
    ):
        with pytest.raises(ConfigError, match=r"must be .*a function of [123] values?.*, not "):
            call()
    assert not list(tmp_path.iterdir())


def test_data_of_a_name_that_no_file_can_have_is_not_there(tmp_path):
    """It was an OSError of Python's."""
    with pytest.raises(DataError, match="is not there; check the path"):
        finetune("x" * 5000, tmp_path / "mine")
    assert not list(tmp_path.iterdir())
