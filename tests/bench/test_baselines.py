"""Our models beside OpenCV's trackers: the numbers that are kept, their intervals and words, and an interrupted run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics, write_result
from mixformer.evaluation.result_folders import ResultFolder
from tests.helpers.trackers import make_sequences
from tools import step_cost
from tools.baselines_report import make_report, to_text

ROOT = Path(__file__).parents[2]
KEPT = sorted((ROOT / "benchmarks" / "baselines").glob("*.json"))
TRUTH = np.array([[10.0, 20, 40, 30]] * 6)


@pytest.fixture
def measured(tmp_path):
    """Our tracker, and one that is three to five times as fast and lies more pixels beside the target."""
    shifts = {"ours, float32": [0, 4, 8, 2], "far": [20, 24, 28, 22]}
    seconds = {"ours, float32": [0.1, 0.2, 0.1, 0.2], "far": [0.02, 0.06, 0.025, 0.05]}

    class Named:
        def __init__(self, name):
            self.name = name

        def __len__(self):
            return len(TRUTH)

    names = [f"s{number}" for number in range(4)]
    entries, folders = [], []
    for tracker, values in shifts.items():
        results = [
            SequenceResult(name, TRUTH + np.array([shift, 0, 0, 0]), TRUTH)
            for name, shift in zip(names, values, strict=True)
        ]
        entries.append(ComparedTracker(tracker, compute_metrics("pytracking", results), {}))
        folders.append(ResultFolder(tracker, tmp_path / tracker))
        for name, each in zip(names, seconds[tracker], strict=True):
            times = np.full(6, each)
            times[0] = 100.0  # where the tracker begins, which is not its speed
            write_result(tmp_path / tracker, name, TRUTH, times)
    return Comparison("toy", tuple(entries), tuple(map(Named, names)), 4, "zero"), folders


COSTS = [
    {"round": number, "tracker": tracker, "targets": targets, "wall": wall * number, "cpu": 0.5, "joules": joules}
    for number in (1, 2)
    for tracker, targets, wall, joules in (
        ("ours, float32", 1, 0.1, 3.0),
        ("ours, float32", 4, 0.3, 9.0),
        ("far", 1, 0.02, 1.0),
        ("far", 4, 0.08, 4.0),
    )
]
RUN = {
    "started": "2026-01-02T03:04:05+00:00",
    "environment": {"packages": {"mixformer": "0.2.0"}, "processors": 2, "missing": {"MIL": "no such build"}},
    "settings": {
        "ours": {"ours, float32": {"threads": 1, "engine": "torch", "precision": "float32", "weights": "ab"}},
        "opencv": {"version": "5.0.0", "trackers": ["far"]},
        "frames": {f"s{number}": 6 for number in range(4)},
    },
    "loads": [1.0, 3.0],
}


def test_numbers_have_intervals_and_differences_have_words(measured):
    found, folders = measured
    ours, far = make_report(found, folders, COSTS, RUN)["trackers"]
    assert ours["auc"]["low"] < ours["auc"]["mean"] < ours["auc"]["high"]
    assert "auc_from_first" not in ours
    assert far["auc_from_first"]["words"] == "behind"
    assert far["auc_from_first"]["mean"] == pytest.approx(far["auc"]["mean"] - ours["auc"]["mean"])
    assert far["speed"]["mean"] == pytest.approx((5 * 10 / 3 * 4 * 4) ** 0.25)
    assert far["speed"]["words"] == "faster"
    assert ours["speed"]["words"] == "within noise"
    assert far["cost"]["4"]["wall_ratio"] == pytest.approx(0.8)  # the second round took twice as long for all
    assert (far["cost"]["4"]["joules"], ours["cost"]["1"]["joules"]) == (4.0, 3.0)


def test_times_of_a_busy_machine_are_ratios_alone(measured):
    found, folders = measured
    busy, quiet = (make_report(found, folders, COSTS, RUN, absolute=absolute) for absolute in (False, True))
    assert not re.search(r'"(fps|\w+_ms)"', json.dumps(busy))
    assert quiet["trackers"][1]["fps"] == pytest.approx(1 / np.mean([0.02, 0.06, 0.025, 0.05]))
    assert quiet["trackers"][1]["cost"]["1"]["wall_ms"] == pytest.approx(30)
    assert "FPS" in to_text(quiet)
    text = to_text(busy)
    assert "FPS" not in text
    assert "Not measured: MIL (no such build)." in text
    assert "| far | 0.20 (1.00) | 0.80 (1.00) | 1.000 |" in text


def test_plot_and_table_of_the_page_come_from_a_report(measured, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from tools import accuracy_plot

    found, folders = measured
    path, page = tmp_path / "report.json", tmp_path / "numbers.md"
    path.write_text(json.dumps(make_report(found, folders, COSTS, RUN)))
    page.write_text("before\n\n<!-- accuracy: old.csv, by a test -->\n\n| old |\n\n<!-- end -->\n\nafter\n")
    for name, value in (("ROOT", tmp_path), ("PAGE", page), ("PICTURE", tmp_path / "plot.png")):
        monkeypatch.setattr(accuracy_plot, name, value)
    monkeypatch.setattr(sys, "argv", ["accuracy_plot.py", str(path)])
    for _ in range(2):  # it finds its own marks again
        accuracy_plot.main()
        assert page.read_text().startswith("before\n\n<!-- accuracy: report.json, by tests/test_readme.py -->\n\n| |")
        assert page.read_text().endswith("|\n\n<!-- end -->\n\nafter\n")
        assert "| far | " in page.read_text()
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_the_names_in_the_plot_do_not_meet(path, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    from tools import accuracy_plot

    monkeypatch.setattr(plt, "close", lambda figure: None)
    report = json.loads(path.read_text())
    accuracy_plot.draw(report, tmp_path / "plot.png")
    figure = plt.gcf()
    monkeypatch.undo()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    assert {text.get_text() for text in texts} >= {row["name"].partition(", ")[0] for row in report["trackers"]}
    places = [text.get_window_extent() for text in texts]
    inside = figure.axes[0].get_window_extent()
    for number, place in enumerate(places):
        assert inside.x0 < place.x0
        assert place.x1 < inside.x1
        assert not any(place.overlaps(other) for other in places[:number])
    plt.close(figure)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_kept_report_says_the_same_in_all_its_files(path):
    text, report = path.read_text(), json.loads(path.read_text())
    assert path.with_suffix(".md").read_text() == to_text(report)
    assert path.with_suffix(".png").is_file()
    assert not re.search("/home/|/tmp/|/root|/work", text)
    assert report["absolute"] or "fps" not in text
    for row in report["trackers"]:
        assert set(row["auc_by_sequence"]) == set(report["frames"])
        assert row["auc"]["mean"] == pytest.approx(100 * np.mean(list(row["auc_by_sequence"].values())))


def test_there_is_a_kept_report():
    assert KEPT


def test_energy_counters_begin_again_at_their_end(tmp_path, monkeypatch):
    monkeypatch.setattr(step_cost, "POWER", tmp_path)
    assert step_cost.cost_of(len, ["a"])["joules"] is None
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):  # the last one is a part of the first
        (tmp_path / name).mkdir()
        (tmp_path / name / "max_energy_range_uj").write_text("9999999\n")
        (tmp_path / name / "energy_uj").write_text("9000000\n")

    def step(energy):
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(energy)

    assert step_cost.cost_of(step, ["9500000", "1000000"])["joules"] == pytest.approx(1.0)  # 2 J for two frames


def test_a_run_goes_on_and_tells_what_opencv_lacks(tmp_path):
    pytest.importorskip("cv2")
    for each in make_sequences(tmp_path / "data" / "sequences", (6, 6)):
        (each.frames[0].parents[1] / "meta.json").write_text('{"dev_use": "val"}')
    command = [sys.executable, "tools/baselines.py", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    command += ["--threads", "1", "--precisions", "float32", "--opencv-trackers", "MIL", "--no-plots"]
    command += ["--frames", "4", "--cost-rounds", "1", "--cost-frames", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*more):
        return subprocess.run([*command, *more], cwd=ROOT, env=env, capture_output=True, text=True)

    found = run()
    assert found.returncode == 0, found.stderr
    (kept,) = (tmp_path / "out").glob("baselines-*.json")
    report = json.loads(kept.read_text())
    assert [row["name"] for row in report["trackers"]] == ["mixformerv2_dino_s8, float32", "MIL"]
    assert report["missing"]["ViTTrack"] == "no object_tracking_vittrack_2023sep.onnx"
    assert list(report["trackers"][1]["cost"]) == ["1", "4", "16"]
    folder = tmp_path / "out" / "MIL" / "val"
    (folder / "clip_1_time.txt").unlink()
    before = (folder / "clip_0_time.txt").stat().st_mtime_ns
    assert run().returncode == 0
    assert (folder / "clip_1_time.txt").is_file()
    assert (folder / "clip_0_time.txt").stat().st_mtime_ns == before
    other = run("--frames", "5")
    assert other.returncode
    assert "frames.clip_0 was 4, now 5" in other.stderr
