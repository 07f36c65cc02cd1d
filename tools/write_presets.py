"""Write docs/presets.md from the table in mixformer/configs/presets.py.

python tools/write_presets.py
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from mixformer.configs.presets import DEFAULT_TRACKERS, PRESETS, Preset
from mixformer.configs.tracker import TrackerConfig

PAGE = Path(__file__).parents[1] / "docs" / "presets.md"
INTRO = """# Presets

The settings that were published for each model on each benchmark. This page is written by `tools/write_presets.py` from
`mixformer/configs/presets.py`, which also names the sources and says where they contradict each other.

```
mixformer track clip.mp4 --box 260 29 41 142 --model mixformer_cvt_online_22k.pth.tar --preset lasot
```

```python
tracker = mixformer.Tracker("mixformer_cvt_online_1k.pth.tar", preset="lasot@1k")
```

A name after `@` stands for other weights of the same model, which have settings of their own: `1k` = pre-trained on
ImageNet-1k, `got` = trained on GOT-10k alone, `mmtracking` = what that port uses with the main weights (its network
also differs from the official one in small ways). Without `@`, the settings are those of the main weights. A file does
not say which training it comes from: choose the preset that fits yours.

- *search factor*: side of the search crop in units of the square root of the target's area. Tuned by the authors for
  each benchmark (source "command"), else that of the test configuration.
- *update*: what becomes the newest online template, and when. *best of N*: every N frames the best of those N, or the
  initial template if no score was above 0.5 (without a score head: never). *every N*: each N-th frame, unconditionally.
- *templates*: most online templates kept at a time, besides the initial one.
- *decay*: factor on the best score so far, each frame; below 1 favors recent frames.

The row *default* is used without a preset. Models that are not here have no published settings.
"""
HEADER = """| preset | search factor | update | templates | decay | source |
|---|---|---|---|---|---|
"""


def render() -> str:
    """The page as Markdown."""
    sections = []
    for model, presets in groupby(PRESETS, key=lambda preset: preset.model):
        default = DEFAULT_TRACKERS.get(model, TrackerConfig())
        rows = [row("*default*", default, "the library"), *(row(*cells(preset)) for preset in presets)]
        sections.append(f"\n## {model}\n\n{HEADER}" + "".join(rows))
    return INTRO + "".join(sections)


def cells(preset: Preset) -> tuple[str, TrackerConfig, str]:
    return f"`{preset.name}`", preset.tracker, preset.source


def row(name: str, tracker: TrackerConfig, source: str) -> str:
    update = {"score": f"best of {tracker.update_interval}", "interval": f"every {tracker.update_interval}"}
    values = (
        name,
        f"{tracker.search_factor:g}",
        update.get(tracker.update, "never"),
        tracker.online_templates,
        f"{tracker.score_decay:g}",
        source,
    )
    return "| " + " | ".join(map(str, values)) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE}")
