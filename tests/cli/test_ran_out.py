"""What the system refuses is told with an exit code (row C9)."""

import errno

import pytest

from mixformer.cli import main


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MemoryError(), 1, "the memory is full"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "too many files are open"),
        (OSError(errno.EROFS, "Read-only file system"), 4, "read-only"),
        (OSError(errno.ENOSPC, "No space left on device"), 4, "the disk is full"),
    ],
)
def test_what_ran_out_is_told(monkeypatch, capsys, error, code, said):
    def fail(options):
        raise error

    monkeypatch.setattr("mixformer.cli.models.run", fail)
    assert main(["models"]) == code
    assert said in capsys.readouterr().err
