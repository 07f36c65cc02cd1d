"""Exceptions and warnings that say what went wrong and what to do about it."""

import errno
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

_NUMBER_OF_THE_SYSTEM = re.compile(r"\[(?:Errno|WinError) -?\d+\] ")
_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")  # of an address
_LONGEST_WORD, _LONGEST_MESSAGE = 400, 4000  # letters that a person may still read


class MixFormerError(Exception):
    """Base of every error this package raises on purpose.

    Its text is safe to print: names from outside are cut to a sane length, and control characters are written out.

    Example:
        >>> import mixformer
        >>> try:
        ...     mixformer.load_model("nothing.pth")
        ... except mixformer.MixFormerError as error:
        ...     print(type(error).__name__)
        CheckpointError
    """

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """Make foreign text safe for a message: cut long words and long texts, hide passwords, escape control characters.

    Example:
        >>> printable("rtsp://me:secret@camera/1 does not answer")
        'rtsp://me:***@camera/1 does not answer'
        >>> print(printable("clip" + chr(27) + "[31m.mp4"))
        clip\\x1b[31m.mp4
        >>> len(printable("x" * 70_000))
        226
    """
    text = _PASSWORD.sub(r"\1***@", _NUMBER_OF_THE_SYSTEM.sub("", text))
    text = re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda found: _cut(found[0], 150, 50), text)
    if len(text) > _LONGEST_MESSAGE:
        text = _cut(text, _LONGEST_MESSAGE - 1000, 1000)
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str, head: int, tail: int) -> str:
    return f"{text[:head]}...({len(text) - head - tail} more letters)...{text[-tail:]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion for a mistyped word: the nearest known word as a question, or "" if none is near.

    Example:
        >>> did_you_mean("serach_factor", ["search_factor", "margin"])
        "; did you mean 'search_factor'?"
    """
    names = {name.lower().lstrip("-"): name for name in known}
    near = get_close_matches(word[:100].lower().lstrip("-"), names, 1)
    return f"; did you mean {names[near[0]]!r}?" if near else ""


class BoxError(MixFormerError, ValueError):
    """A target box that cannot be tracked: not finite, without area or outside the frame."""


class FrameError(MixFormerError, ValueError):
    """A frame whose shape, type or size cannot be used."""


class SourceError(MixFormerError, OSError):
    """A video source that cannot be opened or holds no frames."""


class OutputError(MixFormerError, OSError):
    """A result that could not be written (disk full, folder missing, permission)."""


class ConfigError(MixFormerError, ValueError):
    """A configuration value that is unknown or out of range."""


class CheckpointError(MixFormerError, ValueError):
    """A weights file that does not fit: unknown, missing or mis-shaped entries, or unsafe content."""


class DataError(MixFormerError, ValueError):
    """A data set or annotation file that cannot be used."""


class StateError(MixFormerError, RuntimeError):
    """A call in the wrong order, such as `update` before `init`."""


class MissingDependencyError(MixFormerError, ImportError):
    """An optional package is not installed; the message holds the install command."""


class TrainingDivergedError(MixFormerError, ArithmeticError):
    """The loss or the gradient of a training run is not a finite number; the last checkpoint is kept."""


class ExportError(MixFormerError, RuntimeError):
    """An exported graph whose outputs differ too much from the network's."""


def first_few(items: Iterable[str], limit: int = 8) -> list[str]:
    """Return the first `limit` items of a list for a message, and "and N more" if there are more.

    Example:
        >>> ", ".join(first_few(["a", "b", "c", "d"], limit=2))
        'a, b, and 2 more'
    """
    listed = list(items)
    return listed if len(listed) <= limit else [*listed[:limit], f"and {len(listed) - limit} more"]


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural where needed.

    Example:
        >>> counted(1, "video"), counted(2, "video"), counted(0, "box")
        ('1 video', '2 videos', '0 boxes')
    """
    ending = "" if number == 1 else "es" if noun.endswith(("s", "x")) else "s"
    return f"{number} {noun}{ending}"


def shown(value: object, limit: int = 200) -> str:
    """Write a value for a message, cut if it is long.

    Example:
        >>> shown([1, 2]), shown("a" * 100, limit=12)
        ('[1, 2]', "'aaaaaaaa...")
    """
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "numbers of thousands of digits"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


@contextmanager
def malformed_as_data_error(problem: str) -> Iterator[None]:
    """Turn the exceptions that values of a wrong form raise into a `DataError` that starts with `problem`.

    Example:
        >>> with malformed_as_data_error("boxes.json is not a list of boxes"):
        ...     {}["boxes"]
        Traceback (most recent call last):
        ...
        mixformer.errors.DataError: boxes.json is not a list of boxes: KeyError 'boxes'
    """
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{problem}: {type(error).__name__} {error}") from error


def warn_deprecated(message: str) -> None:
    """Give a `DeprecationWarning` that points at the calling line outside this package.

    Args:
        message: the old name and what to write instead.
    """
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "mixformer":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DeprecationWarning, stacklevel=level)


def remedy(error: BaseException, otherwise: str = "check free space and permissions") -> str:
    """Say what to do about an error of the system that comes from a file or a folder, also in another library's words.

    Example:
        >>> import errno
        >>> remedy(OSError(errno.ENOSPC, "No space left on device"))
        'the disk is full; free some space and run the same command again'
    """
    number = getattr(error, "errno", None) or next((n for n in _OF_PLACES if os.strerror(n) in str(error)), 0)
    return _OF_PLACES.get(number, otherwise)


_OF_PLACES = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "your share of the disk is full; free some space and run the same command again",
    errno.EFBIG: "a file may not become so large here; raise the limit, as with `ulimit -f`, or take another disk",
    errno.EROFS: "the place is read-only; write to another folder",
    errno.ENAMETOOLONG: "a name is longer than file systems allow; give a shorter one",
    errno.ENOTDIR: "there is a file where a folder is expected; check the path",
    errno.EISDIR: "there is a folder where a file is expected; check the path",
    errno.ELOOP: "links lead in a circle; check the path",
    errno.EPIPE: "the program that reads it has ended; let it read to the end, or write a file",
    errno.EIO: "the disk or the network folder does not answer; check it and run the same command again",
    errno.EACCES: "this user may not write there or read it; take another folder, or change its permissions",
    errno.EPERM: "this user may not write there or read it; take another folder, or change its permissions",
}
