"""A parser whose errors are sentences: what is wrong, what was probably meant, where the help is."""

from __future__ import annotations

import re
import sys
from argparse import Action
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from jsonargparse import ArgumentParser

from mixformer.cli.console import make_console
from mixformer.cli.help_text import kind_of
from mixformer.errors import did_you_mean

_KINDS = {int: "a whole number", float: "a number", Path: "a path", str: "a text"}

_ADDRESS = re.compile("[a-zA-Z][a-zA-Z0-9+.-]+://")
_GENERAL = ("--debug", "--version")  # options of the whole command line


class Parser(ArgumentParser):
    """Explains an error in a command line in plain words, and ends with exit code 2."""

    _deepest: ArgumentParser | None = None  # the parser of the last command that was read
    _words: Sequence[str] = ()  # of the whole command line

    def parse_args(self, *words: Any, **options: Any) -> Any:
        """Read a command line, or the words of a command in it."""
        Parser._deepest, Parser._words = self, (words or [None])[0] or sys.argv[1:]
        try:
            return super().parse_args(*words, **options)
        except (OverflowError, RecursionError) as error:  # of numbers and lists that Python itself cannot hold
            (Parser._deepest or self).error(f"a value cannot be read: {error}; give a shorter one")

    def _get_values(self, action: Action, arg_strings: list[str]) -> Any:
        """Refuse what is no path, where one is meant.

        `Path` reads an empty one, such as that of a variable that is not set, as the current folder, and an address as
        a folder `http:`. A file may have a name that means nothing at all in YAML.
        """
        kind = kind_of(action)
        if Path in (kind, *get_args(kind)):
            if wrong := next(filter(None, map(_no_path, arg_strings)), ""):
                (Parser._deepest or self).error(f"{_name(action, '')} {wrong}")
            arg_strings = [f"./{word}" if word in _NOTHING else word for word in arg_strings]
        return super()._get_values(action, arg_strings)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or a version. `argparse` says nothing where a full disk takes no help."""
        if file is sys.stdout and message:
            file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the usage and one sentence, then exit."""
        parser = getattr(ex, "subcommand_parser", None) or self
        if message.startswith(("unrecognized", "the following", "expected")):
            parser = Parser._deepest or parser
        command = parser.prog.replace(" [options]", "")
        said = f"{parser.format_usage()}error: {_explain(parser, message)}\nsee: {command} --help"
        make_console(stderr=True).print(said)
        self.exit(2)


_NOTHING = ("~", "null", "Null", "NULL")


def _no_path(word: str) -> str:
    """Say what is wrong with a word as a path; "" if nothing is."""
    if not word:
        return "is empty; give a path, or . for the current folder"
    if _ADDRESS.match(word):
        return f"takes a path on this machine, not the address {word}; give a path"
    if any("\ud800" <= sign <= "\udfff" for sign in word):  # what Python makes of bytes that are no text
        return "holds bytes that are no UTF-8; rename the file, or make a link to it"
    return ""


def _explain(parser: ArgumentParser, message: str) -> str:
    """The message of argparse or jsonargparse in our words; one that is not known stays."""
    for pattern, say in _SENTENCES.items():
        if found := re.match(pattern, message, re.DOTALL):
            return say(parser, *found.groups())
    return message


def no_command(word: str, known: Sequence[str]) -> str:
    """The message for an unknown command."""
    near = did_you_mean(word, known) or "."
    return f"there is no command '{word}'{near} The commands are: {', '.join(known)}"


def _no_option(word: str, parser: ArgumentParser) -> str:
    if not word.startswith("-"):
        return f"'{word}' is one word too many; put names with spaces in quotes, and options after two dashes"
    flag = word.partition("=")[0]
    if flag in _GENERAL:
        return f"{flag} goes before the command: mixformer {flag} {parser.prog.split()[-1]} ..."
    known = [option for action in parser._actions for option in action.option_strings]
    if flag in known and "--" not in Parser._words:
        return f"{flag} goes behind the command: {parser.prog.replace(' [options]', '')} ... {flag}"
    if flag in known:
        return f"{flag} comes after --, behind which nothing is an option; put it before that"
    return f"there is no option {flag}{did_you_mean(flag, [*known, *_GENERAL])}"


def _missing(parser: ArgumentParser, keys: str) -> str:
    return f"{', '.join(_name(_action(parser, key), key) for key in keys.split(', '))} must be given"


def _wrong_value(parser: ArgumentParser, key: str, value: str) -> str:
    action = _action(parser, key)
    kind: Any = str if action is None else kind_of(action)
    kinds = (kind, *(get_args(kind) if get_origin(kind) is not Literal else ()))
    choices = [word for each in kinds if get_origin(each) is Literal for word in get_args(each)]
    wanted = " or ".join([*(_KINDS[each] for each in kinds if each in _KINDS), *map(str, choices)])
    return f"{_name(action, key)} takes {wanted}, not '{value}'{did_you_mean(value, map(str, choices))}"


def _action(parser: ArgumentParser, key: str) -> Action | None:
    """The option of a key such as "data.check.dir"."""
    return next((each for each in parser._actions if each.dest == key.rsplit(".")[-1]), None)


def _name(action: Action | None, otherwise: str) -> str:
    """Return the name of an option as a person writes it, or reads it in the help."""
    if action is None:
        return otherwise
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest.upper())


# What argparse and jsonargparse say -> what we say of it.
_SENTENCES: dict[str, Callable[..., str]] = {
    r"argument COMMAND: invalid choice: '(.*?)' \(choose from (.*)\)": lambda _, word, known: no_command(
        word, re.findall(r"'(.*?)'", known)
    ),
    r"expected .*subcommand.* one of {(.*?)}": lambda _, known: (
        f"a command must follow, one of: {', '.join(known.split(','))}"
    ),
    r"unrecognized arguments: (\S+)": lambda parser, word: _no_option(word, parser),
    r"the following arguments are required: (.*)": _missing,
    r'Parser key "(.*?)".*(?:Got|Given) value: (.*)': _wrong_value,
    r"argument (--\S+): not allowed with argument (--\S+)": lambda _, one, other: (
        f"{one} and {other} exclude each other; give one of them"
    ),
    r"argument (--[\w-]+)\S*: invalid int value: '(.*)'": lambda _, name, value: (
        f"{name} takes whole numbers, with spaces between them, not '{value}'"
    ),
    r"argument (--[\w-]+)\S*: expected (.*)": lambda _, name, wanted: (
        f"{name} needs {wanted.replace('argument', 'value')} after it"
    ),
    r"one of the arguments (.*) is required": lambda _, names: f"one of {', '.join(names.split())} must be given",
}
