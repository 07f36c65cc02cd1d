"""Every finding of 0.1.0 has tests, and the page that lists them names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "notes" / "findings.md").read_text(encoding="utf-8")
ROWS = [f"{part}{number}" for part, count in (("A", 6), ("B", 12), ("C", 14)) for number in range(1, count + 1)]


def test_every_finding_has_a_test():
    """Rows A1 to C14, and the 26 manners of section D."""
    listed = re.findall(r"^\| ([ABCD]\d*) \| .*? \| `.*` \|$", PAGE, re.MULTILINE)
    assert [row for row in listed if row != "D"] == ROWS
    assert listed.count("D") == 26


def test_the_tests_of_the_findings_exist():
    """A test that is renamed is renamed on the page."""
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 100
    texts = {file: (ROOT / "tests" / file).read_text(encoding="utf-8") for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if f"def {test}(" not in texts[file]] == []
