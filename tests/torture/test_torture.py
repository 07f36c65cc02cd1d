"""The bench as tests: a slice with the others, the whole by `make torture`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.torture import disks, endurance, kills
from tests.torture.__main__ import prepare, shares
from tests.torture.known import healed, unknown
from tests.torture.runner import Tally, try_surfaces
from tests.torture.surfaces import SURFACES
from tests.torture.table import Row, details, row_of, table

SEED = int(os.environ.get("TORTURE_SEED", "1"))
SLICE = 300
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes through /proc")


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> Path:
    """The good inputs, made when they are first needed; TORTURE_MATERIAL keeps them between runs."""
    kept = os.environ.get("TORTURE_MATERIAL")
    return Path(kept) if kept else tmp_path_factory.mktemp("material")


@pytest.fixture
def show(capsys):
    """Print past pytest: the table is for the reader."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return say


def _try(material: Path, counts: dict[str, tuple[int, int]], show, *, shared: bool) -> list[Tally]:
    prepare(material, list(counts))
    tallies = try_surfaces(counts, SEED, material, max(1, min(4, (os.cpu_count() or 2) // 2)), shared=shared)
    show(f"seed {SEED}\n{table([row_of(tally) for tally in tallies])}\n{details(tallies)}")
    return tallies


def test_a_slice_of_the_inputs(material, show):
    names = [name for name, surface in SURFACES.items() if surface.weight]
    new = [finding for tally in _try(material, shares(SLICE, names), show, shared=True) for finding in unknown(tally)]
    assert not new


@pytest.mark.torture
def test_all_inputs(material, show):
    tallies = _try(material, shares(None, list(SURFACES)), show, shared=False)
    assert sum(tally.tried for tally in tallies) >= 20_000
    assert not [finding for tally in tallies for finding in unknown(tally)]
    assert not healed(tallies)


def _kill(material: Path, counts: dict[str, int], show) -> None:
    prepare(material, [], kills.NEEDS)
    killed = kills.kill_many(SEED, counts, material)
    rows = [Row(f"kill {one.verb}", one.tried, len({w.split()[0] for w in one.wrong}), one.hangs, 0) for one in killed]
    wrong = [each for one in killed for each in one.wrong]
    show(f"seed {SEED}\n{table(rows)}\n" + "\n".join(wrong))
    assert not wrong


@pytest.mark.torture
def test_killed_at_any_moment(material, show):
    _kill(material, {verb: victim.share for verb, victim in kills.VICTIMS.items()}, show)


def _fill(material: Path, names: list[str], points: tuple[float, ...], show) -> None:
    prepare(material, [], kills.NEEDS)
    filled = disks.fill_disks(names, points, material)
    show(table([Row(f"full disk, {one.name}", one.tried, len(one.wrong), 0, 0) for one in filled]))
    assert not [each for one in filled for each in one.wrong]


@pytest.mark.torture
def test_disks_that_fill_up(material, show):
    _fill(material, list(disks.WRITERS), disks.POINTS, show)


@pytest.mark.parametrize(("kind", "count"), [("frames", 300), ("trackers", 20), ("dropped", 20)])
def test_a_short_long_run(material, tmp_path, kind, count):
    prepare(material, ["frames"])
    assert not endurance.run(kind, count, material, tmp_path)


@pytest.mark.torture
@pytest.mark.parametrize(("kind", "count"), [("frames", 20_000), ("trackers", 500), ("dropped", 60)])
def test_a_long_run(material, tmp_path, kind, count):
    prepare(material, ["frames"])
    assert not endurance.run(kind, count, material, tmp_path)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["box", "id", "frame", "stop", ""]), inner)
    ),
)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(_VALUES)
def test_any_json_is_targets_or_an_error(tmp_path, value):
    from mixformer.errors import MixFormerError
    from mixformer.video.targets import read_targets

    path = tmp_path / "targets.json"
    path.write_text(json.dumps(value))
    with contextlib.suppress(MixFormerError):
        assert read_targets(path)
