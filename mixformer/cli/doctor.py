"""`mixformer doctor`."""

from __future__ import annotations

import json
import textwrap

from jsonargparse import ArgumentParser, Namespace
from rich.text import Text

from mixformer.cli.console import make_console
from mixformer.cli.data_exchange import spinner
from mixformer.cli.parser import make_parser
from mixformer.errors import ConfigError, MixFormerError, counted

_DESCRIPTION = """Examine this installation: what is there, what works, what is slow and why.

Each engine tracks some frames of the demo clip, in a process of its own, and their boxes are compared. The exit code is
1 if something is broken.

  mixformer doctor
  mixformer doctor --json > doctor.json            for a bug report
"""
_COLORS = {"ok": "green", "note": "cyan", "slow": "yellow", "broken": "red"}
_WIDTH = 79


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("--frames", type=int, default=12, help="frames of the demo clip, 3 to 53")
    made.add_argument("--json", action="store_true", help="print the report as JSON, with the boxes of each engine")
    return made


def run(options: Namespace) -> None:
    """Print the report; raise if something is broken."""
    from mixformer.bench.checkup import examine

    if not 3 <= options.frames <= 53:
        raise ConfigError("--frames must be 3 to 53, the length of the demo clip")
    console = make_console()
    with spinner("examining") as show:
        found = examine(options.frames, show)
    if options.json:
        console.print(json.dumps(found.to_dict(), indent=2))
    else:
        for each in found.findings:
            head = f"{each.level:<7}{each.name}: "
            lines = textwrap.fill(each.text, _WIDTH, initial_indent=head, subsequent_indent=" " * 9).split("\n")
            console.print(Text.assemble((lines[0][:7], _COLORS[each.level]), "\n".join([lines[0][7:], *lines[1:]])))
            if each.advice:
                text = textwrap.fill(each.advice, _WIDTH, initial_indent=" " * 9, subsequent_indent=" " * 9)
                console.print(text)
    if found.broken:
        raise MixFormerError(f"{counted(found.broken, 'part')} of this installation broken; see above")
    if not options.json:
        console.print("nothing is broken")
