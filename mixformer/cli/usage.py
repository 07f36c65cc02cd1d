"""A parser whose errors are sentences: what is wrong, what was probably meant, where the help is."""

from __future__ import annotations

import re
import sys
from argparse import Action
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from jsonargparse import ArgumentParser

from mixformer.cli.help_text import kind_of
from mixformer.errors import did_you_mean

_KINDS = {int: "a whole number", float: "a number", Path: "a path", str: "a text"}


class Parser(ArgumentParser):
    """Says in plain words what is wrong with a command line, and ends with exit code 2."""

    _deepest: ArgumentParser | None = None  # the parser of the last command that was read

    def parse_args(self, *words: Any, **options: Any) -> Any:
        """Read a command line, or the words of a command in it."""
        Parser._deepest = self
        return super().parse_args(*words, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the usage and one sentence, then exit."""
        parser = getattr(ex, "subcommand_parser", None) or self
        if message.startswith(("unrecognized", "the following")):
            parser = Parser._deepest or parser
        parser.print_usage(sys.stderr)
        command = parser.prog.replace(" [options]", "")
        sys.stderr.write(f"error: {_explain(parser, message)}\nsee: {command} --help\n")
        self.exit(2)


def _explain(parser: ArgumentParser, message: str) -> str:
    """The message of argparse or jsonargparse in our words; one that is not known stays."""
    if found := re.match(r"argument COMMAND: invalid choice: '(.*?)' \(choose from (.*)\)", message):
        return no_command(found[1], re.findall(r"'(.*?)'", found[2]))
    if found := re.match(r"unrecognized arguments: (.*)", message):
        return _no_option(found[1].split()[0], parser)
    if found := re.match(r"the following arguments are required: (.*)", message):
        missing = (_name(_action(parser, each), each) for each in found[1].split(", "))
        return f"{', '.join(missing)} must be given"
    if found := re.match(r'Parser key "(.*?)"', message):
        value = re.search(r"(?:Got|Given) value: (.*)", message)
        action = _action(parser, found[1])
        if action is not None and value is not None:
            return _wrong_value(action, value[1])
    if found := re.match(r"argument (--\S+): (not allowed with argument) (--\S+)", message):
        return f"{found[1]} and {found[3]} exclude each other; give one of them"
    if found := re.match(r"argument (--\S+?)(?:/\S+)?: expected (.*)", message):
        return f"{found[1]} needs {found[2].replace('argument', 'value')} after it"
    if found := re.match(r"one of the arguments (.*) is required", message):
        return f"one of {', '.join(found[1].split())} must be given"
    return message


def no_command(word: str, known: list[str]) -> str:
    """The message for a command that there is not."""
    return f"there is no command '{word}'{did_you_mean(word, known)}. The commands are: {', '.join(known)}"


def _no_option(word: str, parser: ArgumentParser) -> str:
    if not word.startswith("-"):
        return f"'{word}' is one word too many; put names with spaces in quotes, and options after two dashes"
    flag = word.partition("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]
    return f"there is no option {flag}{did_you_mean(flag, known)}"


def _wrong_value(action: Action, value: str) -> str:
    kind = kind_of(action)
    choices = [word for each in (kind, *get_args(kind)) if get_origin(each) is Literal for word in get_args(each)]
    names = [_KINDS[each] for each in (kind, *get_args(kind)) if each in _KINDS] if get_origin(kind) is not Literal else []
    wanted = " or ".join(dict.fromkeys([*names, *map(str, choices)]))
    return f"{_name(action, value)} takes {wanted}, not '{value}'{did_you_mean(value, choices)}"


def _action(parser: ArgumentParser, key: str) -> Action | None:
    """The option of a key such as "data.check.dir"."""
    return next((each for each in parser._actions if each.dest == key.rsplit(".")[-1]), None)


def _name(action: Action | None, otherwise: str) -> str:
    """What a person writes, or reads in the help, for an option."""
    if action is None:
        return otherwise
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest.upper())
