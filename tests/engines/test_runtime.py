"""The runtime as a value, and the keywords of 0.1.0 that it replaces."""

import warnings

import pytest

import mixformer
from mixformer.configs.runtime import Runtime
from mixformer.errors import ConfigError
from tests.helpers.clips import moving_square


def track_two(model, **options):
    frames, boxes = moving_square(2)
    return list(mixformer.track(frames, boxes[0], model=model, **options))


MAKERS = [mixformer.create_engine, mixformer.Tracker, mixformer.MultiTracker, mixformer.OpenCVTracker, track_two]


@pytest.mark.parametrize("make", MAKERS)
def test_old_keywords_work_with_one_warning_at_the_callers_line(make, tiny_model):
    with pytest.warns(DeprecationWarning, match=r"runtime=mixformer.Runtime\(device='cpu', threads=1\)") as seen:
        old = make(tiny_model, device="cpu", threads=1)
    assert [warning.filename for warning in seen] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = make(tiny_model, runtime=Runtime("cpu", threads=1))
    assert type(old) is type(new)


@pytest.mark.parametrize("make", MAKERS)
def test_other_keywords_are_errors(make, tiny_model):
    with pytest.raises(TypeError, match="unexpected keyword argument 'devise'"):
        make(tiny_model, devise="cpu")
    with pytest.raises(TypeError, match="give runtime= alone, without device="):
        make(tiny_model, runtime=Runtime(threads=1), device="cpu")


def test_the_engine_graph_is_called_cudagraph_now():
    with pytest.warns(DeprecationWarning, match="'graph' is now called 'cudagraph'") as seen:
        assert Runtime(engine="graph") == Runtime(engine="cudagraph")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("device", "gpu", "unknown device 'gpu'; use auto, cpu, cuda, cuda:N or mps"),
        ("device", "cuda:x", "unknown device"),
        ("precision", "int3", "unknown precision 'int3'; there are: auto, float32"),
        ("threads", 0, "threads is 1 to 1024"),
        ("threads", 1025, "threads is 1 to 1024"),  # 2**31 was an overflow in PyTorch
    ],
)
def test_wrong_values_are_found_at_once(field, value, words):
    with pytest.raises(ConfigError, match=words):
        Runtime(**{field: value})


def test_a_command_line_makes_one_runtime():
    from mixformer.cli.parser import add_runtime, make_parser, runtime_from

    parser = make_parser("Test.")
    add_runtime(parser)
    given = parser.parse_args(["--device", "cpu", "--threads", "2"])
    assert runtime_from(given) == Runtime("cpu", threads=2)
    assert runtime_from(make_parser("Test.").parse_args([])) == Runtime()
