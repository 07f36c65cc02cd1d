"""Rebuild weights and inputs of the reference outputs from their names (rule: README of the reference folder).

A reference NAME is three files: NAME.json (keys, shapes, kinds), NAME.npz (outputs), NAME.taps.json. Small references
are in `references/`. The full references are in a folder that the environment variable PARITY names, or else in the
folder `SHARED` beside the checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PARITY") or REPOSITORY.parent / "shared" / "parity")
REFERENCES = Path(__file__).resolve().parent / "references"

State = dict[str, NDArray[Any]]


def reference_path(name: str) -> Path | None:
    """Find a reference file of `models/`: first among the small copies, then in the full set, else None."""
    for folder in (REFERENCES, SHARED / "models"):
        if (folder / name).is_file():
            return folder / name
    return None


def read_json(name: str) -> dict[str, Any]:
    """One JSON file of `models/` (`NAME.json` or `NAME.taps.json`); FileNotFoundError if it is nowhere."""
    path = reference_path(name)
    if path is None:
        raise FileNotFoundError(f"{name} is neither in {REFERENCES} nor in {SHARED / 'models'}")
    return json.loads(path.read_text())


def read_outputs(name: str) -> State:
    """The arrays of `NAME.npz`."""
    path = reference_path(f"{name}.npz")
    if path is None:
        raise FileNotFoundError(f"{name}.npz is neither in {REFERENCES} nor in {SHARED / 'models'}")
    with np.load(path) as arrays:
        return {key: arrays[key] for key in arrays.files}


def generator(text: str) -> np.random.Generator:
    """The random generator that belongs to a name."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(seed))


def input_image(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A reference input, such as `input/search`; it stands for normalized images (B, 3, s, s)."""
    return generator(name).standard_normal(shape).astype(np.float32)


def fixed_table(shape: tuple[int, ...], frequencies: type = np.float32) -> NDArray[np.float32]:
    """Sin-cos table (1, grid * grid, dim): column half, then row half; sines, then cosines."""
    _, count, dim = shape
    grid, quarter = round(count**0.5), dim // 4
    omega = (1.0 / 10000 ** (np.arange(quarter, dtype=frequencies) / frequencies(quarter))).astype(frequencies)
    angle = np.arange(grid, dtype=frequencies)[:, None] * omega[None]
    line = np.concatenate([np.sin(angle), np.cos(angle)], 1)
    row, column = np.indices((grid, grid))
    table = np.concatenate([line[column.ravel()], line[row.ravel()]], 1)
    return table[None].astype(np.float32)


def rebuild_state(description: dict[str, Any], changes: dict[str, Any] | None = None) -> State:
    """The official state dict of a reference, key by key from its rule.

    Args:
        description: content of `models/NAME.json`.
        changes: content of `trackers/NAME.json`: salted names, gains and set values are applied.
    """
    changes = changes or {}
    first = description.get("variant", "").startswith("v1")
    state: State = {}
    for row in description["state_dict"]:
        key = row["name"]
        array = _tensor(_salt(key, changes) + key, key, tuple(row["shape"]), row["kind"], first)
        for pattern, gain in changes.get("weight_gain_float32", {}).items():
            if _matches(pattern, key):
                array = array * np.float32(gain)
        for pattern, values in changes.get("set_values", {}).items():
            if _matches(pattern, key):
                array = np.asarray(values, np.float32).reshape(array.shape)
        state[key] = array
    return state


def check_state(description: dict[str, Any], state: State) -> None:
    """Compare first value, sum and absolute sum with those of the reference; AssertionError names the key."""
    for row in description["state_dict"]:
        values = state[row["name"]].astype(np.float64)
        got = [values.ravel()[0], values.sum(), np.abs(values).sum()]
        want = [row["first"], row["sum"], row["abs_sum"]]
        # Fixed tables depend on the sine of the mathematics library in the last bit.
        tolerance = 2e-6 * values.size if row["kind"] == "fixed" else 1e-6 + 1e-10 * want[2]
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance, err_msg=row["name"])


def _tensor(seed: str, key: str, shape: tuple[int, ...], kind: str, first: bool) -> NDArray[Any]:
    if kind == "zero":
        return np.zeros(shape, np.int64)
    if kind == "fixed":
        return fixed_table(shape, np.float64 if first else np.float32)  # the first papers' code computes in float64
    n = generator(seed).standard_normal(shape)
    values = {
        "running_mean": lambda: 0.1 * n,
        "running_var": lambda: 1 + 0.2 * np.abs(n),
        "weight": lambda: n / np.sqrt(np.prod(shape[1:])),
        "scale": lambda: 1 + 0.1 * n,
        "bias": lambda: 0.05 * n,
        "pos": lambda: 0.02 * n,
        "token": lambda: 0.5 * n,
    }
    if kind not in values:
        raise ValueError(f"{key} has unknown kind {kind!r}")
    return values[kind]().astype(np.float32)


def _salt(key: str, changes: dict[str, Any]) -> str:
    table = changes.get("weight_salt_prefix_by_key_pattern", {})
    return next((prefix for pattern, prefix in table.items() if _matches(pattern, key)), "")


def _matches(pattern: str, key: str) -> bool:
    """A pattern is the beginning of a key; `*` stands for any text."""
    return re.match(re.escape(pattern).replace(r"\*", ".*"), key) is not None
