"""Format the help of every verb: plain words, no names of types, no line longer than the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from argparse import SUPPRESS, Action, _SubParsersAction
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from jsonargparse import DefaultHelpFormatter

_WIDEST = 100  # columns; longer lines are hard to read
_METAVARS = {int: "N", float: "NUMBER", Path: "PATH"}


class HelpFormatter(DefaultHelpFormatter):
    """Writes help for people: defaults in words, short usage, examples that are broken where a shell allows it."""

    def __init__(self, prog: str, *_: Any, **__: Any) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
        super().__init__(prog.replace(" [options]", ""), max_help_position=26, width=max(width, 40))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap paragraphs; indented lines are examples or lists and stay apart."""
        blocks: list[str] = []
        for line in text.splitlines():
            if line.startswith(" ") or not line or not blocks or blocks[-1].startswith(" ") or not blocks[-1]:
                blocks.append(line)
            else:
                blocks[-1] += " " + line.strip()
        return "\n".join(indent + line for block in blocks for line in _wrap(block, width - len(indent))) + "\n"

    def _get_help_string(self, action: Action) -> str:
        text = "show the version and exit" if action.dest == "version" else (action.help or "").replace("%%", "%")
        shown = _words(action.default)
        if not action.option_strings or not shown or "default" in text:
            return text
        return f"{text} (default: {shown})"

    def _format_action(self, action: Action) -> str:
        if isinstance(action, _SubParsersAction):  # the names of the commands, without a heading of their own
            return "".join(super(HelpFormatter, self)._format_action(each) for each in action._get_subactions())
        return super()._format_action(action)

    def _get_default_metavar_for_optional(self, action: Action) -> str:
        return metavar(action)

    def _get_default_metavar_for_positional(self, action: Action) -> str:
        return action.dest.rsplit(".")[-1].upper()

    def _format_usage(
        self, usage: str | None, actions: Iterable[Action], groups: Iterable[Any], prefix: str | None
    ) -> str:
        """Show what must be given, and `[options]` for the rest."""
        if prefix == "":  # asked for the beginning of the usage of commands
            return self._prog
        if usage is not None:
            return f"usage: {usage}\n\n"
        listed = list(actions)
        required = [each for group in groups if group.required for each in group._group_actions]
        parts = [self._part(each) for each in listed if not each.option_strings]
        parts += [self._part(each) for each in listed if each.option_strings and each.required]
        if required:
            parts.append(f"({' | '.join(self._part(each) for each in required)})")
        parts.append("[options]")
        width = self._width - 9 - len(self._prog)
        lines = textwrap.wrap(" ".join(parts), width, break_long_words=False, break_on_hyphens=False)
        return f"usage: {self._prog} " + "\n         ".join(lines) + "\n\n"

    def _part(self, action: Action) -> str:
        if isinstance(action, _SubParsersAction):
            return "COMMAND"
        if not action.option_strings:
            return self._format_args(action, self._get_default_metavar_for_positional(action))
        return f"{action.option_strings[-1]} {self._format_args(action, metavar(action))}".strip()


def metavar(action: Action) -> str:
    """The word that stands for the value of an option."""
    kinds = set(getattr(kind_of(action), "__args__", (kind_of(action),)))
    if choices := [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]:
        return f"{{{','.join(choices)}}}" if _METAVARS.keys().isdisjoint(kinds) else "N"
    known = [word for kind, word in _METAVARS.items() if kind in kinds]
    return known[0] if known else action.dest.rsplit(".")[-1].rsplit("_")[-1].upper()


def kind_of(action: Action) -> Any:
    """The type that an option's value has."""
    return getattr(action, "_typehint", None) or action.type or str


def _words(default: Any) -> str:
    """A default as a person writes it; nothing for those that mean "not given"."""
    if default is None or default == SUPPRESS or isinstance(default, bool) or default in ("", []):
        return ""
    if isinstance(default, list | tuple):
        return " ".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default).replace(",", ", ")


def _wrap(block: str, width: int) -> list[str]:
    """The lines of a paragraph, or of an indented line."""
    if len(block) <= width:
        return [block]
    if not block.startswith(" "):
        return textwrap.wrap(block, width, break_on_hyphens=False)
    entry = re.match(r"( +.*?\S   *)(?=\S)", block)  # what is told, and a gap before what is said of it
    if entry is None:
        return _continued(block, width)
    said = block[entry.end() :]
    if entry.end() <= width // 2:
        rest = textwrap.wrap(said, width - entry.end())
        return [entry[1] + rest[0], *(" " * entry.end() + line for line in rest[1:])]
    return [*_continued(entry[1].rstrip(), width), *(f"      {line}" for line in textwrap.wrap(said, width - 6))]


def _continued(command: str, width: int) -> list[str]:
    """A command in lines that end in a backslash, as a shell takes them; an option stays with its value."""
    indent = len(command) - len(command.lstrip())
    lines = [""]
    for part in re.split(r" (?=-)", command.strip()):
        if lines[-1] and indent + len(lines[-1]) + len(part) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return [" " * indent + line for line in lines]
