"""The site of the documents: every page has a place, links lead somewhere, and nothing is loaded from elsewhere."""

import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import mixformer
from mixformer.cli.main import build_parser

ROOT = Path(__file__).parents[1]
site_hooks = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "site" / "site_hooks.py")))
NAV = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]


def test_the_nav_names_real_pages_once():
    named = [page for page in site_hooks._named(NAV) if not page.startswith(("reference/", "project/"))]
    assert len(named) == len(set(named))
    assert set(named) <= set(site_hooks.pages())


def test_a_page_that_the_nav_forgets_is_a_how_to_guide(monkeypatch):
    monkeypatch.setitem(site_hooks.on_config.__globals__, "pages", lambda: ["README.md", "finetune.md", "lost.md"])
    nav = [{"Home": "README.md"}, {"How-to guides": ["lost.md"]}, {"Reference": [{"Python": []}]}]
    nav = site_hooks.on_config(SimpleNamespace(nav=nav)).nav
    assert nav[1]["How-to guides"] == ["lost.md", "finetune.md"]
    assert {"tracking": "reference/tracking.md"} in nav[2]["Reference"][0]["Python"]


@pytest.mark.parametrize(
    ("page", "text", "moved"),
    [
        ("lost.md", "[m](metrics.md#calibration)", "[m](metrics.md#calibration)"),
        ("lost.md", "[c](../CHANGELOG.md)", "[c](project/CHANGELOG.md)"),
        ("tutorials/export.md", "[r](../../README.md)", "[r](../README.md)"),
        ("lost.md", "[code](../mixformer/types.py)", "code"),
        ("project/CHANGELOG.md", "[l](docs/lost.md#measured)", "[l](../lost.md#measured)"),
        ("README.md", "![p](images/demo.gif)", "![p](images/demo.gif)"),
        ("lost.md", "[dead](no_page.md)", "[dead](no_page.md)"),
        ("lost.md", "[dead](../nothing.py)", "[dead](../nothing.py)"),
        ("lost.md", "[away](https://example.org/a.md)", "[away](https://example.org/a.md)"),
        ("lost.md", "```\n[k](../CHANGELOG.md)\n```", "```\n[k](../CHANGELOG.md)\n```"),
    ],
)
def test_links_lead_to_pages_of_the_site(page, text, moved):
    assert site_hooks.move_links(text, page) == moved


def test_the_reference_has_every_public_name():
    for room in site_hooks.rooms():
        shown = set(re.findall(r"^::: mixformer\.(?:\w+\.)?(\w+)$", site_hooks.reference(room), re.MULTILINE))
        module = __import__(f"mixformer.{room}", fromlist=["x"]) if room != "mixformer" else mixformer
        assert shown, room
        assert set(getattr(module, "__all__", shown)) <= shown, room


def test_the_command_line_has_every_command():
    text = site_hooks.command_line()
    for action in build_parser()._actions:
        for name in getattr(action, "_name_parser_map", {}):
            assert f"\n## `mixformer {name}`\n" in text
    assert "\n## `mixformer data export`\n" in text
    assert max(map(len, text.splitlines()[3:])) <= 80  # no line is cut at the usual width


class Page(HTMLParser):
    """Links, places to link to, and what a page loads."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.loads = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found.get("id"), found.get("name")}
        if tag == "a":
            self.links.append(found.get("href") or "")
        elif tag == "link" and found.get("rel") != "canonical":
            self.loads.append(found.get("href") or "")
        elif tag in ("img", "script", "iframe"):
            self.loads.append(found.get("src") or "")


def test_the_site_is_built_strictly_and_is_whole(tmp_path):
    pytest.importorskip("mkdocs", reason="needs mixformer[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not built.returncode, built.stdout + built.stderr
    pages = {path: Page(path.read_text()) for path in tmp_path.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 60
    wrong = []
    for path, page in pages.items():
        wrong += [f"{path.name} loads {target}" for target in page.loads if urlsplit(target).netloc]
        for target in page.links + page.loads:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not place.exists() or (anchor and place in pages and anchor not in pages[place].ids):
                wrong.append(f"{path.name}: {target}")
    assert not wrong
    assert (tmp_path / "search" / "search_index.js").exists()  # read by the search from the disk
