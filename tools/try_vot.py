"""Run the official VOT toolkit on excerpts of two real sequences, with boxes and masks, through both protocols.

The toolkit needs an environment of its own (it is GPL). Its `python` protocol needs mixformer there too:

    python -m venv votenv && votenv/bin/pip install 'vot-toolkit==0.9.0' 'attributee==0.1.9' mixformer
    python tools/try_vot.py votenv/bin/vot
    python tools/try_vot.py vot074/bin/vot --toolkit 0.7

Prints what `vot analysis` found. The environment variable DATA is the folder of the data pack (default: data-pack); its
training sequences have masks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mixformer.masks.mask_files import encode_rle

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DATA", "data-pack")).absolute() / "sequences"
NAMES = ("davis_car_shadow", "davis_libby")
ANCHORS = (0, 10)  # frames to start from, forward; and the last frame, backward

ONCE = """title: local, one run
experiments:
  unsupervised:
    type: unsupervised
    repetitions: 1
    analyzes:
      - {type: average_accuracy, name: accuracy, burnin: 1}
"""
MULTISTART = """title: local, anchors
experiments:
  baseline:
    type: multistart
    analyzes:
      - {type: multistart_average_ar, name: ar}
      - {type: multistart_eao_score, name: eaoscore, low: 5, high: 25}
"""
SEVERAL = ONCE.replace("    repetitions", "    multiobject: True\n    repetitions").replace("burnin: 1", "burnin: 0")


def main() -> None:
    options = _options()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    stacks = {"once": ONCE, "multistart": MULTISTART, "several": SEVERAL}
    for name, text in stacks.items():
        (options.out / f"{name}.yaml").write_text(text)
    kinds = ["once", "several"] if options.toolkit == "0.9" else ["once", "multistart"]
    for regions in ("box", "mask"):
        for kind in kinds:
            data = options.out / f"data_{regions}_{kind}"
            _write_data(data, regions == "mask", options.frames, kind == "several")
            _try(options, f"{regions}_{kind}", data, options.out / f"{kind}.yaml", regions == "mask")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vot", type=Path, help="the toolkit's command, votenv/bin/vot")
    parser.add_argument("--toolkit", choices=["0.9", "0.7"], default="0.9", help="its version")
    parser.add_argument("--frames", type=int, default=30, help="length of the excerpts")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "vot", help="folder to write; replaced")
    return parser.parse_args()


def _write_data(folder: Path, masks: bool, count: int, several: bool) -> None:
    """A data set in the toolkit's form; with `several`, every sequence has a second target, its upper half, from 5."""
    for name in NAMES:
        source, place = DATA / name, folder / name
        (place / "color").mkdir(parents=True)
        for index in range(1, count + 1):
            shutil.copy(source / "img" / f"{index:08d}.jpg", place / "color")
        lines = _regions(source, masks, count)
        if several:
            upper = _regions(source, masks, count, half=True)
            (place / "groundtruth_1.txt").write_text("\n".join(lines) + "\n")
            (place / "groundtruth_2.txt").write_text("\n".join(["0"] * 5 + upper[5:]) + "\n")
        else:
            (place / "groundtruth.txt").write_text("\n".join(lines) + "\n")
        values = [1 if i in ANCHORS else -1 if i == count - 1 else 0 for i in range(count)]
        (place / "anchor.value").write_text("".join(f"{v}\n" for v in values))
        about = f"channels.color=color/%08d.jpg\nfps=25\nformat=default\nname={name}\n"
        (place / "sequence").write_text(about)
    (folder / "list.txt").write_text("".join(f"{name}\n" for name in NAMES))


def _regions(source: Path, masks: bool, count: int, half: bool = False) -> list[str]:
    if masks:
        read = (np.asarray(Image.open(source / "mask" / f"{i:08d}.png")) > 0 for i in range(1, count + 1))
        return [encode_rle(_upper(mask) if half else mask) for mask in read]
    boxes = np.loadtxt(source / "groundtruth.txt", delimiter=",")[:count]
    if half:
        boxes[:, 3] /= 2
    return [",".join(f"{v:g}" for v in box) for box in boxes]


def _upper(mask: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(mask.any(1))
    kept = mask.copy()
    kept[(rows[0] + rows[-1]) // 2 :] = False
    return kept


def _try(options: argparse.Namespace, name: str, data: Path, stack: Path, masks: bool) -> None:
    """One workspace: evaluate and analyze with every protocol that the toolkit has, print the numbers."""
    workspace = options.out / name
    protocols = ["python", "trax"] if options.toolkit == "0.9" else ["trax"]
    for protocol in protocols:
        words = ["vot", "init", workspace, "--stack", stack, "--sequences", data, "--name", protocol]
        words += ["--protocol", protocol, *(["--masks", "grabcut"] if masks else [])]
        _run([sys.executable, "-m", "mixformer", *words])
    _run([options.vot, "evaluate", "--workspace", workspace, *protocols])
    _run([options.vot, "analysis", "--workspace", workspace, "--name", "try", *protocols])
    found = json.loads((workspace / "analysis" / "try.json").read_text())
    for experiment in found["results"].values():
        for analysis, values in zip(experiment["parameters"]["analyzes"], experiment["results"], strict=True):
            for protocol, value in zip(found["trackers"], values, strict=True):
                print(f"{name:16} {protocol:7} {analysis['name']:9} {_numbers(value)}", flush=True)


def _numbers(values: object) -> str:
    """The numbers of one tracker in one analysis; per-sequence tables are left out."""
    return " ".join(f"{v:.4f}" for v in values if isinstance(v, float)) if isinstance(values, list) else str(values)


def _run(words: list[object]) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT)
    if done.returncode or "error" in (done.stdout + done.stderr).lower():  # the toolkit's exit code hides some
        raise SystemExit(f"{' '.join(str(word) for word in words)}\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
