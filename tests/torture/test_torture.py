"""The bench as tests: a slice with the others, the whole by `make torture`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.torture import endurance
from tests.torture.__main__ import main, prepare, shares
from tests.torture.mutate import damage_json
from tests.torture.processes import in_time
from tests.torture.runner import try_surfaces
from tests.torture.surfaces import SURFACES
from tests.torture.table import details, table
from tests.torture.tally import Finding, Kept

SEED = int(os.environ.get("TORTURE_SEED", "1"))
SLICE = 150
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


def test_a_slice_of_the_inputs(material, show):
    counts = shares(SLICE, [name for name, surface in SURFACES.items() if surface.weight])
    prepare(material, list(counts))
    tallies = try_surfaces(counts, Kept(SEED), material, max(1, min(4, (os.cpu_count() or 2) // 2)), shared=True)
    show(f"seed {SEED}\n{table(tallies)}\n{details(tallies)}")
    assert not [finding for tally in tallies for finding in tally.findings]


@pytest.mark.torture
def test_the_whole_bench(material):
    """Run it with `make torture`, which shows how far it is."""
    kept = os.environ.get("TORTURE_KEEP")
    words = ["--whole", "--seed", str(SEED), "--material", str(material)]
    assert main([*words, *(["--keep", kept] if kept else [])]) == 0


def test_a_run_goes_on_where_it_was_stopped(material, tmp_path, capsys):
    prepare(material, ["boxes"])
    words = ["--surface", "boxes", "--keep", str(tmp_path / "kept.json"), "--material", str(material), "--seed", "7"]
    assert main([*words, "--count", "3"]) == 0
    kept = Kept(7, tmp_path / "kept.json")
    assert kept.tally("boxes").tried == 3
    kept.tally("boxes").findings.append(Finding("boxes:7:1", "hang", "stood still", "a box"))
    kept.save(now=True)
    assert main([*words, "--count", "5"]) == 1
    row = capsys.readouterr().out.splitlines()[-6].split()
    after = Kept(7, tmp_path / "kept.json")
    assert {name: tally.tried for name, tally in after.tallies.items()} == {"boxes": 5}
    assert after.tally("boxes").findings == kept.tally("boxes").findings
    assert row == ["boxes", "5", "0", "1", "0", "boxes:7:1"]
    with pytest.raises(SystemExit, match="seed 7"):
        main([*words, "--seed", "8"])


@pytest.mark.parametrize(("kind", "count"), [("frames", 300), ("trackers", 20), ("dropped", 20)])
def test_a_short_long_run(material, tmp_path, kind, count):
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


def test_the_odd_values_stay_as_they_are():
    """A list among them was put into itself, so that the bench itself fell."""
    odd = ([], {})
    for seed in range(300):
        damage_json(Random(seed), {"a": [1, {"b": 2}]}, odd)
    assert odd == ([], {})


def test_waiting_for_a_busy_processor_is_counted():
    """An honest input of 2 s on a busy machine was called a hang. Two processes share one processor here."""
    words = ["import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})", "while True: pass"]
    busy = [subprocess.Popen([sys.executable, "-c", "\n".join(words)], start_new_session=True) for _ in range(2)]
    try:
        begin = time.monotonic()
        assert not in_time(busy[0].pid, 1.0, lambda left: bool(time.sleep(0.1)))
        took = time.monotonic() - begin
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert took > 1.3
    assert not in_time(busy[0].pid, 0.2, lambda left: bool(time.sleep(0.1)))  # nobody waits
    assert in_time(busy[0].pid, 5.0, lambda left: True)
