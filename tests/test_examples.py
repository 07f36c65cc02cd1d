"""Every public name shows how it is used, and what it shows is true."""

import doctest
import importlib
import inspect

import pytest

import mixformer
from tests.test_faces import FACES

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public():
    """Classes and functions of all faces, each once, under the shortest name."""
    found = {}
    for room in (mixformer, *(importlib.import_module(f"mixformer.{name}") for name in FACES)):
        for name in room.__all__:
            value = getattr(room, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found.setdefault(id(value), (f"{room.__name__}.{name}", value))
    return dict(found.values())


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_are_true(name, tmp_path, monkeypatch):
    """They run in an empty folder, with the names of their own module."""
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    said = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(PUBLIC[name], name):
        runner.run(example, out=said.append, clear_globs=True)
    assert not runner.summarize(verbose=False).failed, "".join(said)


def test_every_public_name_has_an_example():
    missing = {name for name, value in PUBLIC.items() if ">>>" not in (inspect.getdoc(value) or "")}
    assert not missing, f"without an example: {', '.join(sorted(missing))}"
