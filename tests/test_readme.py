"""The README's commands are the ones CI runs, and its recipe files are real."""

import re
from pathlib import Path

import pytest

from mixformer.configs.variants import MODELS
from mixformer.training.recipe import Recipe

ROOT = Path(__file__).parent.parent


def test_ci_runs_the_two_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("mixformer demo")
    assert commands[1].endswith("pytest")
    ci = (ROOT / ".ci" / "run").read_text()
    for command in commands:
        assert command in ci


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
