"""The Python of the pages runs as it is printed, block after block, in a folder with `clip.mp4`."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import mixformer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Page and number of a block, and why it is not run here.
NOT_RUN = {
    ("annotation", 0): "tests/annotation does the same with small videos",
    ("benchmarks", 0): "reads a report that minutes of measuring made",
    ("benchmarks", 1): "measures for minutes",
    ("engines", 2): "a pattern, not a program: `work` and `clips` are the reader's",
    ("engines", 3): "a pattern: `MyEngine` is the reader's",
    ("evaluation", 0): "needs an official checkpoint and LaSOT",
    ("evaluation", 1): "needs official checkpoints and GOT-10k",
    ("export", 0): "tests/test_tutorials.py exports the same model",
    ("finetune", 0): "tests/training trains",
    ("inspection", 0): "tests/inspection does the same with small networks",
    ("integrations", 1): "needs FiftyOne",
    ("lost", 0): "the README's loop, which tests/test_tutorials.py runs",
    ("models", 0): "builds a network of 90 million weights",
    ("presets", 0): "needs an official checkpoint",
    ("pretrained", 0): "needs a file of the MAE authors",
    ("pretraining", 0): "tests/training pre-trains",
    ("report", 1): "tests/evaluation/report writes reports",
    ("training", 0): "tests/training trains",
    ("usage", 0): "the README's loop, which tests/test_tutorials.py runs",
    ("usage", 4): "many.md has the same call",
    ("usage", 5): "tests/evaluation evaluates",
}
# Pages that another test runs.
ELSEWHERE = {"coming_from": "test_tutorials", "many": "tracking/test_multi_docs", "masks": "masks/test_masks_docs"}
NEEDS = {"web": "fastapi"}
PAGES = {
    page.stem: BLOCK.findall(page.read_text())
    for page in sorted((ROOT / "docs").glob("*.md"))
    if page.stem not in ELSEWHERE and BLOCK.search(page.read_text())
}


@pytest.fixture(scope="module")
def names():
    """What a reader has in hand: a frame, the next one, a tracker that follows the target, and detections."""
    with mixformer.open_video(DEMO_CLIP, stop=2) as video:
        frame, after = (each.image for each in video)
    tracker = mixformer.Tracker()
    tracker.init(frame, DEMO_BOX)
    detections = SimpleNamespace(xyxy=[[260, 29, 301, 171]], tracker_id=None)
    return {
        "mixformer": mixformer,
        "frame": frame,
        "next_frame": after,
        "tracker": tracker,
        "detections": detections,
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, names, tmp_path, monkeypatch):
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO_CLIP, "clip.mp4")
    Path("clips").mkdir()
    here = dict(names)
    for number, text in enumerate(PAGES[page]):
        code = compile(text, f"{page}.md, block {number}", "exec")
        if (page, number) not in NOT_RUN:
            exec(code, here)


def test_no_reason_is_left_over():
    assert {(page, number) for page, number in NOT_RUN if number >= len(PAGES.get(page, ()))} == set()
    for page, test in ELSEWHERE.items():
        assert f"{page}.md" in (ROOT / "tests" / f"{test}.py").read_text()
