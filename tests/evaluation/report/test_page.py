"""The page is one file that parses, with the strips of the worst sequences."""

import base64
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mixformer.errors import OutputError
from mixformer.evaluation.report.build_tables import make_tables
from mixformer.evaluation.report.page import make_page
from mixformer.evaluation.report.plots import draw_plots
from mixformer.evaluation.report.qualitative import pick_frames, qualitative_strips
from mixformer.evaluation.report.writing import write_report
from mixformer.files import make_folder
from tests.helpers.report_maker import make, make_comparison, with_awkward_name

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and keeps what a test asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.words, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "data", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("report"))


def test_one_file_without_any_reference_outside(comparison):
    page = make_page(comparison, make_tables(comparison), draw_plots(comparison), qualitative_strips(comparison, 2, 3))
    reader = read(page)
    assert all(source.startswith(("data:image/", "#part")) for source in reader.sources)
    assert not re.search(r"https?:|@import|url\(|<script |<link|fetch|import\(", page)
    assert page.count("<script>") == 1  # the page's own, which sorts its tables
    assert reader.tags.count("img") == 7 + 2
    assert reader.tags.count("table") == 3
    assert "95.2" in reader.words
    assert {"Results", "Plots", "Worst sequences"} <= set(reader.words)
    assert page.count("a perfect tracker scores 0.952") == 4  # on top and under every table
    for source in reader.sources:
        if source.startswith("data:"):
            with Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))) as picture:
                assert picture.width > 300


def test_names_cannot_break_the_page(comparison):
    awkward = with_awkward_name(comparison)
    reader = read(make_page(awkward, make_tables(awkward), {}, qualitative_strips(awkward, 1, 2)))
    assert "a_b|c <50%> & [x]" in reader.words
    assert "Plots" not in reader.words


def test_strips_show_the_worst_sequences_with_all_boxes(tmp_path):
    made = make(tmp_path)
    path = made.folder("ours") / "dog.txt"
    path.write_text("7,8,20,12\n" + "40,20,20,12\n" * 9)
    first, second = qualitative_strips(made.compared(), 2, 4)
    assert first.sequence == "dog"
    assert first.frames == (0, 3, 6, 9)
    assert [name for name, _ in first.values] == ["ours", "shifted", "still"]
    assert first.values[0][1] < second.values[0][1]
    picture = np.asarray(Image.open(io.BytesIO(first.jpeg)).convert("RGB")).astype(int)
    assert picture.shape == (144, 4 * 196 - 4, 3)
    for color in ((0xF0, 0xE4, 0x42), (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        close = np.abs(picture - color).max(-1) < 40
        assert close[:, 588:].sum() > 60  # the last tile, where the boxes lie apart


def test_frames_are_spread_over_those_with_a_box(comparison):
    sequence = comparison.sequences[0]
    boxes = sequence.boxes.copy()
    boxes[3:9] = np.nan
    gapped = replace(sequence, boxes=boxes)
    assert pick_frames(gapped, 3) == [0, 2, 9]
    assert pick_frames(gapped, 9) == [0, 1, 2, 9]


def test_boxes_far_away_or_short_results_do_not_stop_a_strip(tmp_path):
    made = make(tmp_path)
    (made.folder("ours") / "car.txt").unlink()
    (made.folder("still") / "car.txt").write_text("6,8,20,12\n")
    strips = qualitative_strips(made.compared(missing="zero"), 1, 3)
    assert strips[0].sequence == "car"


def test_a_folder_of_everything_or_of_tables_alone(comparison, tmp_path):
    written = write_report(comparison, tmp_path, qualitative=1)
    assert written[0].name == "index.html"
    assert sorted(path.name for path in written) == sorted(path.name for path in tmp_path.iterdir())
    assert len(written) == 1 + 3 * 3 + 7 * 2
    assert all(path.stat().st_size > 100 for path in written)
    bare = write_report(comparison, tmp_path / "bare", plots=False, qualitative=0)
    assert {path.suffix for path in bare} == {".html", ".md", ".csv", ".tex"}
    with pytest.raises(OutputError, match="could not write"):
        write_report(comparison, written[0], plots=False, qualitative=0)
    with pytest.raises(OutputError, match="give another one"):
        make_folder(written[0])


def test_a_click_on_a_heading_sorts_and_another_turns_round(comparison, tmp_path):
    sync = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs the browser Chromium (Debian: apt-get install chromium)")
    (tmp_path / "index.html").write_text(make_page(comparison, make_tables(comparison), {}, []))
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="dark")
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((tmp_path / "index.html").as_uri())
        column = page.locator("table").first.locator("tbody tr td:nth-child(2)")
        button = page.locator("table").first.locator("thead th:nth-child(2) button")
        seen = []
        for _ in range(2):
            button.click()
            seen.append([float(text.split()[0]) for text in column.all_inner_texts()])
        assert seen == [sorted(seen[0], reverse=True), sorted(seen[0])]
        assert len(set(seen[0])) > 1
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
        browser.close()
    assert not problems
