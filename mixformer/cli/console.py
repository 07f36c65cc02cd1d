"""Printing: plain text is never read as markup, numbers are never cut, and no character can fail a run."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from mixformer.errors import OutputError, first_few, remedy


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Print nothing any more; results still become whole."""
        drop_output(self.file)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; a message for which there is no place fails no run. Raises OutputError if a result has no place."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            drop_output(self.file)
            if not self.stderr:
                raise OutputError(no_place(error)) from error


def no_place(error: OSError) -> str:
    """Say why standard output, such as a file that it was redirected to, cannot be written, and what to do."""
    return f"cannot write to standard output: {remedy(error)}; files that the command has written are whole"


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Make a console that prints text as it is, such as names with brackets, and does not wrap lines."""
    return _Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True)


def make_table(headings: Iterable[str], rows: Iterable[Iterable[str]] = (), *, title: str = "", left: int = 1) -> Table:
    """Make a table whose cells have one line each; the first `left` columns hold text, the others numbers."""
    from mixformer.evaluation.report.fitting import plain_table

    table = plain_table(title or None)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def print_table(console: Console, table: Table) -> None:
    """Print a table without cutting a cell. On a narrow terminal, the last columns go into a second table below it."""
    from mixformer.evaluation.report.fitting import print_fitting

    print_fitting(console, table)


def print_filled(console: Console, head: str, text: str, indent: int | None = None) -> None:
    """Print a paragraph of 79 columns after a head; its next lines are indented, by default as far as the head."""
    further = " " * (len(head) if indent is None else indent)
    console.print(textwrap.fill(text, 79, initial_indent=head, subsequent_indent=further))


def failure_text(head: str, failures: Mapping[str, str]) -> str:
    """Write a list of failures, by name, under a head."""
    lines = first_few((f"{name}: {message}" for name, message in failures.items()), 20)
    return "\n".join([head, *(f"  {line}" for line in lines)])


def be_robust() -> None:
    """Let no output fail a run.

    Characters that the terminal's encoding lacks are printed as escapes. Standard streams that are closed, as by
    `>&-`, lead nowhere: else the next file that is opened gets their number, and messages of libraries. Streams without
    a buffer, as by `python -u`, get one for each line: else Python silently drops what a full disk does not take.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with contextlib.suppress(OSError):
            _fill(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r"))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with contextlib.suppress(AttributeError, ValueError, OSError):  # replaced or closed
            if isinstance(stream.buffer, io.RawIOBase):
                buffered = io.BufferedWriter(io.FileIO(stream.fileno(), "w", closefd=False))
                stream = io.TextIOWrapper(buffered, stream.encoding, line_buffering=True)
                setattr(sys, name, stream)
            stream.reconfigure(errors="backslashreplace")


def _fill(number: int) -> None:
    """Open the null device under the number of a standard stream, if that is free."""
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        os.set_inheritable(number, True)


def drop_output(stream: IO[str]) -> None:
    """Discard what is still printed to a stream whose reader has gone, as `| head` does."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
