"""Run the bench, or repeat one input, kill or full disk: see `python -m tests.torture --help`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.torture import disks, endurance, kills
from tests.torture.material import quiet_environment
from tests.torture.runner import at_once, try_surfaces
from tests.torture.surfaces import SURFACES
from tests.torture.table import details, table
from tests.torture.tally import Kept, Tally

_ROUNDS = (25, 60, 100)
"""Percents of the inputs of every surface that were tried after each round: a run that is stopped has seen them all."""


def prepare(folder: Path, surfaces: list[str], more: tuple[str, ...] = ()) -> Path:
    """The material that the surfaces need, made by a process of its own that writes nowhere else."""
    import subprocess

    parts = tuple(dict.fromkeys((*more, *(part for name in surfaces for part in SURFACES[name].needs))))
    missing = [part for part in parts if not (folder / part).exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        words = f"Path({str(folder)!r}), {parts!r}"
        program = f"from pathlib import Path; from tests.torture.material import build; build({words})"
        with tempfile.TemporaryDirectory() as room:
            for name in ("home", "tmp", "cache"):
                Path(room, name).mkdir()
            subprocess.run(
                [sys.executable, "-c", program], env=quiet_environment(Path(room)), check=True, capture_output=True
            )
    return folder


def shares(count: int | None, surfaces: list[str]) -> dict[str, tuple[int, int]]:
    """The inputs of each surface: all of them, or `count` by the surfaces' weights."""
    if count is None:
        return {name: (0, SURFACES[name].count) for name in surfaces}
    whole = sum(SURFACES[name].weight for name in surfaces) or len(surfaces)
    weights = {name: SURFACES[name].weight or (len(surfaces) < 3) for name in surfaces}
    return {name: (0, max(1, count * weight // whole)) for name, weight in weights.items() if weight}


def everything(material: Path, kept: Kept, jobs: int) -> list[Tally]:
    """All inputs, and kills, full disks and long runs beside them. What `kept` has is not tried again."""
    prepare(material, list(SURFACES), kills.NEEDS)
    tallies: dict[str, list[Tally]] = {}
    whole = shares(None, list(SURFACES))

    def inputs() -> None:
        for part in _ROUNDS:
            counts = {name: (first, -(-count * part // 100)) for name, (first, count) in whole.items()}
            tallies["inputs"] = try_surfaces(counts, kept, material, jobs, progress=_show)

    def commands() -> None:
        long = endurance.run_long(material, kept)
        killed = kills.kill_many({verb: victim.share for verb, victim in kills.VICTIMS.items()}, material, kept)
        tallies["commands"] = [*killed, disks.fill_disks(disks.COUNT, material, kept), *long]

    at_once([inputs, commands], kept)
    return tallies["inputs"] + tallies["commands"]


def repeat(surface: str, index: int, material: Path, kept: Kept) -> list[Tally]:
    """Try one input, kill or full disk again."""
    if surface in SURFACES:
        return try_surfaces({surface: (index, 1)}, kept, prepare(material, [surface]), 1)
    prepare(material, [], kills.NEEDS)
    kept.tally(surface).tried = index
    if surface == disks.NAME:
        return [disks.fill_disks(index + 1, material, kept)]
    return kills.kill_many({surface.removeprefix("kill "): index + 1}, material, kept)


def main(words: list[str] | None = None) -> int:
    """Returns 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="all inputs, kills, full disks and long runs")
    parser.add_argument("--keep", type=Path, help="note in this small file what was tried; the same command goes on")
    parser.add_argument("--surface", action="append", choices=sorted(SURFACES), help="only this; may be given again")
    parser.add_argument("--count", type=int, help="inputs in all, instead of all inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first input of every surface")
    parser.add_argument("--jobs", type=int, default=1, help="workers at a time")
    parser.add_argument("--material", type=Path, help="keep the good inputs in this folder")
    parser.add_argument("--repeat", metavar="SURFACE:SEED:INDEX", help="try one input again")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as place:
        material = options.material or Path(place)
        kept = Kept(options.seed, options.keep)
        if options.repeat:
            surface, seed, index = options.repeat.split(":")
            kept = Kept(int(seed))
            tallies = repeat(surface, int(index), material, kept)
        elif options.whole:
            tallies = everything(material, kept, options.jobs)
        else:
            surfaces = options.surface or list(SURFACES)
            counts = {name: (options.first, size) for name, (_, size) in shares(options.count, surfaces).items()}
            tallies = try_surfaces(counts, kept, prepare(material, list(counts)), options.jobs, progress=_show)
    sys.stdout.write(f"seed {kept.seed}\n{table(tallies)}\n\n{details(tallies)}\n")
    return int(any(tally.findings for tally in tallies))


def _show(tally: Tally) -> None:
    found = f"{tally.tried} tried, {tally.refused} refused, {len(tally.findings)} found"
    sys.stderr.write(
        f"{tally.surface}: {found}, {tally.seconds:.0f} s, slowest {tally.slowest:.1f} s\n{details([tally])}\n"
    )
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was begun is cleared up
    sys.exit(main())
