"""Hooks of the site (mkdocs.yml): pages made from the code, pages from outside docs/, and links that lead out of it.

- `reference/cli.md` is the help of every command, from the parsers.
- `reference/ROOM.md` has the public names of a sub-package, from its `__init__.py`.
- A page of docs/ that the nav does not name is added to "How-to guides", so that a new page needs no entry.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, relpath
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CARD = "mixformer/weights/shipped/mixformerv2_dino_s8/MODEL_CARD.md"
# Documents outside docs/, and where they are on the site.
OUTSIDE = {f"{name}.md": f"project/{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT")}
OUTSIDE[CARD] = "project/MODEL_CARD.md"
OUTSIDE["examples/README.md"] = "project/examples.md"
INSIDE = {there: here for here, there in OUTSIDE.items()}
MODULES = ("errors", "types")
REST = "How-to guides"
SHIM = "https://unpkg.com/iframe-worker/shim"
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """Complete the nav."""
    for section in config.nav:
        for title, entries in section.items():
            for entry in entries if isinstance(entries, list) else []:
                if isinstance(entry, dict) and "Python" in entry:
                    entry["Python"] = [{room: f"reference/{room}.md"} for room in rooms()]
            if title == REST:
                entries += [page for page in pages() if page not in set(_named(config.nav))]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    from mkdocs.structure.files import File

    for here, there in OUTSIDE.items():
        files.append(File.generated(config, there, abs_src_path=str(ROOT / here)))
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    for room in rooms():
        files.append(File.generated(config, f"reference/{room}.md", content=reference(room)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links lead to pages of the site; links to anything else, such as a file of the code, become their text."""
    return move_links(markdown, page.file.src_uri)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Load the shim for searches in files from docs/, not from a server elsewhere."""
    return output.replace(SHIM, relpath("javascripts/iframe_worker.js", dirname(page.file.dest_uri) or "."))


def move_links(markdown: str, page: str) -> str:
    """The text of a page of the site, by its place there, with its links as they are on the site."""
    home = Path(INSIDE.get(page, f"docs/{page}")).parent

    def moved(found: re.Match[str]) -> str:
        image, text, target, anchor = found.groups()
        place = os.path.normpath(home / target)
        if place in ("README.md", "docs"):
            place = "docs/README.md"
        there = OUTSIDE.get(place) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
        if there is None:
            return text if (ROOT / place).exists() else found[0]  # what leads nowhere stays, and is reported
        return f"{image}[{text}]({relpath(there, dirname(page) or '.')}{anchor or ''})"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(moved, part) for part in parts)


def pages() -> list[str]:
    """Pages of docs/ but the notes, by their place there."""
    docs = ROOT / "docs"
    found = (page.relative_to(docs).as_posix() for page in sorted(docs.rglob("*.md")))
    return [page for page in found if not page.startswith("notes/")]


def rooms() -> list[str]:
    """The package itself, its sub-packages with public names, and the two single modules of that kind."""
    found = [path.parent.name for path in ROOT.glob("mixformer/*/__init__.py") if names(path)]
    return ["mixformer", *sorted({*found, *MODULES} - {"cli"})]


def names(face: Path) -> list[str]:
    """Public names of an `__init__.py`, imported as themselves or listed; of a module, its classes and functions."""
    tree = ast.parse(face.read_text())
    if face.stem in MODULES:
        made = (node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))
        return [name for name in made if not name.startswith("_")]
    found = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.asname == alias.name and not alias.asname.startswith("_")
    }
    return sorted(found | _listed(tree))


def reference(room: str) -> str:
    """The page of a sub-package, for mkdocstrings."""
    module = "mixformer" if room == "mixformer" else f"mixformer.{room}"
    place = ROOT / module.replace(".", "/")
    face = place.with_suffix(".py") if room in MODULES else place / "__init__.py"
    about = (ast.get_docstring(ast.parse(face.read_text())) or "").split("\n")[0]
    return f"# `{module}`\n\n{about}\n\n" + "\n\n".join(f"::: {module}.{name}" for name in names(face)) + "\n"


def command_line() -> str:
    """The page of the command line: the help of every command."""
    os.environ["COLUMNS"] = "80"
    from mixformer.cli.main import build_parser

    text = "# Command line\n\nThis page shows the help of every command, as `mixformer COMMAND --help` prints it.\n"
    for name, parser in _commands("mixformer", build_parser()):
        text += f"\n## `{name}`\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    return text


def _commands(name: str, parser: Any) -> Iterator[tuple[str, Any]]:
    """A parser and those of its commands, with their full names."""
    yield name, parser
    for action in parser._actions:
        for inner, made in getattr(action, "_name_parser_map", {}).items():
            yield from _commands(f"{name} {inner}", made)


def _listed(tree: ast.Module) -> set[str]:
    """Names of a written-out `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _named(entries: Any) -> Iterator[str]:
    """All places that a nav names."""
    for entry in entries if isinstance(entries, list) else entries.values():
        if isinstance(entry, str):
            yield entry
        else:
            yield from _named(entry)
