"""The page is one file that parses, with the strips of the worst sequences."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mixformer.errors import DataError, OutputError
from mixformer.evaluation.report.build_tables import make_tables
from mixformer.evaluation.report.figures import COLORS, noted_values
from mixformer.evaluation.report.frame_data import frame_data
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
    assert all(source.startswith(("data:image/", "#")) for source in reader.sources)
    assert not re.search(r"@import|url\((?!#)|<link|fetch|import\(| style=", page)
    assert re.findall('https?:[^"]*', page) == ["http://www.w3.org/2000/svg"]  # a name in the script, not an address
    assert reader.tags.count("script") == 2  # the page's own, and its numbers
    assert reader.tags.count("img") == 2
    assert reader.tags.count("svg") == 7
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', page)) <= set(names)
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
    assert "alert" not in reader.tags
    hostile = replace(comparison, entries=(replace(comparison.entries[0], tracker="</script><alert>"),))
    assert "alert" not in read(make_page(hostile, make_tables(hostile), draw_plots(hostile), [])).tags


def test_the_first_tracker_is_on_top_and_marked(comparison):
    last_first = replace(comparison, entries=comparison.entries[::-1])
    page = make_page(last_first, make_tables(last_first), {}, [])
    assert re.findall(r'<tr[^>]*><td class="text">(?:<b>)?(\w+)', page)[:3] == ["still", "ours", "shifted"]
    assert page.count('<tr class="mine">') == 1
    assert re.findall(r"<button>(\w+)</button></th>", page)[-3:] == ["still", "ours", "shifted"]  # columns too


def test_plots_follow_the_theme_and_keep_their_values(comparison):
    figures = draw_plots(comparison)
    page = make_page(comparison, make_tables(comparison), figures, [])
    plots = page[page.index('<div class="plots">') : page.index('<div id="frames">')]
    assert not re.search(r'"#(000000|ffffff|cccccc)"', plots, re.IGNORECASE)
    assert {"currentColor", "var(--page)", "var(--edge)", COLORS[0].lower()} <= set(re.findall(r'"([^"]+)"', plots))
    (values,) = [value for value in noted_values(figures["success"]) if value[2].startswith("at 0.5\n")][:1]
    assert values[2] == "at 0.5\n100.0  shifted\n100.0  ours\n 30.0  still"
    assert all(0 < x < 1 and 0 < y < 1 for figure in figures.values() for x, y, _ in noted_values(figure))
    assert all(noted_values(figure) for figure in figures.values())


def test_curves_by_frame_are_packed_within_a_limit(comparison):
    sequence = comparison.sequences[0]
    boxes = sequence.boxes.copy()
    boxes[3:5] = np.nan
    gapped = replace(comparison, sequences=(replace(sequence, boxes=boxes), *comparison.sequences[1:]))
    data = frame_data(gapped)
    (bird,) = (each for each in data["sequences"] if each["name"] == "bird")
    assert data["trackers"] == ["ours", "shifted", "still"]
    assert bird["frames"] == 10
    assert bird["absent"] == [(3, 4)]
    assert bird["score"] == [None] * 3
    shifted = list(base64.b64decode(bird["overlap"][1] or ""))
    assert shifted == [133] * 3 + [255] * 2 + [133] * 5  # IoU 2/3 in steps of 1/200; 255 is none
    assert [each["name"] for each in frame_data(comparison, 170)["sequences"]] == comparison.hardest[:2]


def test_frame_overlaps_have_a_number_for_each_frame(comparison):
    short = replace(comparison.entries[2], boxes={"car": comparison.entries[2].boxes["car"][:4]})
    found = replace(comparison, entries=(comparison.entries[1], short)).frame_overlaps("car")
    assert found["shifted"] == pytest.approx(2 / 3)
    assert np.isnan(found["still"][4:]).all()
    assert found["still"][:4].tolist() == pytest.approx([1, 17 / 23, 14 / 26, 11 / 29])
    with pytest.raises(DataError, match="'cat' is not among the compared sequences: bird, car"):
        comparison.frame_overlaps("cat")


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


@pytest.fixture
def shown(comparison, tmp_path):
    """The page in a browser that reports every error and every breach of the page's policy."""
    sync = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs the browser Chromium (Debian: apt-get install chromium)")
    statuses = np.array(["tracking"] * 6 + ["uncertain"] + ["lost"] * 3)
    told = replace(comparison.entries[0], statuses={"bird": statuses}, scores={"bird": np.linspace(1, 0, 10)})
    scored = replace(comparison, entries=(told, *comparison.entries[1:]))
    whole = make_page(scored, make_tables(scored), draw_plots(scored), qualitative_strips(scored, 1, 2))
    (tmp_path / "index.html").write_text(whole)
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="dark", viewport={"width": 390, "height": 800})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto((tmp_path / "index.html").as_uri())
        yield page
        browser.close()
    assert not problems


def test_a_click_on_a_heading_sorts_and_another_turns_round(shown):
    column = shown.locator("table").first.locator("tbody tr td:nth-child(2)")
    button = shown.locator("table").first.locator("thead th:nth-child(2) button")
    seen = []
    for _ in range(2):
        button.click()
        seen.append([float(text.split()[0]) for text in column.all_inner_texts()])
    assert seen == [sorted(seen[0], reverse=True), sorted(seen[0])]
    assert len(set(seen[0])) > 1


def test_the_page_is_dark_and_fits_a_narrow_window(shown):
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    assert shown.evaluate("getComputedStyle(document.querySelector('.plot svg')).fill") == "rgb(228, 228, 228)"
    assert shown.evaluate("document.documentElement.scrollWidth") == 390


def test_a_sequence_shows_its_curves_and_the_values_under_the_mouse(shown):
    shown.locator("summary", has_text="by sequence").click()
    shown.get_by_role("button", name="bird").click()
    assert shown.locator("#sequence").input_value() == "bird"
    assert shown.locator("#chart .line").count() == 3
    assert shown.locator("#chart .status").count() == 2
    chart = shown.locator("#chart")
    size = chart.bounding_box()
    chart.hover(position={"x": size["width"] - 12, "y": 40})
    assert shown.locator("#tip").inner_text() == "frame 9\n1.00  ours lost\n0.67  shifted\n0.00  still"
    shown.get_by_role("button", name="shifted").last.click()
    assert shown.locator("#chart .line").count() == 2
    shown.locator("#value").select_option("score")
    assert shown.locator("#chart .line").count() == 1
    chart.hover(position={"x": 41, "y": 40})
    assert shown.locator("#tip").inner_text() == "frame 0\n1.00  ours\n   -  still"


def test_a_plot_shows_the_values_under_the_mouse(shown):
    plot = shown.locator(".plot").first
    plot.scroll_into_view_if_needed()
    size = plot.bounding_box()
    x, y, text = next(each for each in json.loads(plot.get_attribute("data-values")) if each[2].startswith("at 0.5\n"))
    plot.hover(position={"x": x * size["width"], "y": y * size["height"] + 3})
    assert shown.locator("#tip").inner_text() == text
    shown.mouse.move(1, 1)
    assert not shown.locator("#tip").is_visible()
