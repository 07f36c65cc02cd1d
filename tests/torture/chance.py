"""Random choices that a seed, a surface and a number decide."""

from __future__ import annotations

from random import Random

NUMBERS = (
    "0", "-0", "1", "-1", "2", "0.5", "-0.5", "1e9", "-1e9", "1e308", "1e400", "-1e400", "1e-320", "nan", "inf", "-inf",
    "NaN", "Infinity", "-Infinity", "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775807",
    "9223372036854775808", "18446744073709551616", "30000000", "1e4", "40000", "0x10", "1_000", "1,5", "+3", "٣",
    "९", "²", "1e", "--1", "", " ", "9" * 400, "9" * 5000, "1." + "3" * 5000,
)  # fmt: skip
"""Numbers as text that readers stumble over."""

TEXTS = (
    "", " ", "x", "null", "true", "None", "a/b", "../x", "..", ".", "/", "~", "a\0b", "a\nb", "[red]x[/]", "[/]",
    "%s%n",
    "{0}", "\u202eabc", "e\u0301", "\udcff", "\ufeffx", "日本語", "x" * 300, "y" * 70_000, "-", "--help", "*", "con",
    "a:b",
    "$HOME", "`id`", "'", '"', "\\", "\r", "\x1b[31m", "é",
)  # fmt: skip
"""Words that readers, printers and file systems stumble over."""

VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 1.5, -0.5, 1e308, 1e-320, float("nan"), float("inf"),
    float("-inf"), "", "x", "1", "1e9", [], {}, [[]], [None], {"": None}, [1, 2, 3, 4], [1, 2, 3, 4, 5], "\udcff",
    "a\0b",
    10**400, "[red]", {"a": {"b": 1}}, [[1, 2], [3, 4]],
)  # fmt: skip
"""Values of JSON and of Python arguments."""


def draw(seed: int, surface: str, index: int) -> Random:
    """The source of chance of one input; it depends on nothing else."""
    return Random(f"{seed}/{surface}/{index}")


def some(random: Random, most: int = 6) -> int:
    """A small number of 1 or above, mostly 1."""
    count = 1
    while count < most and random.random() < 0.35:
        count += 1
    return count
