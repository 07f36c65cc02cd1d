"""Exported graphs in OpenVINO and ONNX Runtime give the boxes of the network in PyTorch, on real crops."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.engines.engine_table import openvino_precisions
from mixformer.engines.onnx_engine import OnnxEngine
from mixformer.engines.openvino_engine import OpenVINOEngine
from mixformer.errors import CheckpointError, ConfigError
from mixformer.weights.catalog import shipped_folder
from mixformer.weights.model_folder import read_folder
from tests.helpers.shipped import STEPS, pixels_apart, seen


@pytest.fixture(scope="module", params=["openvino", "onnx"])
def engine(request):
    return create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine=request.param, precision="float32"))


def test_float32_is_the_network(engine):
    assert pixels_apart(engine).max() < 1e-3
    steps = seen()
    found = engine.locate(steps.searches[:1], engine.remember(steps.templates))
    np.testing.assert_allclose(found.scores, steps.expected.scores[:1], atol=1e-4)
    assert found.boxes.dtype == found.scores.dtype == np.float64


@pytest.mark.skipif("bfloat16" not in openvino_precisions(), reason="the processor has no bfloat16")
def test_bfloat16_is_near():
    apart = pixels_apart(
        create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="openvino", precision="bfloat16"))
    )
    assert 0 < apart.max() < 0.5


def test_int8_is_not_far():
    apart = pixels_apart(
        create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="openvino", precision="int8"))
    )
    assert 0 < apart.max() < 1.5


def test_a_batch_is_its_members_bit_for_bit(engine):
    steps = seen()
    swapped = steps.templates[:, ::-1] // 2
    singles = [engine.remember(templates) for templates in (steps.templates, swapped)]
    alone = [engine.locate(steps.searches[i : i + 1], memory) for i, memory in enumerate(singles)]
    for memory in (engine.join(singles), engine.remember(np.concatenate([steps.templates, swapped]))):
        found = engine.locate(steps.searches[:2], memory)
        for i in range(2):
            np.testing.assert_array_equal(found.boxes[i], alone[i].boxes[0])
            np.testing.assert_array_equal(found.scores[i], alone[i].scores[0])


def test_memories_are_values(engine):
    steps = seen()
    first = engine.remember(steps.templates)
    before = engine.locate(steps.searches[:1], first)
    other = engine.remember(255 - steps.templates)
    assert not np.array_equal(engine.locate(steps.searches[:1], other).boxes, before.boxes)
    np.testing.assert_array_equal(engine.locate(steps.searches[:1], first).boxes, before.boxes)


def test_a_memory_of_another_network_leaves_nothing_behind(engine):
    """Half of it stayed bound beside the right one, and the boxes of the right one were others from then on."""
    steps = seen()
    first = engine.remember(steps.templates)
    before = engine.locate(steps.searches[:1], first)
    other = engine.remember(255 - steps.templates)
    shallow = replace(other, targets=(other.targets[0][:4],))  # of fewer blocks
    with pytest.raises(ValueError, match="shorter"):
        engine.locate(steps.searches[:1], shallow)
    np.testing.assert_array_equal(engine.locate(steps.searches[:1], first).boxes, before.boxes)


def test_any_number_of_templates(engine):
    steps = seen()
    plain = create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="torch", precision="float32", threads=1))
    three = np.concatenate([steps.templates, 255 - steps.templates[:, :1]], 1)
    expected = plain.locate(steps.searches[:1], plain.remember(three))
    found = engine.locate(steps.searches[:1], engine.remember(three))
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-5)
    with pytest.raises(ConfigError, match="2, 3"):
        engine.join([engine.remember(steps.templates), engine.remember(three)])


def test_two_threads_may_use_one_engine():
    engine, steps = (
        create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="openvino", precision="float32", threads=1)),
        seen(),
    )
    memory = engine.remember(steps.templates)
    expected = [engine.locate(search[None], memory).boxes for search in steps.searches]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda search: engine.locate(search[None], memory).boxes, steps.searches))
    np.testing.assert_array_equal(found, expected)
    assert len(found) == STEPS


@pytest.fixture
def copied(tmp_path) -> Path:
    return Path(shutil.copytree(shipped_folder(DEFAULT_MODEL), tmp_path / "copy"))


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_a_damaged_graph_is_an_error(copied, name):
    (copied / "remember.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="remember"):
        create_engine(copied, runtime=Runtime(device="cpu", engine=name)).remember(seen().templates)


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_graphs_for_another_number_of_templates(copied, name):
    described = json.loads((copied / "config.json").read_text())
    described["graphs"]["templates"] = 3
    (copied / "config.json").write_text(json.dumps(described))
    with pytest.raises(ConfigError, match="made for 3 templates, not 2"):
        create_engine(copied, runtime=Runtime(device="cpu", engine=name)).remember(seen().templates)


def test_a_folder_without_graphs_is_refused(tiny_model):
    for kind in (OpenVINOEngine, OnnxEngine):
        with pytest.raises(CheckpointError, match="mixformer export"):
            kind(read_folder(tiny_model))
