"""A small page with Gradio: a video and a box in, the tracked video out.

pip install mixformer gradio
python gradio_app.py
"""

import tempfile
from pathlib import Path

import gradio

import mixformer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP


def follow(video, box):
    """Track a video; `box` is "x y width height" in pixels of the first frame."""
    out = Path(tempfile.mkdtemp()) / "tracked.mp4"
    mixformer.track_video(video, [float(v) for v in box.replace(",", " ").split()], {"video": out})
    return str(out)


page = gradio.Interface(
    follow,
    [gradio.Video(label="video"), gradio.Textbox(label="x y width height in the first frame")],
    gradio.Video(label="tracked"),
    examples=[[str(DEMO_CLIP), " ".join(f"{v:g}" for v in DEMO_BOX)]],
    cache_examples=False,
    title="mixformer",
)

if __name__ == "__main__":
    page.launch()
