"""Old words of the command line. They still work; a warning names the new word."""

from __future__ import annotations

from collections.abc import Sequence

from mixformer.errors import warn_deprecated

# Verb -> old flag -> new flag. Add a line here and nowhere else.
FLAGS: dict[str, dict[str, str]] = {
    "bench": {"--no-startup": "--no-memory"},
    "demo": {"--sequential": "--no-pipeline"},
    "evaluate": {"--integers": "--truncate", "--as-written": "--one-based"},
    "submit": {"--integers": "--truncate"},
    "track": {"--boxes": "--targets", "--sequential": "--no-pipeline"},
    "track-all": {"--at-once": "--concurrent-videos"},
    "train": {"--smoke": "--dry-run"},
}
# Old verb -> new verb.
VERBS: dict[str, str] = {"pack": "submit", "bench track": "bench"}


def renew(words: Sequence[str]) -> list[str]:
    """Replace old verbs and flags by new ones, with a `DeprecationWarning` for each.

    Args:
        words: the command line after the program's name.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     renew(["track", "clip.mp4", "--boxes=targets.csv"])
        ['track', 'clip.mp4', '--targets=targets.csv']
        >>> str(caught[0].message)
        '--boxes is now called --targets'
    """
    new = list(words)
    place = next((number for number, word in enumerate(new) if not word.startswith("-")), None)
    if place is None:
        return new
    length = 2 if " ".join(new[place : place + 2]) in VERBS else 1
    new[place : place + length] = [_new_name(" ".join(new[place : place + length]), VERBS)]
    flags = FLAGS.get(new[place], {})
    for number, word in enumerate(new[place + 1 :], place + 1):
        flag, sign, value = word.partition("=")
        new[number] = _new_name(flag, flags) + sign + value
    return new


def _new_name(name: str, renamed: dict[str, str]) -> str:
    if name in renamed:
        warn_deprecated(f"{name} is now called {renamed[name]}")
    return renamed.get(name, name)
