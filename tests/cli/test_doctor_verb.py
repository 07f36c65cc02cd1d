"""`mixformer doctor`: what it finds, how it says it, and what is an error."""

import json
from dataclasses import replace

import pytest

from mixformer.bench import checkup
from mixformer.bench.engine_trial import KNOWN, EngineTrial
from mixformer.cli import main
from mixformer.engines import ENGINES
from mixformer.optional import CACHE_VARIABLE
from tests.helpers.small_disk import need_small_disks, small_disk

BOXES = [KNOWN.get(number, (250.0, 30.0, 45.0, 140.0)) for number in range(12)]
GOOD = {
    "openvino": EngineTrial("openvino", "float32", start=0.5, fps=30.0, boxes=BOXES),
    "torch": EngineTrial("torch", "float32", start=2.0, fps=10.0, boxes=BOXES),
}


@pytest.fixture
def engines(monkeypatch):
    """An installation with these trials; engines without one are not installed."""

    def make(trials):
        monkeypatch.setattr(checkup, "_not_tried", lambda spec: None if spec.name in trials else "not installed")
        taken = next((each for each in trials.values() if not each.error), EngineTrial("auto", "auto", error="none"))
        monkeypatch.setattr(checkup, "try_engine", lambda name, *_: taken if name == "auto" else trials[name])
        monkeypatch.setattr(checkup, "_display", list)  # opens a window where it can

    return make


def test_a_sound_installation(engines, capsys):
    engines(GOOD)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert all(len(line) < 80 for line in said.splitlines())
    for words in ("mixformer: ", "processor: ", "packages: ", "reading: H.264", "writing: video encoders", "cache: "):
        assert words in said
    assert "ok     engine openvino: float32: 30 FPS, starts in 0.5 s" in said
    told = " ".join(said.split())
    assert "IoU 1.00 with openvino in float32" in told
    assert "openvino was 3.0 times as fast" in told  # what was measured, what may be the cause, and what to do
    assert "other programs may be the cause" in told
    assert "--engine openvino" in told
    assert said.endswith("nothing is broken\n")


def test_an_engine_that_was_slow_gets_no_reason_that_nobody_measured(engines, capsys):
    engines({"onnx": replace(GOOD["openvino"], engine="onnx"), "openvino": replace(GOOD["torch"], engine="openvino")})
    assert main(["doctor"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "slow engine openvino: onnx was 3.0 times as fast; other programs may be the cause" in told
    assert "run mixformer doctor again when nothing else runs" in told
    assert "compiled" not in told


def test_the_report_is_json_on_request(engines, capsys):
    engines(GOOD)
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["broken"] == 0
    assert [(each["engine"], each["fps"]) for each in report["engines"]] == [("openvino", 30.0), ("torch", 10.0)]
    assert {each["level"] for each in report["findings"]} <= {"ok", "note", "slow"}


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (EngineTrial("torch", "float32", error="ImportError: libc10.so"), "libc10.so"),
        (
            EngineTrial("torch", "float32", fps=9.0, boxes=[(0.0, 0.0, 9.0, 9.0)] * 12),
            "IoU 0.00 with the known",
        ),
        (
            EngineTrial("torch", "float32", fps=9.0, boxes=[(x + 5, y, w, h) for x, y, w, h in BOXES]),
            "IoU 0.80 with openvino",
        ),
    ],
    ids=["fails", "wrong", "differs"],
)
def test_a_broken_engine_is_an_error(engines, capsys, trial, words):
    engines(GOOD | {"torch": trial})
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert words in " ".join(said.out.split())
    assert "broken engine torch" in said.out
    assert "1 part of this installation broken" in said.err
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["broken"] == 1


def test_an_engine_that_is_late_is_slow_and_not_broken(engines, capsys, monkeypatch):
    """Under heavy load, PyTorch was called broken, with the advice to install it again."""
    engines(GOOD | {"torch": EngineTrial("torch", "float32", late=True)})
    assert main(["doctor"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "slow engine torch: float32: not done after 240 seconds" in said
    assert "end other programs" in said
    assert "nothing is broken" in said
    late = {name: EngineTrial(name, "float32", late=True) for name in ("openvino", "torch")}
    engines(late)
    assert main(["doctor", "--json"]) == 0
    assert "no engine can run" not in capsys.readouterr().out


def test_a_trial_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(checkup, "_SECONDS", 0.05)
    trial = checkup.try_engine("torch", "float32", 3)
    assert (trial.error, trial.late) == ("", True)


def test_what_auto_takes_instead_of_a_broken_engine_is_told(engines, capsys):
    engines(GOOD | {"openvino": EngineTrial("openvino", "float32", error="RuntimeError: no primitive")})
    assert main(["doctor"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "note engine auto: takes torch in float32: 10 FPS; openvino cannot run here" in said
    engines({"openvino": EngineTrial("openvino", "float32", error="RuntimeError: no primitive")})
    assert main(["doctor"]) == 1
    assert "broken engine auto: auto: none" in " ".join(capsys.readouterr().out.split())


def test_the_trial_of_auto_names_the_engine_that_it_took(monkeypatch, tmp_path):
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("raise ImportError('libopenvino.so: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    trial = checkup.try_engine("auto", "auto", 3)
    assert (trial.error, trial.engine, len(trial.boxes)) == ("", "torch", 3)


def test_a_check_that_fails_is_a_finding(engines, capsys, monkeypatch):
    def _codecs():
        raise OSError("libavcodec.so: cannot open")

    engines(GOOD)
    monkeypatch.setattr(checkup, "_codecs", _codecs)
    assert main(["doctor"]) == 1
    assert "broken codecs: OSError: libavcodec.so: cannot open" in capsys.readouterr().out


def test_a_busy_machine_and_a_missing_cache_are_slow(engines, capsys, monkeypatch):
    engines(GOOD)
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 1.0, 1.0))
    monkeypatch.setenv("MIXFORMER_CACHE", "off")
    assert main(["doctor"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "slow load: 99 programs want to run" in said
    assert "MIXFORMER_CACHE is off, so graphs compile at each start" in said


def test_a_wrong_number_of_frames_is_refused(capsys):
    assert main(["doctor", "--frames", "1"]) == 2
    assert "3 to 53" in capsys.readouterr().err


def test_an_engine_is_tried_in_a_process_of_its_own():
    trial = checkup.try_engine("openvino", "float32", 3)
    assert (trial.error, trial.precision, len(trial.boxes)) == ("", "float32", 3)
    assert trial.fps > 0
    broken = checkup.try_engine("openvino", "float64", 3)
    assert "float64" in broken.error


def test_engines_that_are_not_there_are_told_apart(monkeypatch):
    monkeypatch.setattr("mixformer.engines.engine_spec.installed", lambda package: package != "onnxruntime")
    monkeypatch.setattr(checkup, "gpu_count", lambda: 0)
    told = {name: checkup._not_tried(spec) for name, spec in ENGINES.items() if name in ("onnx", "cudagraph", "torch")}
    assert told == {"onnx": "not installed (onnxruntime)", "cudagraph": "needs an NVIDIA GPU", "torch": None}


def test_full_disks_of_cache_and_temporary_files_are_found(engines, capsys, tmp_path, monkeypatch):
    """An empty file fits on a full disk, so the cache was called ok."""
    need_small_disks()
    engines(GOOD)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with small_disk(tmp_path, 64):
        assert main(["doctor", "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    for what, variable in (("cache", CACHE_VARIABLE), ("temporary files", "TMPDIR")):
        assert found[what]["level"] == "slow"
        assert f"cannot write to {tmp_path}" in found[what]["text"]
        assert found[what]["advice"].startswith("the disk is full; free some space and run the same command again; or")
        assert variable in found[what]["advice"]
