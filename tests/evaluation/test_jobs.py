"""A tracker over several sequences: alike with any number of workers, restarts, failures, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.engines import Runtime
from mixformer.errors import ConfigError, DataError, MixFormerError
from mixformer.evaluation.manifest import noted_gflops
from mixformer.evaluation.result_files import read_result
from mixformer.evaluation.runs import EvaluationRun, SequenceSkipped, run_evaluation
from mixformer.evaluation.sequence_runner import run_tracker
from mixformer.evaluation.tracker_source import name_tracker
from mixformer.models import build_model
from mixformer.run.executor import Completed, Failed, Progressed, SerialExecutor, Started
from mixformer.run.process_executor import ProcessExecutor
from mixformer.tracking import Tracker
from mixformer.tracking.factory import TrackerFactory, rules_for
from mixformer.weights.load_save import save_model
from tests.helpers.clips import hear_interrupts
from tests.helpers.trackers import CannotStart, MakeBad, MakeStays, box_files, make_sequences
from tests.torture.processes import orphans


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    return make_sequences(tmp_path_factory.mktemp("data"))


@pytest.fixture
def job(sequences, tmp_path):
    """A job with a simple tracker; change it by `made`."""

    def made(**changes):
        values = {"make": MakeStays(), "sequences": sequences, "settings": {"rules": {"speed": 1}}} | changes
        return EvaluationRun("stays", "squares", out=tmp_path, **values)

    return made


def manifest(folder):
    return json.loads((folder / "run.json").read_text())


def test_results_do_not_depend_on_the_workers(tiny_model, sequences, tmp_path):
    plan = TrackerFactory(str(tiny_model), TrackerConfig(update_interval=2), Runtime(device="cpu"))
    found = []
    for name, executor in (("one", ProcessExecutor(1)), ("three", ProcessExecutor(3))):
        outcome = run_evaluation(EvaluationRun(name, "squares", sequences, plan, tmp_path, plan.settings()), executor)
        assert sorted(outcome.done) == ["clip_0", "clip_1", "clip_2"]
        assert not outcome.failed
        found.append(box_files(outcome.folder))
    assert found[0] == found[1]
    assert len(found[0]) == 9  # boxes, scores and statuses of three
    tracker = Tracker(str(tiny_model), plan.config, runtime=Runtime(device="cpu"))
    for sequence in sequences:
        wanted, result = run_tracker(tracker, sequence), read_result(tmp_path / "three" / "squares", sequence.name)
        np.testing.assert_allclose(result.boxes, wanted.boxes, atol=1e-3)
        assert len(result.times) == len(sequence)
        assert result.scores[0] == 1


def test_what_is_written(job, sequences):
    heard = []
    outcome = run_evaluation(job(), ProcessExecutor(2), heard.append)
    assert outcome.folder.parts[-2:] == ("stays", "squares")
    assert (outcome.folder / "clip_0.txt").read_text().splitlines()[:2] == [
        "10.0000,30.0000,20.0000,20.0000",
        "9.2500,30.0000,20.0000,20.0000",
    ]
    assert [type(event) for event in heard if event.name == "clip_1"] == [Started, Completed]
    assert next(event.steps for event in heard if event.name == "clip_1") == 6
    told = manifest(outcome.folder)
    assert told["settings"] == {"rules": {"speed": 1}, "truncate": False}
    assert told["expected"] == {"": ["clip_0", "clip_1", "clip_2"]}
    assert told["sequences"]["clip_1"]["frames"] == 6
    assert told["sequences"]["clip_1"]["size"] == [90, 120]
    assert told["environment"]["packages"]["torch"]
    assert not [path for path in outcome.folder.iterdir() if "partial" in path.name]


def test_integers_are_cut_off(job):
    outcome = run_evaluation(job(truncate=True), SerialExecutor())
    assert (outcome.folder / "clip_0.txt").read_text().splitlines()[:3] == ["10,30,20,20", "9,30,20,20", "8,30,20,20"]


def test_a_restart_does_only_what_is_missing_or_damaged(job, caplog):
    outcome = run_evaluation(job(), SerialExecutor())
    before = box_files(outcome.folder)
    (outcome.folder / "clip_0.txt").unlink()
    whole = (outcome.folder / "clip_2.txt").read_text()
    (outcome.folder / "clip_2.txt").write_text(whole[: len(whole) // 2])
    heard = []
    again = run_evaluation(job(), SerialExecutor(), heard.append)
    assert again.done == ("clip_0", "clip_2")
    assert again.kept == ("clip_1",)
    assert [event for event in heard if event.name == "clip_1"] == [SequenceSkipped("clip_1")]
    assert box_files(outcome.folder) == before
    assert "clip_2 is tracked again" in caplog.text


def test_other_settings_are_not_mixed(job):
    outcome = run_evaluation(job(), SerialExecutor())
    with pytest.raises(ConfigError, match=r"rules\.speed was 1, now 2.*another name"):
        run_evaluation(job(settings={"rules": {"speed": 2}}), SerialExecutor())
    with pytest.raises(ConfigError, match="truncate was False, now True"):
        run_evaluation(job(truncate=True), SerialExecutor())
    (outcome.folder / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json"):
        run_evaluation(job(), SerialExecutor())
    (outcome.folder / "run.json").unlink()
    with pytest.raises(ConfigError, match=r"without a run\.json"):
        run_evaluation(job(), SerialExecutor())


def test_a_run_of_version_0_1_0_is_resumed(job):
    outcome = run_evaluation(job(), SerialExecutor())
    path = outcome.folder / "run.json"
    path.write_text(path.read_text().replace('"truncate"', '"integers"'))
    assert '"integers"' in path.read_text()
    assert len(run_evaluation(job(), SerialExecutor()).kept) == 3
    assert '"integers"' not in path.read_text()


def test_parts_and_wrong_names(job, sequences):
    outcome = run_evaluation(job(only=("clip_2", "clip_0")), SerialExecutor())
    assert outcome.done == ("clip_0", "clip_2")
    assert manifest(outcome.folder)["expected"][""] == ["clip_0", "clip_1", "clip_2"]
    with pytest.raises(ConfigError, match="no sequence clip_9; choose from these 3: clip_0"):
        run_evaluation(job(only=("clip_9",)), SerialExecutor())
    with pytest.raises(ConfigError, match="two sequences are called 'clip_0'"):
        run_evaluation(job(sequences=[sequences[0], sequences[0]]), SerialExecutor())
    with pytest.raises(ConfigError, match="cannot be"):
        EvaluationRun("a/b", "squares", sequences, MakeStays(), outcome.folder)


@pytest.mark.parametrize(
    ("how", "message"), [("raise", "RuntimeError: the tracker is tired"), ("nan", "not four finite")]
)
def test_a_failure_is_kept_apart_and_tried_again(job, tmp_path, how, message):
    outcome = run_evaluation(job(make=MakeBad(how, tmp_path / "mark")), SerialExecutor())
    assert outcome.done == ("clip_0", "clip_2")
    assert message in outcome.failed["clip_1"]
    told = manifest(outcome.folder)["failures"]["clip_1"]
    assert message in told["message"]
    assert "Traceback" in (outcome.folder / told["traceback"]).read_text()
    assert not (outcome.folder / "clip_1.txt").exists()
    again = run_evaluation(job(), SerialExecutor())
    assert (again.done, again.kept) == (("clip_1",), ("clip_0", "clip_2"))
    assert manifest(outcome.folder)["failures"] == {}
    assert not list((outcome.folder / "failures").iterdir())


def test_unreadable_sequences_fail_alone(job, sequences):
    blank = VideoSequence("blank", sequences[0].frames, np.full((4, 4), np.nan))
    gone = VideoSequence("gone", (sequences[0].frames[0].with_name("none.png"),) * 2, sequences[0].boxes[:2])

    def load(index):
        if index == 3:
            raise DataError("groundtruth.txt, line 3: not a number")
        return [sequences[0], blank, gone][index]

    lazy = LazySequences(["clip_0", "blank", "gone", "broken"], load)
    outcome = run_evaluation(job(sequences=lazy), SerialExecutor())
    assert outcome.done == ("clip_0",)
    assert "first frame has no box" in outcome.failed["blank"]
    assert "none.png" in outcome.failed["gone"]
    assert "line 3" in outcome.failed["broken"]


def test_a_killed_worker_is_replaced_and_its_sequence_tried_again(job, tmp_path):
    outcome = run_evaluation(job(make=MakeBad("die once", tmp_path / "mark")), ProcessExecutor(1))
    assert (tmp_path / "mark").exists()
    assert sorted(outcome.done) == ["clip_0", "clip_1", "clip_2"]


def test_a_sequence_that_kills_its_workers_fails_alone(job, tmp_path):
    outcome = run_evaluation(job(make=MakeBad("die", tmp_path / "mark")), ProcessExecutor(2))
    assert sorted(outcome.done) == ["clip_0", "clip_2"]
    assert "SIGKILL" in outcome.failed["clip_1"]


def test_a_tracker_that_cannot_be_made_is_one_error(job):
    with pytest.raises(MixFormerError, match=r"(?s)a worker could not be made.*no such model"):
        run_evaluation(job(make=CannotStart()), ProcessExecutor(2))
    with pytest.raises(ConfigError, match="cannot be sent to another process"):
        run_evaluation(job(make=lambda number: None), ProcessExecutor(1))
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        ProcessExecutor(0)


def test_ctrl_c_leaves_whole_files(job):
    def listen(event):
        if isinstance(event, Completed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_evaluation(job(), ProcessExecutor(1), listen)
    folder = job().folder
    assert list(manifest(folder)["sequences"]) == ["clip_0"]
    assert len(read_result(folder, "clip_0").boxes) == 4
    assert not (folder / "clip_2.txt").exists()
    again = run_evaluation(job(), SerialExecutor())
    assert again.kept == ("clip_0",)


def test_rules_of_the_papers(tmp_path):
    small = MODELS["mixformerv2_s"].replace(depth=1, dim=16, heads=2, head_dim=8)
    folder = save_model(build_model(small), tmp_path / "m")
    assert rules_for(str(folder), "paper", "got10k").update_interval == 15
    assert rules_for(str(folder), "paper", "lasot_ext").search_factor == 4.4
    assert rules_for(str(folder), "uav123", "lasot").online_templates == 3
    network = name_tracker(build_model(small), "paper", "lasot_ext", Runtime(device="cpu"))
    assert network.settings["rules"]["search_factor"] == 4.4  # of a network as of its folder
    with pytest.raises(ConfigError, match=r"no preset 'avist' for mixformerv2_s.*--preset none"):
        rules_for(str(folder), "paper", "avist")


def test_the_weights_belong_to_the_settings(tiny_model):
    settings = TrackerFactory(str(tiny_model), TrackerConfig()).settings()
    assert settings["model"] == "tiny"
    assert len(settings["weights"]) == 16
    assert settings["rules"]["search_factor"] == 4.5


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_worker_beside_a_gpu_takes_the_processor_for_engines_that_run_on_it_alone(monkeypatch, device):
    """Of the device "auto" became a GPU for every engine, and OpenVINO was refused."""
    monkeypatch.setattr("mixformer.engines.devices.gpu_count", lambda: 2)
    runtime = Runtime(device=device, engine="openvino", precision="float32")
    engine = TrackerFactory(DEFAULT_MODEL, TrackerConfig(), runtime)(1).engine
    assert type(engine).__name__ == "OpenVINOEngine"  # which has no other device


def test_progress_within_a_sequence():
    events = list(ProcessExecutor(1).run(_make_slow, [("slow", 3)]))
    assert [type(event) for event in events] == [Started, Progressed, Progressed, Completed]
    assert events[-1].result == "done"
    assert [type(event) for event in SerialExecutor().run(_make_slow, [("wrong", "x")])] == [Started, Failed]


def _make_slow(number):
    def work(steps, report):
        for step in range(steps):
            report(step)
            time.sleep(0.21)
        return "done"

    return work


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("make", [CannotStart(), MakeBad("raise", "nowhere")])
def test_a1_results_stay_until_the_first_new_one_is_there(job, tmp_path, resume, make):
    """Row A1's kind: a run that cannot begin deleted the results of the one before, and reset run.json."""
    folder = run_evaluation(job(), SerialExecutor()).folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    missing = VideoSequence("clip_0", [tmp_path / "none.png"] * 3, np.tile([1.0, 1, 5, 5], (3, 1)))
    with suppress(MixFormerError, RuntimeError):
        run_evaluation(job(make=make, resume=resume, sequences=[missing]), SerialExecutor())
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path: text for path, text in after.items() if path.name != "run.json"}.items() >= {
        path: text for path, text in before.items() if path.name != "run.json"
    }.items()
    if not resume or isinstance(make, CannotStart):
        assert after == before


def test_a1_other_settings_need_overwrite(job):
    first = run_evaluation(job(), SerialExecutor())
    with pytest.raises(ConfigError, match="--overwrite"):
        run_evaluation(job(settings={"rules": {"speed": 2}}), SerialExecutor())
    second = run_evaluation(job(settings={"rules": {"speed": 2}}, overwrite=True), SerialExecutor())
    assert second.done == first.done
    assert manifest(second.folder)["settings"]["rules"] == {"speed": 2}


def test_overwriting_a_part_leaves_nothing_of_other_settings(job, sequences):
    """A sequence that was not there meanwhile kept the result of the first settings, as if the second had made it."""
    run_evaluation(job(), SerialExecutor())
    other = {"settings": {"rules": {"speed": 2}}, "overwrite": True}
    run_evaluation(job(sequences=sequences[:2], split="part", **other), SerialExecutor())
    third = run_evaluation(job(**other), SerialExecutor())
    assert (third.kept, third.done) == (("clip_0", "clip_1"), ("clip_2",))


@pytest.mark.parametrize("truncate", [False, True])
def test_a_result_of_another_data_set_of_the_same_name_is_not_kept(job, sequences, caplog, truncate):
    run_evaluation(job(truncate=truncate), SerialExecutor())
    first = sequences[0]
    moved = VideoSequence(first.name, first.frames, first.boxes + np.array([2.5, 0, 0, 0]))
    again = run_evaluation(job(truncate=truncate, sequences=[moved, *sequences[1:]]), SerialExecutor())
    assert (again.done, again.kept) == (("clip_0",), ("clip_1", "clip_2"))
    assert "clip_0 is tracked again, since its result begins at another box" in caplog.text


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sequences", {"clip_0": 3}, "clip_0 has no number of frames"),
        ("sequences", {"clip_0": {"seconds": 1}}, "clip_0 has no number of frames"),
        ("environment", [], "environment is no object"),
    ],
)
def test_a_record_of_another_form_is_refused(job, key, value, message):
    folder = run_evaluation(job(), SerialExecutor()).folder
    (folder / "run.json").write_text(json.dumps(manifest(folder) | {key: value}))
    with pytest.raises(DataError, match=message):
        run_evaluation(job(), SerialExecutor())


def test_a_record_of_others_removes_no_other_file(job, tmp_path):
    """A sequence that is done now removes the traceback of its failure, whose place was read from the record."""
    folder = run_evaluation(job(), SerialExecutor()).folder
    (tmp_path / "precious.txt").touch()
    failures = {"clip_0": {"message": "", "traceback": "../../precious.txt"}, "clip_1": "?"}
    content = manifest(folder) | {"failures": failures}
    del content["environment"]
    (folder / "run.json").write_text(json.dumps(content))
    assert noted_gflops(folder) is None
    for name in failures:
        (folder / f"{name}.txt").unlink()
    assert run_evaluation(job(), SerialExecutor()).done == ("clip_0", "clip_1")
    assert (tmp_path / "precious.txt").exists()
    assert manifest(folder)["failures"] == {}


SLOW = """
import sys, time
from mixformer.run import ProcessExecutor
def make(number):
    def work(task, report):
        time.sleep(1000)
    return work
if __name__ == "__main__":
    for event in ProcessExecutor(2).run(make, [("a", 1), ("b", 2)]):
        print(event, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_row_6_no_worker_outlives_its_parent(tmp_path, number):
    """Row 6 of the torture bench: SIGKILL, or a signal to the main process alone, left workers and a traceback."""
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "slow.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    assert process.stdout.readline()
    os.kill(process.pid, number)
    process.wait(30)
    assert not orphans(process.pid, 30)
    if number == signal.SIGKILL:
        assert not process.stderr.read()
