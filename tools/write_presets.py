"""Write docs/presets.md from the table in mixformer/configs/presets.py.

python tools/write_presets.py
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from mixformer.configs.presets import DEFAULT_TRACKERS, PRESETS, Preset
from mixformer.configs.tracking_config import TrackerConfig

PAGE = Path(__file__).parents[1] / "docs" / "presets.md"
INTRO = """# Presets

This page lists the tracker settings that the authors published for each model and benchmark. `--preset` (`preset=`)
uses them. `tools/write_presets.py` writes the page from `mixformer/configs/presets.py`, which also lists
contradictions in the sources.

```
mixformer track clip.mp4 --box 260 29 41 142 --model mixformer_cvt_online_22k.pth.tar --preset lasot
```

```python
tracker = mixformer.Tracker("mixformer_cvt_online_1k.pth.tar", preset="lasot@1k")
```

A name without `@` is for the main weights of the model. `@1k`: weights pre-trained on ImageNet-1k. `@got`: weights
trained on GOT-10k alone. `@mmtracking`: the main weights with the settings of mmtracking, whose network also differs
slightly. A file does not record its training, so choose the preset that fits your weights.

- *search factor*: side of the search crop in units of the square root of the target's area. If the source is a
  command, the authors tuned it for the benchmark.
- *update*: when a new online template is stored. *best of N*: every N frames, the frame with the highest score, or
  the initial template if no score was above 0.5; without a score head, never. *every N*: every N-th frame.
- *templates*: largest number of online templates, besides the initial one.
- *decay*: factor on the highest score so far, applied each frame. A value below 1 favors recent frames.

Without a preset, the row *default* applies. Other models have no published settings.
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
