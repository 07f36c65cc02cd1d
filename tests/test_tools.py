"""The scripts of tools/ and benchmarks/ name only what there is."""

import runpy
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
SCRIPTS = sorted([*HOME.glob("tools/*.py"), *HOME.glob("benchmarks/*.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_finds_all_that_it_imports(script, monkeypatch):
    monkeypatch.syspath_prepend(str(script.parent))
    known = set(sys.modules)
    try:
        names = runpy.run_path(str(script), run_name="imported")
    finally:
        for name in set(sys.modules) - known:  # scripts import each other by bare names
            if "." not in name and getattr(sys.modules[name], "__file__", None) == str(script.parent / f"{name}.py"):
                del sys.modules[name]
    assert names["__name__"] == "imported"
