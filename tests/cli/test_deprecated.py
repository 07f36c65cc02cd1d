"""Old words of the command line still work, and one warning names the new one."""

import warnings

import pytest

from mixformer.cli.deprecated import FLAGS, renew
from mixformer.cli.main import _VERBS, build_parser, main


@pytest.mark.parametrize(("verb", "old"), [(verb, old) for verb, flags in FLAGS.items() for old in flags])
def test_an_old_flag_is_taken_as_the_new_one_with_one_warning(verb, old):
    new = FLAGS[verb][old]
    with pytest.warns(DeprecationWarning, match=f"{old} is now called {new}") as warned:
        assert renew(["--debug", verb, "clip", old, "x", f"{old}=y"]) == ["--debug", verb, "clip", new, "x", f"{new}=y"]
    assert len(warned) == 2  # one for each time it is written


@pytest.mark.parametrize("verb", sorted(FLAGS))
def test_the_new_flags_are_those_of_the_verb(verb):
    assert verb in _VERBS
    text = "".join(_helps(build_parser(verb)._subcommands_action._name_parser_map[verb]))
    for old, new in FLAGS[verb].items():
        assert new in text
        assert f"{old} " not in text


def _helps(parser):
    """The help of a command and of the commands in it."""
    inner = parser._subcommands_action._name_parser_map.values() if parser._subcommands_action else ()
    return [parser.format_help(), *(text for each in inner for text in _helps(each))]


def test_words_that_are_no_flags_of_the_verb_stay():
    assert renew(["models", "--boxes"]) == ["models", "--boxes"]
    assert renew(["--version"]) == ["--version"]


def test_pack_is_now_called_submit():
    with pytest.warns(DeprecationWarning, match="pack is now called submit") as warned:
        assert renew(["pack", "got10k", "a", "b.zip"]) == ["submit", "got10k", "a", "b.zip"]
    assert len(warned) == 1
    assert renew(["data", "pack", "x"]) == ["data", "pack", "x"]


def test_an_old_flag_is_told_in_one_line_without_a_path(monkeypatch):
    said = []
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # is put back
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, kind, *_: said.append(
            warnings.formatwarning(message, kind, "main.py", 1)
        )
        with pytest.raises(SystemExit):
            main(["train", "recipe.toml", "--smoke", "--nonsense"])
    assert said == ["warning: --smoke is now called --dry-run\n"]
