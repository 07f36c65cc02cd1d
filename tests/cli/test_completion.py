"""`mixformer completion`, tried in a real bash."""

import shutil
import subprocess
import sys

import pytest

from mixformer.cli import main


def complete(script, *words):
    """What bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _shtab_mixformer; echo ${{COMPREPLY[@]}}"
    )
    return subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_choices(tmp_path, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "mixformer"
    script.write_text(capsys.readouterr().out)
    assert complete(script, "mixformer", "tra") == ["track", "track-all", "train"]
    assert complete(script, "mixformer", "track", "--pre") == ["--precision", "--preset"]
    assert complete(script, "mixformer", "completion", "f") == ["fish"]
    assert complete(script, "mixformer", "data", "im") == ["import"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script(shell, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    assert "track-all" in capsys.readouterr().out


def test_without_shtab_its_install_command_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'mixformer[completion]'" in capsys.readouterr().err
