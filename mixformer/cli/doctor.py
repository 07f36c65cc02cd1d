"""`mixformer doctor`."""

from __future__ import annotations

import json
import textwrap

from jsonargparse import ArgumentParser, Namespace
from rich.text import Text

from mixformer.cli.bars import spinner
from mixformer.cli.console import make_console, print_filled
from mixformer.cli.parser import add_flag, add_option
from mixformer.errors import ConfigError, MixFormerError, counted

DESCRIPTION = """Examine this installation: what is there, what works, what is slow and why.

Each engine tracks some frames of the demo clip, in a process of its own, and their boxes are compared. The exit code is
1 if something is broken.

  mixformer doctor
  mixformer doctor --json > doctor.json            for a bug report
"""
_COLORS = {"ok": "green", "note": "cyan", "slow": "yellow", "broken": "red"}


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    add_option(made, "--frames", int, "frames of the demo clip, 3 to 53", 12)
    add_flag(made, "--json", "print the report as JSON, with the boxes of each engine")


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
            text = textwrap.fill(each.text, 79, initial_indent=head, subsequent_indent=" " * 9)
            console.print(Text.assemble((text[:7], _COLORS[each.level]), text[7:]))
            if each.advice:
                print_filled(console, " " * 9, each.advice)
    if found.broken:
        raise MixFormerError(f"{counted(found.broken, 'part')} of this installation broken; see above")
    if not options.json:
        console.print("nothing is broken")
