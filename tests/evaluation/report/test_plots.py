"""What plots show, looked up in the figures themselves, and that they are written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mixformer.errors import MissingDependencyError
from mixformer.evaluation.metrics import Curve
from mixformer.evaluation.report import plots, speed_plots
from mixformer.evaluation.report.figures import COLORS, figure_writers, look, require_matplotlib
from tests.helpers.report_maker import make, make_comparison


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("report"))


def lines_of(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_all_plots_that_the_results_allow(comparison):
    made = plots.draw_plots(comparison)
    assert list(made) == [
        "success", "precision", "norm_precision", "attributes_radar", "attributes_bars", "difference", "speed",
    ]  # fmt: skip
    alone = replace(comparison, entries=comparison.entries[2:], attributes={})
    assert list(plots.draw_plots(alone)) == ["success", "precision", "norm_precision"]


def test_a_curve_for_each_tracker_with_the_number_of_the_table(comparison):
    figure = plots.draw_curves(comparison, "success")
    lines = lines_of(figure)
    assert list(lines)[:2] == ["ours [95.2]", "shifted [69.5]"]
    assert len(lines) == 3
    curve = comparison.entries[1].summary.curves["success"]
    assert np.allclose(lines["shifted [69.5]"].get_ydata(), 100 * curve.values)
    assert len({line.get_linestyle() for line in lines.values()}) == 3  # told apart in gray too
    assert lines_of(plots.draw_curves(comparison, "precision"))["still [70.0]"].get_ydata()[20] == pytest.approx(70)
    assert figure.axes[0].get_xlabel() == "Overlap threshold"


def test_curves_over_scores_leave_infinite_thresholds_out(comparison):
    first = comparison.entries[0]
    curve = Curve("precision", np.array([-np.inf, 0.1, 0.9, np.inf]), np.ones(4))
    summary = replace(first.summary, convention="longterm", numbers={"f": 0.5}, curves={"precision": curve})
    figure = plots.draw_curves(replace(comparison, entries=(replace(first, summary=summary),)), "precision")
    (line,) = figure.axes[0].get_lines()
    assert list(line.get_xdata()) == [0.1, 0.9]
    assert figure.axes[0].get_xlabel() == "Score threshold"


def test_attributes_as_radar_and_bars(comparison):
    radar = plots.attribute_radar(comparison)
    lines = lines_of(radar)
    assert set(lines) == {"ours", "shifted", "still"}
    values = lines["ours"].get_ydata()
    assert len(values) == 4  # three attributes, closed
    assert values[0] == values[3] == pytest.approx(95.238, abs=1e-3)
    assert any("fast motion\n(" in text.get_text() for text in radar.axes[0].texts)
    bars = plots.attribute_bars(comparison).axes[0]
    assert [bar.get_label() for bar in bars.containers] == ["ours", "shifted", "still"]
    assert sum(len(container) for container in bars.containers) == 9
    assert "occlusion (1)" in [label.get_text() for label in bars.get_yticklabels()]


def test_difference_of_two_trackers_is_sorted(comparison):
    ours, _, still = comparison.entries
    figure = plots.difference(comparison, still, ours)
    heights = [bar.get_height() for bar in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert len(heights) == 4
    assert heights == sorted(heights)
    assert max(heights) < 0
    assert figure.axes[0].get_xlabel().startswith("0 of 4 sequences better, 4 worse\nMost lost: bird -")
    even = plots.difference(comparison, ours, ours).axes[0]
    assert even.get_xlabel() == "0 of 4 sequences better, 0 worse"


def test_speed_shows_trackers_with_times(comparison):
    axes = speed_plots.speed(comparison).axes[0]
    points = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines()}
    assert points == {"ours": pytest.approx((100, 95.238), abs=1e-2), "shifted": pytest.approx((250, 69.524), abs=1e-2)}
    assert axes.get_xscale() == "linear"
    slow = replace(comparison.entries[0], fps=1.0)
    assert speed_plots.speed(replace(comparison, entries=(slow, *comparison.entries[1:]))).axes[0].get_xscale() == "log"


def test_published_trackers_stand_beside_those_measured_here(comparison):
    """MixFormerV2, figure 1: AUC over speed, in circles by operations."""
    entries = (replace(comparison.entries[0], gflops=5.0), *comparison.entries[1:])
    lasot = replace(comparison, dataset="lasot", entries=entries)
    axes = plots.draw_plots(lasot)["speed_papers"].axes[0]
    texts: list[Any] = list(axes.texts)
    names = {text.get_text(): text.xy for text in texts}
    assert names["MixFormerV2-B"] == pytest.approx((165, 70.6))
    assert names["MixCvT"] == pytest.approx((25, 69.2))  # the later paper's speed
    assert names["MixViT-L (ConvMAE)"] == pytest.approx((10, 73.3))
    assert {"TransT", "OSTrack-256", "STARK-Lightning", "FEAR-XS"} <= set(names)
    marks: list[Any] = list(axes.collections)
    circles = {tuple(mark.get_offsets()[0].round(1)): mark.get_sizes()[0] for mark in marks}
    assert len(circles) == 10  # of the family's nine, and of the one measured tracker whose network is known
    operations = {(165.0, 70.6): 56.257, (325.0, 60.6): 9.636, (25.0, 69.2): 46.389, (100.0, 95.2): 5.0}
    for place, gflops in operations.items():
        assert circles[place] == pytest.approx(1.5 * gflops, rel=1e-3)
    assert {line.get_label() for line in axes.get_lines()} >= {"ours", "shifted"}
    assert axes.get_xscale() == "log"


def test_nothing_published_or_measured_gives_no_such_plot(comparison):
    assert speed_plots.speed_beside_papers(comparison) is None
    untimed = tuple(replace(entry, fps=None) for entry in comparison.entries)
    assert speed_plots.speed_beside_papers(replace(comparison, dataset="lasot", entries=untimed)) is None


def test_no_two_of_many_trackers_look_alike():
    looks = {(look(number)["color"], str(look(number)["linestyle"])) for number in range(2 * len(COLORS))}
    assert len(looks) == 2 * len(COLORS)


def test_written_as_png_and_pdf_without_touching_matplotlibs_settings(comparison, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    png, pdf = tmp_path / "success.png", tmp_path / "success.pdf"
    writers = figure_writers(plots.draw_curves(comparison, "success"))
    writers["png"](png)
    writers["pdf"](pdf)
    assert dict(matplotlib.rcParams) == before
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.stat().st_size > 3000
    with Image.open(png) as picture:
        assert picture.width == 1020  # 3.4 inches, 300 dots each
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_without_matplotlib_the_install_command_is_told(monkeypatch):
    monkeypatch.setattr("mixformer.optional.installed", lambda package: False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mixformer\[plots\]'"):
        require_matplotlib()


def test_a_tracker_alone_and_one_sequence_can_be_drawn(tmp_path):
    made = make(tmp_path)
    for name in ("car", "dog", "fish"):
        (made.folder("ours") / f"{name}.txt").unlink()
    alone = made.compared(str(made.results / "ours"))
    assert set(plots.draw_plots(alone)) == {"success", "precision", "norm_precision"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_a_full_disk_is_named_as_such():
    """matplotlib raised an AttributeError from within, which is no error of a disk."""
    figure = Figure()
    figure.subplots().plot(range(9))
    for write in figure_writers(figure).values():
        with pytest.raises(OSError, match="No space left"):
            write(Path("/dev/full"))
