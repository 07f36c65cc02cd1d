"""The Python examples of docs/many.md run as they are printed."""

import re
import shutil
from pathlib import Path

import mixformer
from mixformer.video.demo import DEMO_CLIP

PAGE = Path(__file__).parents[2] / "docs" / "many.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO_CLIP, "clip.mp4")
    with mixformer.open_video("clip.mp4", 0, 3) as video:
        first, *rest = [frame.image for frame in video]
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {"first_frame": first, "frames": rest})
    printed = capsys.readouterr().out
    assert printed.count("red shirt") == printed.count("bicycle") == 2
    assert "52 (" in printed
    assert Path("tracked.mp4").stat().st_size > 500
