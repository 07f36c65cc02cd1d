"""The toolkit's stacks of experiments for box and mask trackers, and the requirements of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mixformer.configs.presets import PRESETS
from mixformer.errors import ConfigError
from mixformer.files import LARGEST_SETTINGS, read_text_file

# Source: the stack files of vot-toolkit 0.9.0, without stacks that have infrared, or start from a point or a sentence.
# "runs" tells when targets are given: once ("once"), from anchor frames
# ("multistart"), again after each failure ("restarts"), or once with a time limit for frames ("realtime").
# "channels": color alone, color and depth ("rgbd"), or depth alone.
_TABLE = """
stack                 region targets runs       benchmark  channels
vot2013               box    one     restarts   vot2020    color
vot2014               box    one     restarts   vot2020    color
vot2015/rgb           box    one     restarts   vot2020    color
vot2016/rgb           box    one     restarts   vot2020    color
vot2017               box    one     restarts   vot2020    color
vot2018/shortterm     box    one     restarts   vot2020    color
vot2018/longterm      box    one     once       vot2020lt  color
vot2019/shortterm     box    one     restarts   vot2020    color
vot2019/longterm      box    one     once       vot2020lt  color
vot2019/rgbd          box    one     once       vot2020lt  rgbd
vot2020/shortterm     mask   one     multistart vot2020    color
vot2020/longterm      box    one     once       vot2020lt  color
vot2020/rgbd          box    one     once       vot2020lt  rgbd
vot2021/shortterm     mask   one     multistart vot2020    color
vot2021/longterm      box    one     once       vot2020lt  color
vot2021/rgbd          box    one     once       vot2020lt  rgbd
vot2022/shortterm     mask   one     multistart vot2020    color
vot2022/shorttermbox  box    one     multistart vot2022stb color
vot2022/longterm      box    one     once       vot2020lt  color
vot2022/rgbd          box    one     multistart vot2022stb rgbd
vot2022/depth         box    one     multistart vot2022stb depth
vots2023              mask   several once       -          color
vots2024/main         mask   several once       -          color
vots2024/votst        mask   several once       -          color
vots2024/votstval     mask   several once       -          color
vots2025/main         mask   several once       -          color
vots2025/realtime     mask   several realtime   -          color
vots2025/votst        mask   several once       -          color
vots2025/votstval     mask   several once       -          color
vots2026/main         mask   several once       -          color
otb50                 box    one     once       otb100     color
otb100                box    one     once       otb100     color
davis2017val          mask   several once       -          color
tests/basic           box    one     once       -          color
tests/segmentation    mask   one     multistart -          color
tests/multiobject     mask   several once       -          color
"""
_RUNS = {"multistart": r"type:\s*multistart\b", "restarts": r"type:\s*supervised\b", "realtime": r"realtime:"}


@dataclass(frozen=True)
class Stack:
    """A stack of the toolkit: its experiments on a data set."""

    name: str  # the toolkit's name, or the path of your own stack file
    masks: bool = False  # True if targets are annotated with masks; boxes may be reported, but lose accuracy
    multiobject: bool = False  # True if there are several targets at once
    runs: str = "once"  # "once", "multistart", "restarts" or "realtime"; toolkits 0.8 and 0.9.0 support only "once"
    channels: str = "color"  # "color", "rgbd" or "depth"
    benchmark: str = ""  # benchmark whose published settings fit; "" for none


STACKS = {
    name: Stack(name, region == "mask", targets == "several", runs, channels, benchmark.strip("-"))
    for name, region, targets, runs, benchmark, channels in (line.split() for line in _TABLE.strip().splitlines()[1:])
}


def find_stack(name: str) -> Stack:
    """Find a stack by the toolkit's name, or read your own stack file, `*.yaml`.

    Raises ConfigError if there is none; the message lists the names.
    """
    if name in STACKS:
        return STACKS[name]
    path = Path(name)
    if path.suffix != ".yaml":
        raise ConfigError(f"no VOT stack {name!r}; there are: {', '.join(STACKS)}, or the path of a stack file, *.yaml")
    text = read_text_file(path, ConfigError, LARGEST_SETTINGS)
    runs = next((kind for kind, pattern in _RUNS.items() if re.search(pattern, text)), "once")
    several = re.search(r"multiobject:\s*true", text, re.IGNORECASE) is not None
    return Stack(str(path.resolve()), multiobject=several, runs=runs)


def preset_for(stack: Stack, model: str) -> str | None:
    """Return the preset for a model on a stack: that of its benchmark, or None."""
    known = {entry.name for entry in PRESETS if entry.model == model}
    return stack.benchmark if stack.benchmark in known else None
