"""Every room of the package has a face, the documents use no other door, and a name means one thing."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import mixformer

ROOT = Path(mixformer.__file__).parent
REPOSITORY = ROOT.parent
MODULES = sorted(ROOT.rglob("*.py"))
# Rooms with public names; `cli` is a command.
FACES = [
    "annotation", "bench", "configs", "data", "engines", "evaluation", "export", "imaging", "inspection", "masks",
    "models", "run", "tracking", "training", "video", "vot", "weights",
]  # fmt: skip
# Single modules that the documents may import from, too.
SMALL_FACES = ["errors", "types"]
HEAVY = {"torch", "openvino", "av", "PIL", "rich", "safetensors", "cv2", "matplotlib", "onnx", "onnxruntime"}
# `models` holds networks, so it cannot be had without PyTorch.
NEEDS = {"models": {"torch"}}

# Two files of one name, or two classes, that mean the same kind of thing in their rooms.
FILE_PAIRS = {}
CLASS_PAIRS = {
    "_Reader": "a private reader of one annotation format, in the file of that format",
}


DOCUMENTS = [
    REPOSITORY / "README.md",
    *(page for page in sorted((REPOSITORY / "docs").rglob("*.md")) if page.parent.name != "notes"),
]
# These two pages are about the inside; the notes are a record of experiments.
INSIDE = {"architecture.md", "extending.md"}
# No private text, no path out of the package, no in-house folder; but old recipes are still read.
PRIVATE_WORDS = re.compile(r"\bspec \d|\.\./|\bdev_use\b|/shared/")
CITE_PRIVATE = {"recipe_aliases.py"}


@pytest.mark.parametrize("name", FACES)
def test_a_face_names_what_a_user_may_touch(name):
    face = importlib.import_module(f"mixformer.{name}")
    assert re.match(r"[^\n]*\.", face.__doc__ or ""), "the first line is one sentence on what the room is for"
    assert face.__all__ == sorted(face.__all__, key=_order)
    assert set(face.__all__) <= set(dir(face))
    for public in face.__all__:
        value = getattr(face, public)
        assert not inspect.ismodule(value), f"{public} is hidden by a module of that name"
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{public} has no docstring"


@pytest.mark.parametrize("name", ["", *FACES])
def test_type_checkers_see_the_names_that_are_there(name):
    face = importlib.import_module(f"mixformer.{name}".rstrip("."))
    imports = [
        node for node in ast.walk(ast.parse(Path(face.__file__).read_text())) if isinstance(node, ast.ImportFrom)
    ]
    seen = {each.asname for node in imports for each in node.names} - {None, "__version__"}
    assert seen == set(face.__all__) or name in NEEDS  # its names are imported at once


def _order(name):
    """Constants, then classes, then functions: the order that ruff keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_every_package_is_a_face_or_has_a_reason_not_to_be():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == {*FACES, "assets", "cli", "files"} & packages
    assert set(FACES) <= packages


def test_faces_load_nothing_heavy():
    for name in FACES:
        code = f"import sys, mixformer.{name}; print(*({HEAVY} & set(sys.modules)))"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert set(said.split()) <= NEEDS.get(name, set()), name


def test_the_package_has_at_most_24_doors():
    doors = [path for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert len(doors) <= 24, sorted(path.name for path in doors)


def test_no_file_name_stands_twice():
    places = defaultdict(list)
    for path in MODULES:
        places[path.name].append(str(path.relative_to(ROOT)))
    twice = {name: found for name, found in places.items() if len(found) > 1 and not name.startswith("__")}
    assert set(twice) <= set(FILE_PAIRS), twice


def test_no_class_name_stands_twice():
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert set(twice) <= set(CLASS_PAIRS), twice


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_cites_a_private_text_or_folder(path):
    found = [line.strip() for line in path.read_text().splitlines() if PRIVATE_WORDS.search(line)]
    assert not found or path.name in CITE_PRIVATE


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: p.name)
def test_documents_use_faces_only(page):
    """`from mixformer.room import name`, and in prose `mixformer.room.name`: nothing deeper, and nothing unknown."""
    if page.name in INSIDE:
        return
    text = page.read_text()
    for room, listed in re.findall(r"^\s*from (mixformer[\w.]*) import (\([^)]*\)|[^\n]*)", text, re.MULTILINE):
        for name in re.findall(r"\w+", re.sub(r"#[^\n]*| as \w+", "", listed)):
            _check_public(f"{room}.{name}")
    for name in re.findall(r"\bmixformer(?:\.\w+)+", text):
        if not (REPOSITORY / name).exists() and not re.search(r"\.(md|py|toml|jsonl?|zip|csv)$", name):
            _check_public(name)


def _check_public(name):
    parts = name.split(".")[1:]
    if parts and parts[0] in FACES + SMALL_FACES:
        room = importlib.import_module(f"mixformer.{parts.pop(0)}")
    else:
        room = mixformer
    if not parts or parts in (["__version__"], ["__path__"]):
        return
    assert parts[0] in getattr(room, "__all__", dir(room)), f"{name} is not a public name"
    value = getattr(room, parts[0])
    for part in parts[1:]:
        value = getattr(value, part)
