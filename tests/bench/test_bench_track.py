"""The whole measurement on a tiny network: its order, its numbers' consistency, its JSON, its tables."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mixformer.bench import clip, contest, startup
from mixformer.bench.candidates import Candidate, parse_candidates, place_of, prepare_weights
from mixformer.bench.clip import read_clip
from mixformer.bench.record import Report
from mixformer.bench.session import Session
from mixformer.cli.main import main
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import MODELS
from mixformer.engines import Runtime, create_engine
from mixformer.errors import CheckpointError, ConfigError, SourceError
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

START = startup.Startup(0.1, 0.2, 0.3, 0.4, 1.0, 100.0, None)


def test_candidates_from_words():
    found = parse_candidates("mixformerv2_s, folder/mine,mixformerv2_s", "torch,openvino:bfloat16,plain")
    assert [each.title for each in found] == [
        "mixformerv2_s plain:float32",
        "mixformerv2_s torch",
        "mixformerv2_s openvino:bfloat16",
        "mine plain:float32",
        "mine torch",
        "mine openvino:bfloat16",
    ]


@pytest.mark.parametrize(
    ("models", "engines", "message"),
    [
        (" , ", "torch", "no model to measure"),
        ("a", "pytorch", "unknown engine 'pytorch'; there are: plain, auto, torch"),
        ("a", "torch:int4", "engine 'torch' has no precision 'int4'; there are: auto, float32"),
        ("a", "plain:bfloat16", "engine 'plain' has no precision 'bfloat16'; there are: float32"),
    ],
)
def test_words_that_are_no_candidates(models, engines, message):
    with pytest.raises(ConfigError, match=message):
        parse_candidates(models, engines)


def test_weights_are_stored_or_random(tiny_model, tmp_path, monkeypatch):
    assert prepare_weights(str(tiny_model), tmp_path).origin == "stored"
    small = ModelConfig("small", depth=1, dim=16, heads=2, search_size=32, template_size=16, bins=8)
    monkeypatch.setitem(MODELS, "small", small)
    found = prepare_weights("small", tmp_path)
    assert found.origin == "random"
    assert (found.path / "model.safetensors").is_file()
    engine = create_engine(found.path, runtime=Runtime(device="cpu", engine="torch"))
    assert engine.config == small
    with pytest.raises(CheckpointError, match="no model, folder or file"):
        prepare_weights("nothing", tmp_path)


def test_engines_that_read_no_graphs_take_the_weights_as_they_are(tiny_model, tmp_path):
    weights = prepare_weights(str(tiny_model), tmp_path)
    assert place_of(weights, Candidate(str(tiny_model), "torch", "bfloat16"), tmp_path) == tiny_model


def test_a_session_splits_every_frame_and_goes_round(tiny_model):
    engine, clip = (
        create_engine(tiny_model, runtime=Runtime(device="cpu", engine="torch")),
        read_clip(DEMO_CLIP, DEMO_BOX),
    )
    session = Session(engine, clip.frames[:3], clip.box, hold=True)
    for _ in range(5):  # more than the clip has
        before = session.tracker.state
        found = session.step()
        assert min(found.crop, found.network, found.rest) >= 0
        assert found.total >= found.step > 0
        assert session.tracker.state.box == before.box  # held
    assert len(session.visit(2, settle=1)) == 2
    states = session.states(2)
    other = Session(engine, clip.frames[:3], clip.box)
    np.testing.assert_allclose(session.boxes(states), other.boxes(states), rtol=0, atol=1e-9)


def test_a_clip_needs_two_frames(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "one.png")
    with pytest.raises(SourceError, match="single frame"):
        read_clip(tmp_path / "one.png", (1, 1, 9, 9))


@pytest.fixture
def quick(monkeypatch):
    """A clip of a few frames, and the peaks of a small product: quick, and wrong."""
    monkeypatch.setattr(clip, "LONGEST", 6)
    monkeypatch.setattr(contest, "measure_peaks", partial(contest.measure_peaks, side=64, megabytes=1))  # type: ignore[attr-defined]


def run(words, capsys):
    code = main(["bench", "track", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_everything(tiny_model, tmp_path, capsys, monkeypatch, quick):
    monkeypatch.setattr(contest, "measure_startup", lambda *_: START)  # has a test of its own
    file = tmp_path / "here.json"
    words = [
        "--models",
        tiny_model,
        "--engines",
        "torch,cudagraph,torch:int8",
        "--frames",
        2,
        "--rounds",
        2,
        "--threads",
        1,
    ]
    words += ["--batch", 1, 3, "--load", "--goals", "--note", "a test", "--json", file]
    code, out, _ = run(words, capsys)
    assert code == 0
    report = Report.from_file(file)
    assert report.to_dict() == Report.from_dict(json.loads(file.read_text())).to_dict()
    plain, torch, graph, eight = report.results
    assert (plain.engine, torch.engine, graph.engine) == ("plain", "torch", "cudagraph")
    assert (report.settings.clip, report.settings.width, report.settings.rounds) == ("orange_shirt.mp4", 640, 2)
    assert str(Path(tiny_model).parent) not in file.read_text()
    for result in (plain, torch):
        assert 0 < result.times.p50 <= result.times.p95 <= result.times.p99
        assert result.loaded.p50 > 0
        assert result.end_to_end.median > 0
        assert result.startup == START
        reached = result.reached
        assert reached.flops_per_second / reached.flops == pytest.approx(reached.bytes_per_second / reached.bytes)
        assert reached.of_bandwidth > 0
        assert reached.of_products > 0
    assert plain.pixels == 0
    assert plain.speedup is None
    assert torch.pixels < 1e-3
    assert torch.speedup.low <= torch.speedup.median <= torch.speedup.high
    assert plain.reached.flops > torch.reached.flops
    assert [batch.size for batch in torch.batches] == [1, 3]
    assert torch.batches[1].reached.flops == 3 * torch.batches[0].reached.flops
    assert graph.times is None
    assert "NVIDIA" in graph.failed
    assert "int8 is a precision of the engine openvino" in eight.failed
    words = "times plain", "p95 beside load", "target-frames/s", "cudagraph auto left out", "goals of the project"
    for word in words:
        assert word in out


def test_without_a_start_and_a_busy_neighbor(tiny_model, capsys, quick):
    code, out, _ = run(
        ["--models", tiny_model, "--engines", "torch", "--frames", 1, "--rounds", 1, "--no-startup"], capsys
    )
    assert code == 0
    assert "beside load" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engines", "nothing"], "unknown engine 'nothing'"),
        (["--clip", "clip.mp4"], "--clip and --box belong together"),
        (["--rounds", 0], "rounds must be a whole number above 0"),
        (["--batch", 0], "targets at once"),
        (["--threads", 0], "threads must be"),
    ],
)
def test_wrong_usage(words, message, capsys):
    code, _, err = run(words, capsys)
    assert code == 2
    assert message in err


def test_help_of_the_verb(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    out = capsys.readouterr().out
    assert "track" in out
    assert "train" in out
