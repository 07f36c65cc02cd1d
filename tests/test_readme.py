"""The README's commands are the ones CI runs, and its recipe files, links and numbers are real."""

import csv
import json
import re
import shlex
import warnings
from itertools import islice
from pathlib import Path

import pytest

from mixformer import track
from mixformer.cli.main import build_parser
from mixformer.configs.variants import MODELS
from mixformer.evaluation import paper_results
from mixformer.training.recipe import Recipe
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights import list_models

ROOT = Path(__file__).parent.parent
# All but the notes, which are a record.
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "notes"]


def test_ci_runs_the_two_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("mixformer demo")
    assert commands[1].endswith("pytest")
    ci = (ROOT / ".ci" / "run").read_text()
    for command in commands:
        assert command in ci


def test_the_accuracies_are_those_of_the_measurement():
    """Of the report that `tools/accuracy_plot.py` names in the page, or of the two runs before there were reports."""
    page = (ROOT / "docs" / "numbers.md").read_text()
    source, table = re.search(r"<!-- accuracy: (\S+), .*? -->\n\n(.+?)\n\n<!-- end -->", page, re.DOTALL).groups()
    if source.endswith(".json"):
        pytest.importorskip("matplotlib")
        from tools.accuracy_plot import table as table_of

        assert table == table_of(json.loads((ROOT / source).read_text()))
        return
    with open(ROOT / source, newline="") as file:
        measured = list(csv.reader(file))[1:]
    shown = [
        [cell.strip().replace("`", "") for cell in line.strip("|\n").split("|")]
        for line in re.findall(r"^\| [^|].*\|$", table, re.MULTILINE)
    ]
    assert shown == [[name, f"{auc} ({low} to {high})", *more] for name, auc, low, high, *more in measured]


def test_the_table_of_models_has_their_operations_and_the_papers_numbers():
    rows = re.findall(r"^\| .+ \| `(\w+)`.* \| ([\d.]+) \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    known = {info.name: info for info in list_models()}
    papers = {(row.tracker, row.dataset, row.metric): row.value for row in paper_results()}
    in_paper = {
        "mixformerv2_s": "MixFormerV2-S", "mixformerv2_b": "MixFormerV2-B", "mixvit_l_convmae": "MixViT-L (ConvMAE)",
    }  # fmt: skip
    assert len(rows) == 4
    for name, operations, auc in rows:
        assert operations == f"{known[name].flops / 1e9:.2f}"
        assert auc == (f"{100 * papers[in_paper[name], 'lasot', 'auc']:.1f}" if name in in_paper else "not measured")


def test_the_line_of_the_first_tutorial_is_what_the_tracker_writes():
    page = (ROOT / "docs" / "tutorials" / "first_track.md").read_text()
    (line,) = re.findall(r"^```json\n(.*)\n```$", page, re.MULTILINE)
    shown = json.loads(line)
    *_, made = islice(track(DEMO_CLIP, DEMO_BOX), shown["frame"] + 1)
    assert shown.keys() == {"frame", "time", "box", "score", "status"}
    assert shown["box"] == pytest.approx(list(made.box), abs=2)  # another precision may move it by a pixel
    assert shown["score"] == pytest.approx(made.score, abs=0.03)
    assert (shown["frame"], shown["status"]) == (made.frame, made.status)


def test_pictures_are_small_enough_to_load():
    assert (ROOT / "docs" / "images" / "demo.gif").stat().st_size < 3_000_000


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert not {page for page in pages if f"({page})" not in index}


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_every_recipe_is_valid(path):
    recipe = Recipe.from_toml(path)
    assert recipe.model in MODELS


def test_relative_links_of_the_documents_lead_somewhere():
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda p: p.name)
def test_the_command_line_takes_the_commands_of_the_documents(page, capsys):
    """Lines that begin with the command: each option exists under its full name, and nothing required is missing."""
    text = page.read_text().replace("\\\n", " ").replace("$FROM", "model_overrides.bins=72")
    for command in re.findall(r"^ *(?:\S+/)?mixformer ([a-z][^\n]*)", text, re.MULTILINE):
        words = shlex.split(command, comments=True)
        if "..." in words or "--help" in words:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an option that is cut short
            try:
                build_parser(words[0]).parse_args(words)
            except (SystemExit, Warning) as error:
                pytest.fail(f"mixformer {command}: {capsys.readouterr().err or error}")
