"""Good inputs, made once and then damaged in many ways."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.helpers.clips import moving_square, write_clip

BOX = ("10", "30", "20", "20")
"""Target in the first frame of every clip here."""
_FRAMES, _SMALL = 6, (32, 24)


def build(folder: Path, parts: tuple[str, ...]) -> None:
    """Make the parts that are not there yet."""
    for part in parts:
        if not (folder / part).exists():
            _PARTS[part](folder)


def _command(*words: object) -> None:
    from mixformer.cli import main

    code = main([str(word) for word in words])
    assert code == 0, f"mixformer {' '.join(map(str, words))} ended with {code}"


def _clips(top: Path) -> None:
    """The same frames in several containers and codecs."""
    folder = top / "clips"
    folder.mkdir(parents=True)
    frames = moving_square(_FRAMES)[0]
    for name, codec in (
        ("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.ts", "libx264"), ("clip.avi", "mpeg4"),
        ("clip.mov", "mjpeg"),
    ):  # fmt: skip
        small = [frame[:64, :96] for frame in frames]
        write_clip(folder / name, small, sound=name == "clip.mkv", codec=codec) if codec != "mjpeg" else _mjpeg(
            folder / name, small
        )


def _mjpeg(path: Path, frames: list[Any]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = frames[0].shape[0], frames[0].shape[1], "yuvj420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuvj420p")))
        container.mux(stream.encode(None))


def _pictures(top: Path) -> None:
    """One picture in every format that is read."""
    folder = top / "pictures"
    folder.mkdir(parents=True)
    frame = moving_square(1)[0][0][:64, :96]
    image = Image.fromarray(frame)
    for ending in ("png", "jpg", "bmp", "webp", "tif", "ppm"):
        image.save(folder / f"a.{ending}")
    image.convert("P").save(folder / "palette.png")
    Image.fromarray(frame[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", exif=exif)
    image.save(folder / "packed.tif", compression="tiff_lzw")


def _model(top: Path) -> None:
    import torch

    from mixformer import ModelConfig, save_model
    from mixformer.models import build_model

    torch.manual_seed(0)
    config = ModelConfig("tiny", depth=1, dim=32, heads=1, patch_size=16, search_size=64, template_size=32, bins=16)
    save_model(build_model(config), top / "model")


def _exported(kind: str) -> Callable[[Path], None]:
    def make(top: Path) -> None:
        build(top, ("model",))
        _command("export", top / "model", "--to", kind, "--out", top / kind)

    return make


def _checkpoint(top: Path) -> None:
    """An official checkpoint in the three forms that PyTorch and pickle write."""
    import pickle

    import torch

    build(top, ("model",))
    folder = top / "checkpoint"
    folder.mkdir()
    _command("convert", top / "model", "--to", "official", "--out", folder / "zip.pth.tar")
    content = torch.load(folder / "zip.pth.tar", weights_only=True)
    torch.save(content, folder / "legacy.pth.tar", _use_new_zipfile_serialization=False)
    plain = {"net": {name: value.numpy() for name, value in content["net"].items()}}
    (folder / "bare.pth.tar").write_bytes(pickle.dumps(plain))


def _toy(top: Path) -> None:
    """A data set of one's own: two sequences."""
    for number, name in enumerate(("bird", "car")):
        for frame in range(_FRAMES):
            _picture(top / "toy" / name / "img" / f"{frame + 1:08d}.png", 4 + frame + number)
        _boxes(top / "toy" / name / "groundtruth.txt", _FRAMES, number)


def _picture(path: Path, left: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((*_SMALL[::-1], 3), 60, np.uint8)
    picture[6:16, left : left + 10] = (200, 30, 30)
    Image.fromarray(picture).save(path)


def _boxes(path: Path, count: int, shift: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{4 + frame + shift},6,10,10\n" for frame in range(count)))


def _lasot(top: Path) -> None:
    for name in ("bear-1", "cat-1"):
        folder = top / "lasot" / name.split("-")[0] / name
        for frame in range(4):
            _picture(folder / "img" / f"{frame + 1:08d}.jpg", 4 + frame)
        _boxes(folder / "groundtruth.txt", 4)
        (folder / "full_occlusion.txt").write_text("0,0,1,0")
        (folder / "out_of_view.txt").write_text("0,0,0,0")
    (top / "lasot" / "testing_set.txt").write_text("bear-1\ncat-1\n")


def _got10k(top: Path) -> None:
    names = ("GOT-10k_Val_000001", "GOT-10k_Val_000002")
    for name in names:
        folder = top / "got10k" / "val" / name
        for frame in range(4):
            _picture(folder / f"{frame + 1:08d}.jpg", 4 + frame)
        _boxes(folder / "groundtruth.txt", 4)
        (folder / "absence.label").write_text("0\n0\n1\n0\n")
        (folder / "cover.label").write_text("8\n8\n0\n3\n")
        (folder / "meta_info.ini").write_text("[METAINFO]\nurl: x\nobject_class: bear\nmotion_class: run\n")
    (top / "got10k" / "val" / "list.txt").write_text("\n".join(names) + "\n")


def _archives(top: Path) -> None:
    """The LaSOT miniature as the zip files that are downloaded."""
    build(top, ("lasot",))
    folder = top / "archives"
    folder.mkdir()
    shutil.copy(top / "lasot" / "testing_set.txt", folder)
    for kind in ("bear", "cat"):
        with zipfile.ZipFile(folder / f"{kind}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((top / "lasot" / kind).rglob("*.*")):
                archive.write(path, path.relative_to(top / "lasot").as_posix())


def _lmdb(top: Path) -> None:
    build(top, ("lasot",))
    _command("data", "pack", top / "lasot", top / "lmdb")


def _annotations(top: Path) -> None:
    """The same track as CVAT XML, COCO-VID JSON and MOT text."""
    for frame in range(_FRAMES):
        _picture(top / "annotations" / "images" / f"frame_{frame:06d}.png", 4 + frame)
    folder = top / "annotations"
    shapes = "".join(
        f'<box frame="{f}" outside="0" occluded="0" keyframe="1" xtl="{4 + f}" ytl="6" xbr="{14 + f}" ybr="16"></box>'
        for f in range(_FRAMES)
    )
    head = "<annotations><version>1.1</version><meta><task><name>ride</name></task></meta>"
    (folder / "tracks.xml").write_text(f'{head}<track id="0" label="car">{shapes}</track></annotations>')
    pictures = "".join(
        f'<image id="{f}" name="frame_{f:06d}.png"><box label="cup" occluded="0" xtl="{4 + f}" ytl="6" xbr="{14 + f}" '
        'ybr="16"/></image>'
        for f in range(_FRAMES)
    )
    (folder / "images.xml").write_text(f"{head}{pictures}</annotations>")
    images = [
        {"id": f, "video_id": 7, "frame_id": f, "file_name": f"images/frame_{f:06d}.png", "width": 32, "height": 24}
        for f in range(_FRAMES)
    ]
    things = [{"image_id": f, "instance_id": 3, "bbox": [4 + f, 6, 10, 10], "category_id": 2} for f in range(_FRAMES)]
    coco = {"videos": [{"id": 7, "name": "ride"}], "images": images, "annotations": things}
    (folder / "coco.json").write_text(json.dumps(coco | {"categories": [{"id": 2, "name": "car"}]}))
    mot = folder / "mot" / "walk"
    shutil.copytree(folder / "images", mot / "img1")
    (mot / "gt").mkdir()
    (mot / "gt" / "gt.txt").write_text("".join(f"{f + 1},1,{5 + f},7,10,10,1,1,1.0\n" for f in range(_FRAMES)))
    (mot / "seqinfo.ini").write_text("[Sequence]\nname=walk\nimDir=img1\nframeRate=25\nseqLength=6\nimExt=.png\n")
    sequences = {
        "sequences": [
            {
                "name": "ride",
                "frames": [f"images/frame_{f:06d}.png" for f in range(_FRAMES)],
                "boxes": [[4 + f, 6, 10, 10] for f in range(_FRAMES)],
            }
        ]
    }
    (folder / "sequences.json").write_text(json.dumps(sequences))


def _results(top: Path) -> None:
    build(top, ("toy", "model"))
    words = ("--engine", "torch", "--device", "cpu", "--workers", "0", "--quiet")
    _command("evaluate", "--root", top / "toy", "--model", top / "model", "--out", top / "results", *words)


def _run(top: Path) -> None:
    """A finished training run."""
    build(top, ("model",))
    (top / "recipe.toml").write_text(RECIPE)
    _command("train", top / "recipe.toml", "--out", top / "run", "--smoke", "--device", "cpu")


RECIPE = """model = "mixformerv2_dino_s8"
stage = "boxes"
steps = 1
batch = 1
precision = "float32"

[changes]
depth = 1
dim = 32
heads = 1
patch_size = 16
search_size = 64
template_size = 32
bins = 16

[data]
workers = 0

[optimizer]
lr = 5e-4
warmup = 1
decay = 1

[loss]
edges = 1.0
hints = 1.0
"""
"""A recipe for the tiniest network."""

_PARTS: dict[str, Callable[[Path], None]] = {
    "clips": _clips,
    "pictures": _pictures,
    "model": _model,
    "openvino": _exported("openvino"),
    "onnx": _exported("onnx"),
    "checkpoint": _checkpoint,
    "toy": _toy,
    "lasot": _lasot,
    "got10k": _got10k,
    "archives": _archives,
    "lmdb": _lmdb,
    "annotations": _annotations,
    "results": _results,
    "run": _run,
}
PARTS = tuple(_PARTS)


def quiet_environment(room: Path) -> dict[str, str]:
    """Variables for a process that may write below `room` alone, with one thread."""
    ours = {
        "HOME": str(room / "home"),
        "TMPDIR": str(room / "tmp"),
        "XDG_CACHE_HOME": str(room / "home" / ".cache"),
        "XDG_CONFIG_HOME": str(room / "home" / ".config"),
        "MPLCONFIGDIR": str(room / "cache" / "mpl"),
        "MIXFORMER_CACHE": str(room / "cache" / "graphs"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "COLUMNS": "120",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**os.environ, **ours}
