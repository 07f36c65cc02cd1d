"""Cut the beginning out of a reference: its embeddings and first blocks, for the quick tests.

`python -m tests.parity.cut` rewrites `references/slices/` from the full references. Weights depend on their names only,
so a network of few blocks has the same first blocks as the whole one.
"""

from __future__ import annotations

import json
import re

import numpy as np

from tests.parity.rebuild import REFERENCES, read_json, read_outputs

SLICES = REFERENCES / "slices"
RUN = "test1"

# Blocks kept of each part. A stage of MixCvT is comparable if the stages before it are whole.
KEEP = {
    "v1_vit_base_online": {"blocks": 1},
    "v1_vit_large_offline": {"blocks": 1},
    "v1_convmae_base_online": {"blocks1": 2, "blocks2": 2, "blocks3": 1},
    "v1_convmae_large_offline": {"blocks1": 2, "blocks2": 2, "blocks3": 1},
    "v1_cvt_large_online": {"stage0.blocks": 2, "stage1.blocks": 1, "stage2.blocks": 1},
}


def cut(name: str) -> None:
    """Write the slice of one reference."""
    keep, description = KEEP[name], read_json(f"{name}.json")
    rows = [row for row in description["state_dict"] if _kept(row["name"].removeprefix("backbone."), keep)]
    small = {key: description[key] for key in ("variant", "inputs", "gt_bboxes_xyxy") if key in description}
    taps, outputs = read_json(f"{name}.taps.json"), read_outputs(name)
    names = [key for key in taps if key.startswith(f"tap/{RUN}/") and _comparable(key.split("/", 2)[2], keep)]
    SLICES.mkdir(parents=True, exist_ok=True)
    (SLICES / f"{name}.json").write_text(json.dumps({**small, "state_dict": [_short(row) for row in rows]}))
    (SLICES / f"{name}.taps.json").write_text(json.dumps({key: taps[key] for key in names}))
    np.savez_compressed(SLICES / f"{name}.npz", **{key: outputs[key] for key in names})


def _short(row: dict[str, object]) -> dict[str, object]:
    return {key: row[key] for key in ("name", "shape", "kind")}


def _kept(key: str, keep: dict[str, int]) -> bool:
    match = re.match(r"((?:stage\d\.)?blocks\d?)\.(\d+)\.", key)
    return match is None or int(match[2]) < keep[match[1]]


def _comparable(tap: str, keep: dict[str, int]) -> bool:
    """Embeddings and kept blocks, as long as nothing was cut before them."""
    if tap.startswith(("box_head", "score", "stage2")):
        return False
    return _kept(f"{tap.replace('#', '.')}.", keep)


if __name__ == "__main__":
    for each in KEEP:
        cut(each)
