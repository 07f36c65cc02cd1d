"""Section D and C11 of the findings: help, near names, tables and plain text on the command line."""

import io
import json
import subprocess
import sys

import pytest

from mixformer.cli import main
from mixformer.cli.console import make_console, make_table, print_table
from mixformer.cli.help_text import metavar
from mixformer.cli.main import _VERBS, build_parser
from mixformer.cli.settings_options import changed_settings
from mixformer.evaluation import Table
from mixformer.evaluation.report.tables import Column, to_terminal
from tests.helpers.commands import parsers

RAW = ("null", "Literal", "<class", "Optional", "Union", "(type", "%(")  # of Python, not of people


ALL = dict(parsers(build_parser()))


@pytest.mark.parametrize("name", ALL)
def test_help_is_plain_and_fits_80_columns(name, monkeypatch):
    """D: no `(default: null)`, `Literal[...]` or `<class 'Path'>`, no line over 80, the same when piped."""
    monkeypatch.setenv("COLUMNS", "80")
    text = ALL[name].format_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert [word for word in RAW if word in text] == []
    assert text.startswith(f"usage: {name} ")
    monkeypatch.delenv("COLUMNS")
    assert text == ALL[name].format_help()


@pytest.mark.parametrize("name", ALL)
def test_every_option_has_a_sentence_and_every_command_an_example(name):
    """D: nothing is left to guess."""
    assert [action.dest for action in ALL[name]._actions if not action.help and not action.choices] == []
    if name != "mixformer":
        assert f"  {name}" in ALL[name].format_help()


def test_bare_mixformer_prints_the_help(capsys):
    """D: no command is no error."""
    assert main([]) == 0
    assert "mixformer demo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trak"], "; did you mean 'track'?"),
        (["track", "a.mp4", "--sarch-factor", "4"], "; did you mean '--search-factor'?"),
        (["data", "chekc", "x"], "; did you mean 'check'?"),
        (["data", "check", "x", "--splt", "a"], "; did you mean '--split'?"),
        (["report", "x", "--format", "markdwn"], "; did you mean 'markdown'?"),
        (["track", "a.mp4", "--start", "x"], "--start takes a whole number, not 'x'"),
        (["track", "a.mp4", "--debug"], "--debug goes before the command"),
        (["track", "a.mp4", "--box", "1", "2"], "--box needs 4 values"),
        (["inspect", "a.mp4", "--frame", "3"], "--out must be given"),
        (["data", "check"], "DIR must be given"),
        (["data"], "check, import, export, pack"),
        (["prune", "a", "--out", "b"], "one of --keep-first"),
        (["prune", "a", "--out", "b", "--skip", "1", "--keep-first", "1"], "exclude each other"),
        (["track", "a.mp4", "b.mp4"], "one word too many"),
    ],
)
def test_a_wrong_command_line_is_explained(words, said, capsys):
    """D: "did you mean" for verbs and flags; the words of the help, not of Python."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    text = capsys.readouterr().err
    assert said in text
    assert "see: mixformer" in text
    assert [word for word in RAW if word in text] == []


def test_models_fits_80_columns_and_is_whole_when_piped(capsys):
    """D: `mixformer models` cut every number."""
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "bundled" in text


def test_models_as_json(capsys):
    """D: `mixformer models --json`."""
    assert main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(each["default"] for each in found) == 1
    assert {"name", "parameters", "flops", "license", "available"} <= set(found[0])


def test_no_table_cuts_a_cell(monkeypatch, capsys):
    """D: the same for the tables of evaluate, report, bench and data."""
    monkeypatch.setenv("COLUMNS", "20")
    print_table(make_console(), make_table(("name", "number"), [("a" * 40, "1234567.89")]))
    columns = (Column("a" * 40), *(Column(f"metric {n}", "percent") for n in range(9)))
    to_terminal(Table("Title", columns, (("x" * 40, *[0.6655] * 9),)), make_console())
    text = capsys.readouterr().out
    assert "1234567.89" in text
    assert text.count("66.5") + text.count("66.6") == 9
    assert "x" * 40 in text


@pytest.mark.parametrize("name", ["holiday [x264].mp4", "a[", "mixformer[onnx]", "[/]", "[red]", ":smile:"])
def test_plain_text_is_no_markup(name, capsys):
    """C11: names with brackets are printed as they are."""
    console = make_console()
    console.print(f"wrote {name}")
    print_table(console, make_table([name], [[name]], title=name))
    to_terminal(Table(name, (Column(name),), ((name,),), (name,)), console)
    assert capsys.readouterr().out.count(name) == 8
    assert main(["convert", name, "--out", "x"]) == 5
    assert name in capsys.readouterr().err


def test_the_hint_of_a_missing_package_keeps_its_brackets(capsys, monkeypatch):
    """C11: "pip install 'mixformer'" had lost its [onnx]."""
    from mixformer.optional import missing

    def run(_):
        raise missing("onnxruntime", "this")

    monkeypatch.setattr("mixformer.cli.models.run", run)
    assert main(["models"]) == 1
    assert "mixformer[onnx]" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_encoding_cannot_fail_a_run(encoding, tmp_path):
    """C11: a Cyrillic name on a terminal without Cyrillic letters."""
    done = subprocess.run(
        [sys.executable, "-m", "mixformer", "data", "list", "имя.json"],
        capture_output=True,
        env={"PYTHONIOENCODING": encoding, "PATH": "", "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "0"},
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert b"\\u0438" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["models"], ["--help"], []])
def test_a_reader_that_leaves_ends_the_run_quietly(words):
    """C11: `mixformer models | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "mixformer", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0
    assert errors == b""


def test_logged_messages_are_one_line_each(capsys):
    """D: warnings are not wrapped in the middle when piped."""
    import logging

    assert main(["models", "--json"]) == 0
    logging.getLogger("mixformer").warning("a [x264] %s", "word " * 40)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_all_verbs_are_named_in_the_help():
    assert all(f"mixformer {verb}" in ALL for verb in _VERBS)
    assert io.StringIO(ALL["mixformer"].format_help()).read().count("(required)") == 0


@pytest.mark.parametrize("verb", ["track", "track-all", "demo", "evaluate"])
def test_verbs_that_track_have_a_flag_for_the_update(verb):
    """D: update = score, interval or never, and the interval."""
    option = next(each for each in ALL[f"mixformer {verb}"]._actions if each.dest == "update")
    assert metavar(option) == "{score,interval,never}"
    assert "--update-interval" in ALL[f"mixformer {verb}"].format_help()
    settings = build_parser(verb).parse_args([verb, *_NEEDED.get(verb, []), "--update", "never"])[verb]
    assert changed_settings(settings) == {"update": "never"}


_NEEDED = {"track": ["a.mp4"], "track-all": ["jobs.csv"], "evaluate": ["--root", "here"]}


def test_data_list_names_your_own_data_and_fits_80_columns(capsys):
    """D: the name of your own data is among the known ones."""
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert "\ncustom  your own sequences" in text
    assert max(map(len, text.splitlines())) <= 80
