"""What a notebook shows of results: bounded, escaped, with progress."""

import base64
import io
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer import Box, TrackResult
from mixformer.imaging.notebook_parts import NotebookBar, html_table
from mixformer.run import TrackView, VideoSummary
from mixformer.run.absences import frames_text
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP


def result(frame, status="tracking", score=0.5):
    return TrackResult(Box(260, 29, 41, 142), score, frame, status=status)


class Kernel:
    """A stand-in for IPython in a notebook: what was displayed, and how it changed."""

    def __init__(self):
        self.shown = []

    def display(self, thing, display_id):
        self.shown.append(thing)
        return types.SimpleNamespace(update=self.shown.append)


@pytest.fixture
def kernel(monkeypatch):
    made = Kernel()
    shell, shown = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    shell.get_ipython = lambda: types.SimpleNamespace(kernel=1)  # type: ignore[attr-defined]
    shown.HTML, shown.display = str, made.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return made


def test_a_table_is_bounded_and_escaped():
    made = html_table("<a>", ["name", "<n>"], [(f"<b>{k}", "1") for k in range(50)], notes=["<c>"], most=3)
    assert not re.search("<a>|<n>|<b>[0-9]|<c>", made)
    assert "&lt;b&gt;2" in made
    assert "&lt;b&gt;3" not in made
    assert "and 47 more" in made


def test_the_list_of_models_is_a_table():
    made = mixformer.list_models()._repr_html_()  # type: ignore[attr-defined]
    assert "mixformerv2_dino_s8" in made
    assert made.count("<tr>") == 1 + len(mixformer.list_models())


def test_results_are_pictures_and_a_line_of_statuses():
    found = [*(result(k) for k in range(4)), *(result(k, "lost", 0.1) for k in range(4, 8)), result(8)]
    made = TrackView(DEMO_CLIP, found, pictures=3)._repr_html_()
    pictures = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", made)]
    assert re.findall(r'alt="frame (\d+)"', made) == ["0", "4", "8"]
    shown = [np.asarray(Image.open(io.BytesIO(each))).astype(int) for each in pictures]
    assert shown[0].shape == (169, 300, 3)
    green = [(np.abs(each - (64, 255, 96)).sum(-1) < 150).sum() for each in shown]
    assert green[0] > 50 > green[1]  # a box of one that is lost is gray
    assert re.findall(r"<title>([^<]+)", made) == ["target 1: lost, frames 4 to 7"]


def test_long_results_of_many_targets_stay_small(tmp_path):
    many = [{number: result(frame) for number in range(30)} for frame in range(5000)]
    made = TrackView(DEMO_CLIP, many, pictures=0)._repr_html_()
    assert len(made) < 60_000
    assert "22 more targets" in made
    assert TrackView(DEMO_CLIP, [])._repr_html_().count("<svg") == 0


def test_a_summary_plays_its_video_and_bars_go_away(kernel, tmp_path):
    summary = mixformer.track_video(DEMO_CLIP, DEMO_BOX, {"video": str(tmp_path / "<out>.mp4")}, stop=4)
    assert kernel.shown[0] == kernel.shown[-1] == ""
    assert '<progress value="4" max="4"></progress> 4 of 4 frames' in kernel.shown
    made = summary._repr_html_()
    assert "&lt;out&gt;.mp4" in made
    assert "<out>" not in made
    (data,) = re.findall(r'src="data:video/mp4;base64,([^"]+)"', made)
    assert base64.b64decode(data) == Path(summary.files["video"]).read_bytes()
    Path(summary.files["video"]).unlink()
    assert "<video" not in summary._repr_html_()


def test_of_a_large_video_there_are_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("mixformer.run.notebook_views._MOST_VIDEO", 1000)
    summary = VideoSummary(50, 2.0, None, absences={2: ((5, 9),)}, files={"video": str(DEMO_CLIP)})
    made = summary._repr_html_()
    assert "<video" not in made
    assert made.count("<img") == 6
    assert "target 2 was lost in frames 5 to 8" in made
    assert frames_text([(5, 9)]) == "frames 5 to 8"
    assert frames_text([(14, 15)]) == "frame 14"
    assert frames_text([(14, 15), (20, 30)]) == "frames 14, 20 to 29"


def test_an_evaluation_shows_its_sequences_while_it_runs(kernel, tmp_path):
    from tests.helpers.report_maker import make

    class Still:
        def init(self, frame, box):
            self.box = box

        def update(self, frame):
            return self.box

    root = make(tmp_path).root
    found = mixformer.evaluate(Still(), str(root), out=tmp_path / "out", name="a & b")
    assert any('<progress value="4" max="4"></progress> 4 of 4' in each for each in kernel.shown)
    made = found._repr_html_()
    assert "a &amp; b" in made
    assert "a & b" not in made
    assert {"bird", "car", "dog", "fish"} <= set(re.findall(r">(\w+)</td>", made))


def test_there_is_no_bar_outside_of_a_notebook(capsys):
    NotebookBar(3).show(1)
    assert capsys.readouterr().out == ""
