"""The examples of docs/masks.md run as they are printed."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from mixformer.masks.mask_files import decode_rle
from mixformer.masks.refiner import refiner_for
from mixformer.types import Box
from mixformer.video.demo import DEMO_CLIP

PAGE = Path(__file__).parents[2] / "docs" / "masks.md"


def test_the_examples_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO_CLIP, "clip.mp4")
    own, sam, alpha = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    names = {}
    exec(own, names)
    masks = [np.asarray(Image.open(path)) > 0 for path in sorted(Path("my_masks").iterdir())]
    assert len(masks) == 5
    assert all(20 < mask[29:171, 260:301].mean() * 100 < 95 for mask in masks)
    assert (decode_rle(names["text"], *masks[-1].shape) == masks[-1]).all()
    exec(sam, names)
    found = np.array([np.zeros((4, 5)), np.ones((4, 5))])
    predictor = SimpleNamespace(set_image=lambda frame: None, predict=lambda **_: (found, np.array([0.1, 0.9]), None))
    assert names["Sam"](predictor)(np.zeros((4, 5, 3), np.uint8), Box(0, 0, 2, 2)).all()
    exec(alpha, names)
    seen = []
    network = SimpleNamespace(
        initialize=lambda frame, box: seen.append(box.tolist()),
        get_mask=lambda frame, box: np.full(frame.shape[:2], 0.5 + box[0] / 10),
    )
    refiner = names["AlphaRefine"](network)
    frame = np.zeros((4, 5, 3), np.uint8)
    follow = refiner_for(refiner, frame, Box(0, 0, 2, 2))
    assert seen == [[0, 0, 2, 2]]
    assert not follow(frame, Box(1, 0, 2, 2)).any()  # 0.6 is not above 0.6
    assert follow(frame, Box(2, 0, 2, 2)).all()
