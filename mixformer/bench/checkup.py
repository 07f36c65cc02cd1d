"""Examine an installation: what is there, what works, what is slow and why. The work of `mixformer doctor`."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Any, Literal

import mixformer
from mixformer.bench.engine_trial import EngineTrial
from mixformer.engines import ENGINES
from mixformer.engines.devices import cpu_instructions, gpu_count, processor, usable_cores
from mixformer.engines.engine_spec import EngineSpec
from mixformer.errors import remedy
from mixformer.optional import CACHE_VARIABLE, cache_folder, installed, package_version

Level = Literal["ok", "note", "slow", "broken"]
_NEEDED = ("numpy", "av", "pillow", "safetensors", "rich", "jsonargparse")
_SECONDS = 240  # for one engine
_SAME, _SIMILAR = 0.9, 0.7  # least IoU of the boxes of two engines, in float32 and in 16 bits
_KNOWN = 0.6  # least IoU with the boxes that are known
_MUCH_SLOWER = 1.5
_GRAPHS = 128 << 20  # bytes of the compiled graphs of the default model in one precision


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str  # what was examined
    level: Level  # "slow" and "broken" have advice
    text: str  # what was found
    advice: str = ""  # what to do


@dataclass
class Checkup:
    """All findings, and the trial of each engine."""

    findings: list[Finding] = field(default_factory=list)
    trials: list[EngineTrial] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """Number of findings that are broken."""
        return sum(each.level == "broken" for each in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "findings": [vars(each) for each in self.findings],
            "engines": [vars(each) for each in self.trials],
            "broken": self.broken,
        }


def examine(frames: int, show: Callable[[str], None] = lambda text: None) -> Checkup:
    """Examine this installation; each engine tracks `frames` of the demo clip, and `show` is told what is examined."""
    found = Checkup()
    for check in (_versions, _processor, _load, _codecs, _cameras, _cache, _temporary, _display, _gpus):
        show(check.__name__.strip("_"))
        try:
            found.findings += check()
        except Exception as error:  # what breaks here is a finding, whatever it is
            first = f"{type(error).__name__}: {error}".split("\n")[0]
            advice = "reinstall: pip install --force-reinstall mixformer"
            found.findings.append(Finding(check.__name__.strip("_"), "broken", first, advice))
    for spec in ENGINES.values():
        show(f"engine {spec.name}")
        if (reason := _not_tried(spec)) is not None:
            found.findings.append(Finding(f"engine {spec.name}", "note", reason))
            continue
        for precision in ("float32", "auto") if spec.name == "openvino" else ("float32",):
            trial = try_engine(spec.name, precision, frames)
            if trial.precision not in [each.precision for each in found.trials if each.engine == trial.engine]:
                found.trials.append(trial)
    found.findings += judge_trials(found.trials)
    if failed := list(dict.fromkeys(each.engine for each in found.trials if each.error)):
        show("engine auto")
        found.findings.append(_automatic(try_engine("auto", "auto", frames), failed))
    return found


def _versions() -> Iterator[Finding]:
    yield Finding("mixformer", "ok", f"{mixformer.__version__}, Python {platform.python_version()}")
    yield Finding("system", "ok", platform.platform())
    names = dict.fromkeys((*_NEEDED, *(spec.package for spec in ENGINES.values())))
    versions = {name: package_version(name) for name in names}
    text = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    lacking = [name for name in _NEEDED if versions[name] is None]
    if lacking:
        yield Finding("packages", "broken", f"missing: {', '.join(lacking)}", f"pip install {' '.join(lacking)}")
    yield Finding("packages", "ok", text)


def _processor() -> Iterator[Finding]:
    there, cores = cpu_instructions(), usable_cores()
    total = os.cpu_count() or cores
    yield Finding(
        "processor", "ok", f"{processor()}, {cores} of {total} cores: {', '.join(there) or 'no features known'}"
    )
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if x86 and there and "avx2" not in there:
        yield Finding(
            "processor", "slow", "it has no AVX2, so networks run several times slower", "use a newer machine"
        )
    elif not any("bf16" in name for name in there):
        yield Finding(
            "processor", "note", "it has no bfloat16, so the fastest precision is float32 (int8 may be faster)"
        )
    if cores < total:
        yield Finding("processor", "slow", f"this process may use {cores} of {total} cores", "raise the limit")


def _load() -> Iterator[Finding]:
    if hasattr(os, "getloadavg") and (busy := os.getloadavg()[0]) > usable_cores():
        text = f"{busy:.0f} programs want to run on {usable_cores()} cores, so all speeds below are too low"
        yield Finding("load", "slow", text, "end other programs, and run mixformer doctor again")


def _codecs() -> Iterator[Finding]:
    import av

    from mixformer.video import open_video
    from mixformer.video.demo import DEMO_CLIP

    with open_video(DEMO_CLIP, 0, 1) as video:
        shape = next(iter(video)).image.shape
    yield Finding("reading", "ok", f"H.264 in MP4: {shape[1]} x {shape[0]} pixels")
    there = [name for name in ("libx264", "h264", "mpeg4") if _can_encode(av, name)]
    if there:
        yield Finding("writing", "ok", f"video encoders: {', '.join(there)}")
    else:
        yield Finding("writing", "broken", "PyAV has no encoder for MP4", "pip install --force-reinstall av")


def _can_encode(av: Any, name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _cameras() -> Iterator[Finding]:
    devices = sorted(str(path) for path in Path("/dev").glob("video*")) if sys.platform == "linux" else []
    shut = [name for name in devices if not os.access(name, os.R_OK | os.W_OK)]
    if shut:
        advice = "add yourself to the group video: sudo usermod -aG video $USER"
        yield Finding("camera", "note", f"no permission for {', '.join(shut)}", advice)
    elif sys.platform == "linux":
        yield Finding("camera", "ok" if devices else "note", ", ".join(devices) or "none is connected")
    else:
        yield Finding("camera", "note", "not examined on this system; try mixformer track 0")


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    if folder is None:
        yield Finding(
            "cache", "slow", f"{CACHE_VARIABLE} is off, so graphs compile at each start", f"unset {CACHE_VARIABLE}"
        )
        return
    if (error := _refusal(next(path for path in (folder, *folder.parents) if path.exists()))) is not None:
        text = f"cannot write to {folder} ({error}), so graphs compile at each start"
        yield Finding("cache", "slow", text, f"{remedy(error)}; or set {CACHE_VARIABLE} to a folder of yours")
        return
    size = sum(path.stat().st_size for path in folder.glob("*.blob")) if folder.is_dir() else 0
    yield Finding("cache", "ok", f"{folder}, {size / 1e6:.0f} MB")


def _temporary() -> Iterator[Finding]:
    folder = gettempdir()
    if (error := _refusal(Path(folder))) is None:
        yield Finding("temporary files", "ok", folder)
    else:
        text = f"cannot write to {folder} ({error}), so some exports and measurements fail"
        yield Finding("temporary files", "slow", text, f"{remedy(error)}; or set TMPDIR to a folder of yours")


def _refusal(folder: Path) -> OSError | None:
    """Return the error that a file meets in a folder, or None. The file has no name, and is gone at the end."""
    try:
        if shutil.disk_usage(folder).free < _GRAPHS:
            return OSError(errno.ENOSPC, f"less than {_GRAPHS >> 20} MiB are free")
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 20))
    except OSError as error:
        return error
    return None


def _display() -> Iterator[Finding]:
    from mixformer.video.window import has_display

    if has_display():
        yield Finding("display", "ok", "windows can be opened (--show)")
    else:
        yield Finding("display", "note", "no window can be opened: --show does not work, and mixformer web does")


def _gpus() -> Iterator[Finding]:
    count = gpu_count()
    if count:
        import torch

        yield Finding("GPU", "ok", ", ".join(torch.cuda.get_device_name(number) for number in range(count)))
    else:
        without = "" if installed("torch") else " (PyTorch is not installed)"
        yield Finding("GPU", "note", f"none that can be used{without}")


def _not_tried(spec: EngineSpec) -> str | None:
    if not spec.installed:
        return f"not installed ({spec.package})"
    if "cpu" not in spec.devices and not gpu_count():
        return "needs an NVIDIA GPU"
    return "not tried, since it compiles for minutes" if spec.name == "compile" else None


def _without_boxes(trial: EngineTrial, package: str) -> Finding:
    """Say that an engine was not done in time, since a busy machine is no broken one, or why it cannot run."""
    name = f"engine {trial.engine}"
    if trial.late:
        text = f"{trial.precision}: not done after {_SECONDS} seconds, so it is not known whether it works"
        return Finding(name, "slow", text, "end other programs, and run mixformer doctor again")
    return Finding(name, "broken", f"{trial.precision}: {trial.error}", f"pip install --force-reinstall {package}")


def _automatic(trial: EngineTrial, failed: list[str]) -> Finding:
    """Say what "auto" takes on a machine where some engines fail."""
    if trial.late or trial.error:
        return _without_boxes(trial, "openvino")
    text = f"takes {trial.engine} in {trial.precision}: {trial.fps:.3g} FPS"
    return Finding("engine auto", "note", f"{text}; {' and '.join(failed)} cannot run here")


def try_engine(engine: str, precision: str, frames: int) -> EngineTrial:
    """Track the demo clip with an engine in a process of its own, which a broken library may end."""
    words = [sys.executable, "-m", "mixformer.bench.engine_trial", engine, precision, str(frames)]
    # The child finds this package even where it is not installed.
    paths = os.pathsep.join([str(Path(mixformer.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_SECONDS, env=os.environ | {"PYTHONPATH": paths}, check=False
        )
    except subprocess.TimeoutExpired:
        return EngineTrial(engine, precision, late=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        signal = f" (signal {-done.returncode})" if done.returncode < 0 else ""
        return EngineTrial(engine, precision, error=f"{last[:300]}{signal}")
    return EngineTrial(**json.loads(lines[-1]))


def judge_trials(trials: list[EngineTrial]) -> Iterator[Finding]:
    """Say of each engine whether it runs, whether its boxes are right, and whether it was slow."""
    working = [each for each in trials if not (each.error or each.late)]
    first = next((each for each in working if each.precision == "float32"), None)
    fastest = max(working, key=lambda each: each.fps, default=None)
    for each in trials:
        name = f"engine {each.engine}"
        if each.late or each.error:
            yield _without_boxes(each, ENGINES[each.engine].package)
            continue
        text = f"{each.precision}: {each.fps:.3g} FPS, starts in {each.start:.1f} s"
        known = each.least_overlap(each.known)
        if known < _KNOWN:
            advice = "do not use it, and report this with the output of mixformer doctor --json"
            yield Finding(name, "broken", f"{text}; least IoU {known:.2f} with the known boxes of the demo", advice)
            continue
        if first is not None and first is not each:
            overlap = each.least_overlap(dict(enumerate(first.boxes)))
            text += f"; least IoU {overlap:.2f} with {first.engine} in float32"
            if overlap < (_SAME if each.precision == "float32" else _SIMILAR):
                advice = "use the other engine, and report this with the output of mixformer doctor --json"
                yield Finding(name, "broken", text, advice)
                continue
        yield Finding(name, "ok", text)
        if fastest and fastest.fps > _MUCH_SLOWER * each.fps and fastest.engine != each.engine:
            times = fastest.fps / each.fps
            what = f"{fastest.engine} was {times:.1f} times as fast; other programs may be the cause"
            advice = f"run mixformer doctor again when nothing else runs; if it stays so, --engine {fastest.engine}"
            yield Finding(name, "slow", what, advice)
    if not working and not any(each.late for each in trials):
        yield Finding("engines", "broken", "no engine can run the demo", "pip install --force-reinstall openvino")
