"""The whole measurement on a tiny network: its numbers, its JSON, its tables."""

import json
import time
from functools import partial
from pathlib import Path

import pytest

from mixformer.bench import BenchmarkCase, BenchmarkReport, parse_cases, tracking_benchmark
from mixformer.bench.cases import prepare_graphs
from mixformer.bench.peak import PeakProbe
from mixformer.bench.stopwatch import TimedTracker
from mixformer.cli.main import main
from mixformer.engines import Runtime, create_engine
from mixformer.errors import CheckpointError, ConfigError, OutputError, SourceError
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.tracking.test_lost import AWAY, CAREFUL, SIZE, RedEngine, clip


def test_cases_from_words():
    found = parse_cases("mixformerv2_s, folder/mine,mixformerv2_s", "torch,openvino:bfloat16,reference")
    assert [each.title for each in found] == [
        "mixformerv2_s reference:float32",
        "mixformerv2_s torch",
        "mixformerv2_s openvino:bfloat16",
        "mine reference:float32",
        "mine torch",
        "mine openvino:bfloat16",
    ]


@pytest.mark.parametrize(
    ("models", "engines", "message"),
    [
        (" , ", "torch", "no model to measure"),
        ("a", "pytorch", "unknown engine 'pytorch'; did you mean 'torch'"),
        ("a", "torch:int4", "unknown precision 'int4'; there are: auto, float32"),
        ("a", "reference:bfloat16", "the engine 'reference' calculates only in float32, not in 'bfloat16'"),
    ],
)
def test_words_that_are_no_cases(models, engines, message):
    with pytest.raises(ConfigError, match=message):
        parse_cases(models, engines)


def test_the_old_name_of_the_reference_still_works():
    with pytest.warns(DeprecationWarning, match="now called 'reference'"):
        assert parse_cases("a", "plain") == [BenchmarkCase("a", "reference", "float32")]
    with pytest.warns(DeprecationWarning, match="now called 'cudagraph'"):
        assert parse_cases("a", "graph")[1] == BenchmarkCase("a", "cudagraph")


def test_a_model_must_be_there():
    with pytest.raises(CheckpointError, match="no model, folder or file"):
        tracking_benchmark.measure_tracking(parse_cases("nothing", "torch"))


def test_engines_that_read_no_graphs_take_the_weights_as_they_are(tiny_model, tmp_path):
    assert prepare_graphs(tiny_model, BenchmarkCase(str(tiny_model), "torch", "bfloat16"), tmp_path) == tiny_model


def test_updates_are_split_and_the_clip_goes_round(tiny_model):
    engine = create_engine(tiny_model, runtime=Runtime("cpu", "torch"))
    with open_video(DEMO_CLIP, stop=3) as video:
        frames = [frame.image for frame in video]
    times = TimedTracker(engine, frames, DEMO_BOX).run(5)  # more than the clip has
    assert times.shape == (5, 3)
    assert times.min() >= 0
    assert times[:, :2].min() > 0


def test_the_search_for_a_lost_target_is_time_of_the_network():
    """The second call in a frame hid the first one, whose seconds became those of the crop."""

    class Slow(RedEngine):
        def locate(self, search, memory):
            time.sleep(0.02)
            return super().locate(search, memory)

    engine = Slow()
    timed = TimedTracker(engine, clip(AWAY), (100, 100, SIZE, SIZE))
    timed.tracker.config = CAREFUL
    times = timed.run(len(AWAY) - 1, settle=0)
    assert len(engine.rows) > len(times)  # some frames took two
    assert times[:, 1].sum() >= 0.02 * len(engine.rows)
    assert times[:, 0].max() < 0.02


def test_a_clip_needs_two_frames(tmp_path, tiny_model):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "one.png")
    with pytest.raises(SourceError, match="only one frame"):
        tracking_benchmark.measure_tracking(parse_cases(str(tiny_model), "torch"), tmp_path / "one.png", (1, 1, 9, 9))


@pytest.fixture
def quick(monkeypatch):
    """A clip of a few frames, and the peaks of a small product: quick, and wrong."""
    monkeypatch.setattr(tracking_benchmark, "LONGEST", 6)
    monkeypatch.setattr(tracking_benchmark, "PeakProbe", partial(PeakProbe, side=64))


def run(words, capsys):
    code = main(["bench", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_everything(tiny_model, tmp_path, capsys, monkeypatch, quick):
    monkeypatch.setattr(tracking_benchmark, "measure_memory", lambda *_: 100.0)  # has a test of its own
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
    words += ["--batch", 1, 3, "--note", "a test", "--json", file]
    code, out, _ = run(words, capsys)
    assert code == 0
    report = BenchmarkReport.from_file(file)
    assert report.to_dict() == BenchmarkReport.from_dict(json.loads(file.read_text())).to_dict()
    reference, torch, graph, eight = report.results
    assert (reference.engine, torch.engine, graph.engine) == ("reference", "torch", "cudagraph")
    assert (report.clip.name, report.clip.width, report.options.rounds) == ("orange_shirt.mp4", 640, 2)
    assert str(Path(tiny_model).parent) not in file.read_text()
    for result in (reference, torch):
        assert 0 < result.times.p50 <= result.times.p95
        assert result.end_to_end.median > 0
        assert result.memory_mb == 100
        assert result.efficiency.flops_per_second > 0
        assert result.efficiency.of_peak > 0
    assert reference.speedup is None
    assert torch.speedup.low <= torch.speedup.median <= torch.speedup.high
    assert reference.efficiency.flops > torch.efficiency.flops
    assert [batch.size for batch in torch.batches] == [1, 3]
    assert torch.batches[1].efficiency.flops == 3 * torch.batches[0].efficiency.flops
    assert graph.times is None
    assert "runs on cuda, not on" in graph.failed
    assert "not in int8; engines that do: openvino" in eight.failed
    for words in ("speedup", "of peak", "target-frames/s", "cudagraph auto left out"):
        assert words in out


def test_without_memory(tiny_model, capsys, quick):
    code, out, _ = run(
        ["--models", tiny_model, "--engines", "torch", "--frames", 1, "--rounds", 1, "--no-memory"], capsys
    )
    assert code == 0
    assert "memory MiB" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engines", "nothing"], "unknown engine 'nothing'"),
        (["--clip", "clip.mp4"], "--clip and --box belong together"),
        (["--rounds", 0], "rounds must be a whole number above 0"),
        (["--batch", 0], "batches must be"),
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
    assert "side by side" in capsys.readouterr().out


def test_the_old_verb_still_works(tiny_model, capsys, quick):
    words = ["bench", "track", "--models", str(tiny_model), "--engines", "torch", "--frames", "1", "--rounds", "1"]
    with pytest.warns(DeprecationWarning, match="bench track is now called bench"):
        assert main([*words, "--no-memory"]) == 0
    assert "of peak" in capsys.readouterr().out


QUICK = ("--engines", "torch", "--frames", 1, "--rounds", 1, "--no-memory")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_measurements_are_kept_where_there_is_a_place(tiny_model, tmp_path, capsys, monkeypatch, quick):
    """What had taken minutes was lost when the tables could not be printed, and an earlier report was replaced."""
    file = tmp_path / "here.json"
    with open("/dev/full", "w") as full, monkeypatch.context() as there:
        there.setattr("sys.stdout", full)
        assert main(["bench", "--models", str(tiny_model), *map(str, QUICK), "--json", str(file)]) == 4
    assert "cannot write to standard output: the disk is full" in capsys.readouterr().err
    assert BenchmarkReport.from_file(file).results[1].times
    before = file.read_bytes()
    code, out, err = run(["--models", tiny_model, *QUICK, "--json", file], capsys)
    assert (code, out) == (4, "")
    assert "--overwrite" in err
    code, out, err = run(["--models", tiny_model, *QUICK, "--json", "/dev/full"], capsys)
    assert code == 4
    assert "of peak" in out
    assert "the disk is full" in err
    assert file.read_bytes() == before


def test_a_full_disk_is_no_fault_of_an_engine(tiny_model, capsys, monkeypatch, quick):
    """The engine was left out, and the exit code was 0."""

    def full(*_):
        raise OutputError("cannot write graphs: the disk is full")

    monkeypatch.setattr(tracking_benchmark, "prepare_graphs", full)
    code, _, err = run(["--models", tiny_model, *QUICK], capsys)
    assert code == 4
    assert "the disk is full" in err
