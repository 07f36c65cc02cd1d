"""Small clips and models that several tests use."""

import os
import signal
from pathlib import Path

import av
import numpy as np
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a shared machine


def hear_interrupts():
    """For `preexec_fn` of a child that a test interrupts.

    What runs in a shell's background ignores Ctrl-C, and so would its children.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def moving_square(count=20, height=90, width=120, side=20, step=3):
    """Frames with a bright square that moves to the right, and its boxes."""
    frames, boxes = [], []
    texture = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    for index in range(count):
        frame = texture.copy()
        x, y = 10 + step * index, 30
        frame[y : y + side, x : x + side] = (230, 80, 20)
        frames.append(frame)
        boxes.append((x, y, side, side))
    return frames, boxes


def write_clip(path, frames, fps=25, sound=False, codec="libx264"):
    """Encode frames with PyAV; `sound` adds a second-long tone as AAC."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = frames[0].shape[0], frames[0].shape[1]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        if sound:
            tone = container.add_stream("aac", rate=16000, layout="mono")
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
        if sound:
            samples = len(frames) * 16000 // fps
            wave = (np.sin(np.arange(samples) * 0.2) * 8000).astype(np.int16)[None]
            block = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            block.sample_rate, block.pts = 16000, 0
            container.mux(tone.encode(block))
            container.mux(tone.encode(None))
    return path


@pytest.fixture(scope="session", autouse=True)
def _compiled_graphs(tmp_path_factory):
    """Compiled graphs of this run are kept for this run alone, not in the user's cache folder."""
    os.environ["MIXFORMER_CACHE"] = str(tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def clip(tmp_path) -> Path:
    """A 20-frame clip of a moving square, 120 x 90, 25 FPS, with sound."""
    return write_clip(tmp_path / "clip.mp4", moving_square()[0], sound=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """Folder of a tiny network with random weights: good for the plumbing, not for tracking."""
    import torch

    from mixformer.configs.model import ModelConfig
    from mixformer.models import build_model
    from mixformer.weights.load_save import save_model

    torch.manual_seed(0)
    config = ModelConfig("tiny", depth=2, dim=64, heads=2, patch_size=16, search_size=64, template_size=32, bins=16)
    return save_model(build_model(config), tmp_path_factory.mktemp("model") / "tiny")
