"""Rows that the torture bench found at first (docs/notes/torture.md), by hand: each is a typed error now."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from mixformer import MultiTracker, Runtime, Tracker
from mixformer.cli import main
from mixformer.configs import TrackerConfig
from mixformer.errors import BoxError, CheckpointError, ConfigError, FrameError, MixFormerError, StateError
from mixformer.files import parse_json
from mixformer.weights.checkpoint_reader import read_checkpoint
from tests.torture.material import RECIPE, build

FRAME = np.zeros((64, 96, 3), np.uint8)
BOX = (10, 30, 20, 20)
HUGE = 10**400


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Small good inputs."""
    folder = tmp_path_factory.mktemp("rows")
    build(folder, ("annotations", "toy", "clips"))
    return folder


@pytest.fixture(scope="module")
def tracker(tiny_model):
    return Tracker(str(tiny_model), runtime=Runtime(engine="torch", device="cpu"))


def said(words, capsys) -> tuple[int, str]:
    """Exit code and message of a command, which has no traceback."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = int(str(stop.code))
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return code, " ".join(text.split())


NESTED = {
    "tuples": b"\x80\x02}(" + b")" + b"\x85" * 1_000_000 + b"K\x01u.",
    "lists": b"\x80\x02}(" + b"]" * 200_000 + b"a" * 100 + b"u.",
    "memo": b"\x80\x02]r\xff\xff\xff\x7f.",
    "cut": pickle.dumps({"net": {"a": 1}})[:-3],
}


@pytest.mark.parametrize("kind", NESTED)
def test_row_4_pickles_that_crashed(kind, tmp_path):
    """Row 4 (C4): SIGSEGV while a pickle was loaded."""
    (tmp_path / "x.pth").write_bytes(NESTED[kind])
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["日本.srt", "a.ass", "a.wav", "a.m3u8", "a.null", "a.tee", "a.mpd", "a.h264"])
def test_row_8_formats_of_results_that_are_no_video(name, material, capsys, tmp_path, monkeypatch):
    """Row 8 (C8): refused before the model is loaded."""
    monkeypatch.chdir(tmp_path)
    words = ["track", material / "clips" / "clip.mp4", "--box", *BOX, "--model", "not/loaded", "--out", name]
    code, text = said(words, capsys)
    assert code == 4
    assert "is no video format; there are mp4" in text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [1e5, 1e308, math.inf, -1, 0, [], {}, [[1, 2]], "x", None, HUGE])
@pytest.mark.parametrize("name", ["search_factor", "template_factor", "score_threshold"])
def test_rows_10_23_27_settings_of_a_tracker(name, value):
    """Rows 10, 23, 27 (C3, C10): no factor asks for memory, no kind of value is a TypeError."""
    if name == "score_threshold" and value in (0, -1):
        return
    with pytest.raises(ConfigError, match=name):
        TrackerConfig(**{name: value})


def test_row_23_unknown_settings():
    """Row 23 (C10): with the nearest name."""
    with pytest.raises(ConfigError, match="did you mean 'search_factor'"):
        TrackerConfig().replace(serch_factor=4.0)
    with pytest.raises(ConfigError, match="has no field hann"):
        TrackerConfig().replace(hann=[])


@pytest.mark.parametrize(
    "box",
    [
        (10, 30, 2.0**63, 20), (10, 30, 2**63, 20), (10, 30, 1e308, 1e308), (HUGE, 1, 2, 3), (0, 0, 1e9, 1e9),
        (1e-320,) * 4, ("a",) * 4, None, (1, 2, 3), {}, (10, 30, math.nan, 5), np.ma.masked_array(BOX, [0, 0, 0, 1]),
    ],
)  # fmt: skip
def test_rows_10_26_boxes_beyond_any_picture(box, tracker, tmp_path):
    """Rows 10, 26 (C3, C10): 10.9 TiB, OverflowError, "array is too big"."""
    with pytest.raises(BoxError):
        tracker.init(FRAME, box)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model", "depth"), 10**9), (("model", "depth"), 2**64), (("model", "dim"), 10**9),
        (("model", "search_size"), 10**8), (("model", "bins"), 2**40), (("model", "heads"), 0),
        (("model", "mlp_ratio"), math.inf), (("model", "mlp_ratio"), 1e300), (("model", "std"), [HUGE]),
        (("graphs", "weights"), ["graphs.bin"]), (("model", "x" * 70_000), 1), (("model", "name"), None),
    ],
)  # fmt: skip
def test_rows_11_19_20_descriptions_of_models(path, value, tiny_model, tmp_path):
    """Rows 11, 19, 20 (C10): a network of 10**9 blocks was built; messages of 70,397 letters."""
    shutil.copytree(tiny_model, tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    content = json.loads(file.read_text())
    content.setdefault(path[0], {})[path[1]] = value
    file.write_text(json.dumps(content))
    with pytest.raises((ConfigError, CheckpointError)) as error:
        Tracker(str(tmp_path / "model"), runtime=Runtime(engine="torch", device="cpu"))
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("text", ["[" * 50_000 + "]" * 50_000, '{"a":' * 50_000, "9" * 5000, "[" * 65 + "]" * 65])
def test_rows_14_15_28_json_beyond_bounds(text):
    """Rows 14, 15, 28 (C10): RecursionError and "Exceeds the limit (4300 digits)", in the one reader of JSON."""
    with pytest.raises(ConfigError, match="is not readable JSON"):
        parse_json(text, "the value", ConfigError)


@pytest.mark.parametrize(
    "change",
    [
        f"optimizer.warmup={'9' * 5000}", "crops.search_factor=-1", "crops.search_factor=inf", "optimizer.lr=nan",
        "crops.template_factor=0", f"model_overrides.depth={'[' * 5000}", f"model={'9' * 5000}", "batch_size=0",
        "seed=-1",
    ],
)  # fmt: skip
def test_rows_15_16_28_changes_of_recipes(change, capsys, tmp_path):
    """Rows 15, 16, 28 (C10): ZeroDivisionError in the middle of a training."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = ["train", tmp_path / "recipe.toml", "--out", tmp_path / "run", "--dry-run", "--set", change]
    code, text = said(words, capsys)
    assert code == 2, text
    assert not (tmp_path / "run").exists()


def test_row_17_a_damaged_log_does_not_stop_a_run(capsys, tmp_path):
    """Row 17 (C12): UnicodeDecodeError in log.jsonl; the run could not go on."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = ["train", tmp_path / "recipe.toml", "--out", tmp_path / "run", "--dry-run", "--device", "cpu"]
    assert said(words, capsys)[0] == 0
    log = tmp_path / "run" / "log.jsonl"
    log.write_bytes(b'\xff{"a"\n' + log.read_bytes() + b"[" * 60_000 + b"\n")
    assert said([*words, "--set", "max_steps=2"], capsys)[0] == 0


@pytest.mark.parametrize(
    ("truth", "ini"), [(b"inf,1,5,7,10,10,1,1,1\n", None), (b"1,1,5,7,10,10,1\n\xff\n", None), (b"", b"\xff\xe9\n")]
)
def test_row_18_mot_files(truth, ini, material, capsys, tmp_path):
    """Row 18 (C10, C12): OverflowError and UnicodeDecodeError."""
    shutil.copytree(material / "annotations" / "mot", tmp_path / "mot")
    (tmp_path / "mot" / "walk" / "gt" / "gt.txt").write_bytes(truth)
    if ini is not None:
        (tmp_path / "mot" / "walk" / "seqinfo.ini").write_bytes(ini)
    code, text = said(["data", "import", "mot", tmp_path / "mot", tmp_path / "out"], capsys)
    assert code == 2
    assert "gt.txt" in text or "seqinfo.ini" in text


@pytest.mark.parametrize(
    "settings",
    [{"engine": -1}, {"engine": [1]}, {"threads": [None]}, {"threads": "2"}, {"threads": 0}, {"threads": 2**64},
     {"device": None}, {"device": 7}, {"precision": 3}, {"precision": []}],
)  # fmt: skip
def test_rows_21_32_runtimes(settings):
    """Rows 21, 32 (C10): TypeError, "Overflow when unpacking long long"."""
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Runtime(**settings)


@pytest.mark.parametrize("model", [1e308, None, [], b"x", True, object(), "", " ", "x" * 300, "a\0b"])
def test_row_21_what_is_no_model(model):
    """Row 21 (C10): AttributeError: 'float' object has no attribute 'config'; names that no file can have."""
    with pytest.raises((ConfigError, CheckpointError), match="model"):
        Tracker(model)


@pytest.mark.parametrize("id", [[1], {}, set()])
def test_row_24_ids_that_are_none(id, tiny_model):
    """Row 24 (C10): TypeError unhashable."""
    many = MultiTracker(str(tiny_model), runtime=Runtime(engine="torch", device="cpu"))
    for work in (lambda: many.add(FRAME, BOX, id), lambda: many.remove(id), lambda: many.state(id)):
        with pytest.raises(StateError, match="an id must be"):
            work()


@pytest.mark.parametrize("frame", [None, "x", [], np.ma.masked_array(FRAME, FRAME > 9), FRAME.astype(object)])
def test_row_25_frames_that_are_none(frame, tracker):
    """Row 25 (C10): ValueError "shape too large to be a matrix"."""
    with pytest.raises(FrameError):
        tracker.init(frame, BOX)
    assert tracker.init(np.matrix(FRAME[..., 0]), BOX).is_initial


def test_row_29_a_frame_number_beyond_the_pictures(material, capsys, tmp_path):
    """Row 29 (C6): 2147483647 frames were filled in."""
    text = (material / "annotations" / "tracks.xml").read_text().replace('frame="5"', 'frame="2147483647"')
    (tmp_path / "x.xml").write_text(text)
    words = ["data", "import", "cvat", tmp_path / "x.xml", tmp_path / "out"]
    assert said([*words, "--images", material / "annotations" / "images"], capsys)[0] == 0
    (truth,) = (tmp_path / "out").rglob("groundtruth.txt")
    assert len(truth.read_text().splitlines()) <= 6


@pytest.mark.parametrize("place", ["bbox", "frame_id", "deep"])
def test_row_30_coco_vid(place, material, capsys, tmp_path):
    """Row 30 (C10): OverflowError and RecursionError."""
    content = json.loads((material / "annotations" / "coco.json").read_text())
    if place == "bbox":
        content["annotations"][0]["bbox"] = [HUGE, 1, 2, 3]
    else:
        content["images"][0]["frame_id"] = math.inf
    (tmp_path / "coco.json").write_text("[" * 100_000 if place == "deep" else json.dumps(content))
    code, text = said(["data", "import", "coco-vid", tmp_path / "coco.json", tmp_path / "out"], capsys)
    assert code == 2
    assert "coco.json" in text


@pytest.mark.parametrize("name", ["[/]", "[red]x[/]", "a[0].jsonl"])
def test_row_31_names_in_brackets(name, material, tiny_model, capsys, tmp_path, monkeypatch):
    """Row 31 (C11): MarkupError after the work was done."""
    monkeypatch.chdir(tmp_path)
    words = ["track", material / "clips" / "clip.mp4", "--box", *BOX, "--model", tiny_model, "--engine", "torch"]
    assert main([*map(str, words), "--device", "cpu", "--json", name]) == 0
    assert name in capsys.readouterr().out.replace("\n", "")
    assert Path(name).is_file()


def test_row_33_long_fields_of_csv(material, capsys, tmp_path):
    """Row 33 (C10): _csv.Error, in attributes, targets and jobs."""
    long = "x" * 200_000
    (tmp_path / "a.csv").write_text(f'sequence,blur\nbird,"{long}"\n')
    clip = material / "clips" / "clip.mp4"
    for words in (
        ["track", clip, "--targets", tmp_path / "a.csv"],
        ["track-all", tmp_path / "a.csv", "--out", tmp_path / "out"],
    ):
        code, text = said(words, capsys)
        assert code == 2
        assert "a.csv" in text
    from mixformer.evaluation.attributes import read_attributes

    with pytest.raises(MixFormerError, match="field larger than field limit"):
        read_attributes(tmp_path / "a.csv", ["bird"])
