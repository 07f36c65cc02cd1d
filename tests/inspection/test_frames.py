"""Inspecting a frame of a video, from Python and from the command line."""

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer.cli import main
from mixformer.engines import Runtime
from mixformer.errors import BoxError, CheckpointError, ConfigError, FrameError, SourceError, StateError
from mixformer.inspection import inspect_frame, inspect_tracker
from tests.helpers.clips import moving_square

BOX = (10, 30, 20, 20)


def test_it_is_the_frame_that_the_tracker_sees(clip, tiny_model):
    """Crop, box and score are those of the tracker's own step, at any frame and start."""
    with mixformer.open_video(clip, 2) as video:
        images = [frame.image for frame in video]
    tracker = mixformer.Tracker(tiny_model, runtime=mixformer.Runtime(device="cpu", precision="float32"))
    tracker.init(images[0], BOX)
    for image in images[1:4]:
        tracker.update(image)
    before = tracker.state
    seen = inspect_tracker(tracker, images[4])
    assert tracker.state is before
    counted = []
    alike = inspect_frame(
        clip, BOX, 6, model=tiny_model, start=2, on_frame=lambda: counted.append(1), runtime=Runtime(device="cpu")
    )
    assert len(counted) == 4
    result = tracker.update(images[4])
    for one in (seen, alike):
        assert one.result.box == pytest.approx(result.crop_box, abs=1e-5)
        assert 1 / (1 + np.exp(-one.result.score)) == pytest.approx(result.score, abs=1e-5)
        np.testing.assert_array_equal(one.templates, before.templates)
        assert one.search.shape == (64, 64, 3)
        assert [block.name for block in one.result.blocks] == ["S0-B0", "S0-B1"]


def test_arrays_hold_everything(clip, tiny_model):
    arrays = inspect_frame(clip, BOX, 1, model=tiny_model, runtime=Runtime(device="cpu")).arrays()
    assert arrays["S0-B1/tokens_to_search"].shape == (4, 16)
    assert arrays["edges"].shape == (4, 16)
    assert arrays["templates"].shape == (2, 32, 32, 3)
    assert {"search", "box", "score"} < set(arrays)
    assert "corners" not in arrays


def test_a_loaded_network_and_an_engine_will_do(clip, tiny_model):
    network = mixformer.load_model(tiny_model)
    engine = mixformer.create_engine(tiny_model, runtime=mixformer.Runtime(device="cpu"))
    boxes = [
        inspect_frame(clip, BOX, 2, model=one, runtime=Runtime(device="cpu")).result.box for one in (network, engine)
    ]
    assert boxes[0] == pytest.approx(boxes[1])


def test_a_damaged_model_is_refused(clip, tiny_model):
    network = mixformer.load_model(tiny_model)
    network.box_head.bins.bias.data.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not finite"):
        inspect_frame(clip, BOX, 1, model=network, runtime=Runtime(device="cpu"))


class OtherEngine:
    """An engine whose layers nobody sees."""

    config = mixformer.ModelConfig("other", 1)
    remember = locate = None


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        (99, {}, SourceError, "frame 99 of .* does not exist or cannot be read"),
        (5, {"start": 5}, ConfigError, "not after frame 5"),
        (1, {"box": (500, 0, 5, 5)}, BoxError, "outside the frame"),
        (1, {"model": OtherEngine()}, ConfigError, "OtherEngine does not have"),
        (1, {"preset": "nothing"}, ConfigError, "no preset"),
        (1, {"stages": "first"}, ConfigError, "stages"),
    ],
)
def test_what_cannot_be_inspected(clip, tiny_model, frame, options, error, message):
    with pytest.raises(error, match=message):
        inspect_frame(clip, **{"box": BOX, "frame": frame, "model": tiny_model, "runtime": Runtime("cpu"), **options})


def test_a_frame_that_cannot_be_read(tiny_model, tmp_path):
    for index, image in enumerate(moving_square(4)[0]):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="frame 2"):
        inspect_frame(tmp_path, BOX, 2, model=tiny_model, runtime=Runtime(device="cpu"))
    assert inspect_frame(tmp_path, BOX, 3, model=tiny_model, runtime=Runtime(device="cpu")).result.blocks


def test_the_tracker_must_be_ready(tiny_model):
    tracker, image = mixformer.Tracker(tiny_model, runtime=mixformer.Runtime(device="cpu")), moving_square(1)[0][0]
    with pytest.raises(StateError, match="init"):
        inspect_tracker(tracker, image)
    tracker.init(image, BOX)
    with pytest.raises(FrameError, match="change size"):
        inspect_tracker(tracker, image[:50])


def test_the_command_writes_and_lists(clip, tiny_model, tmp_path, capsys):
    out = tmp_path / "new" / "seen"
    words = [
        "inspect",
        str(clip),
        "--box",
        *map(str, BOX),
        "--model",
        str(tiny_model),
        "--frame",
        "3",
        "--device",
        "cpu",
    ]
    assert main([*words, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    files = sorted(path.name for path in out.iterdir())
    assert len(files) == 11
    assert all(f"wrote {out / name}" in printed for name in files)
    assert main([*words, "--out", str(tmp_path / "all"), "--query", "all", "--stages", "last", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    name = "attention_search_to_search.png"
    assert (out / name).read_bytes() != (tmp_path / "all" / name).read_bytes()
    assert (out / "crops.png").read_bytes() == (tmp_path / "all" / "crops.png").read_bytes()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"--frame": "20"}, 3, "frame 20"),
        ({"--frame": "0"}, 2, "not after frame 0"),
        ({"--out": "text/seen"}, 4, "is a file and no folder; give another name"),
        ({"--out": "text"}, 4, "give another"),
        ({"--model": "nothing"}, 5, "no model"),
        ({"--preset": "nothing"}, 2, "no preset"),
    ],
)
def test_what_goes_wrong_is_said(clip, tiny_model, tmp_path, monkeypatch, capsys, changes, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("text")
    options = {"--model": str(tiny_model), "--frame": "1", "--out": "seen", "--device": "cpu", **changes}
    words = [word for option in options.items() for word in option]
    assert main(["inspect", str(clip), "--box", *map(str, BOX), *words]) == code
    errors = " ".join(capsys.readouterr().err.split())
    assert message in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("words", [["--help"], ["a.mp4", "--frame", "1", "--out", "x", "--query", "middle"], ["a.mp4"]])
def test_usage(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["inspect", *words])
    assert stop.value.code == (0 if words == ["--help"] else 2)
    printed = "".join(capsys.readouterr())
    assert "attention_search_to_template.png" in printed or "error" in printed
