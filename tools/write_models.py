"""Write the tables of docs/models.md from the table of variants.

python tools/write_models.py
"""

from __future__ import annotations

import re
from pathlib import Path

from mixformer.configs.flops import locate_flops, parameter_count, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS as VARIANTS
from mixformer.weights import list_models

_LISTED = {model.name: model.config for model in list_models()}
MODELS = {name: _LISTED[name] for name in VARIANTS}  # included ones as they were trained
PAGE = Path(__file__).parents[1] / "docs" / "models.md"

# Published parameters (M) and operations (G): journal paper, table 1; MixFormerV2 paper, table 1.
PUBLISHED = {
    "mixcvt_stage1": (35.61, 23.04),
    "mixcvt_l_stage1": (183.89, 127.81),
    "mixvit_stage1": (97, None),
    "mixvit_l_stage1": (318, None),
    "mixvit_convmae_stage1": (96, None),
    "mixvit_l_convmae_stage1": (286, None),
}
KINDS = {
    "vit": "patches, plain transformer (S-MAM)",
    "convmae": "two convolutional stages, then a plain transformer (S-MAM)",
    "cvt": "three stages with convolutional projections (W-MAM)",
}
HEADS = {"token": "4 tokens", "corner": "corner", "pyramid": "pyramidal corner"}
SCORES = {"spm": "SPM", "token": "token MLP", "none": "none"}


def render() -> str:
    """The page with its tables as they should be."""
    page = PAGE.read_text()
    for name, table in (("networks", _networks()), ("counts", _counts())):
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = pattern.sub(lambda match, table=table: match[1] + table + match[2], page)
    return page


def _networks() -> str:
    lines = ["| name | backbone | depth | width | heads | crops | box head | score |\n|" + "---|" * 8 + "\n"]
    for name, config in MODELS.items():
        if name.endswith("_stage1"):
            continue
        default = " (default)" if name == DEFAULT_MODEL else ""
        bins = f", {config.bins} bins" if config.head == "token" else ""
        cells = (
            f"`{name}`{default}",
            KINDS[config.backbone],
            _joined(*config.early_depths, config.depth),
            _joined(*config.early_dims, config.dim),
            _joined(*config.early_heads, config.heads),
            f"{config.search_size} / {config.template_size}",
            HEADS[config.head] + bins,
            SCORES[config.score],
        )
        lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def _counts() -> str:
    head = "| name | parameters (M) | published | frame (GFLOP) | templates | as trained | published (GMAC) |\n"
    return head + "|---|" + "---:|" * 6 + "\n" + "".join(_row(name, config) for name, config in MODELS.items())


def _row(name: str, config: ModelConfig) -> str:
    parameters, operations = PUBLISHED.get(name, (None, None))
    trained = locate_flops(config, full=True) + remember_flops(config, full=True)
    cells = (
        f"`{name}`",
        f"{parameter_count(config) / 1e6:.2f}",
        "" if parameters is None else f"{parameters:g}",
        f"{locate_flops(config) / 1e9:.2f}",
        f"{remember_flops(config) / 1e9:.2f}",
        f"{trained / 1e9:.2f}",
        "" if operations is None else f"{operations:g}",
    )
    return "| " + " | ".join(cells) + " |\n"


def _joined(*values: int) -> str:
    return "-".join(map(str, values))


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE}")
