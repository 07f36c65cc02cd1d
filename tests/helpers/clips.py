"""Clips of a moving square, and what a child process needs to hear Ctrl-C."""

import signal

import av
import numpy as np


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


def damage_frames(path, numbers):
    """Overwrite the packets of some frames of a file with other bytes. It must have no B-frames."""
    with av.open(str(path)) as container:
        packets = sorted((p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size)
    content = bytearray(path.read_bytes())
    for number in numbers:
        _, place, size = packets[number]
        noise = np.random.default_rng(number).integers(0, 256, size - 14, np.uint8).tobytes()
        content[place + 12 : place + size - 2] = noise
    path.write_bytes(content)
    return path
