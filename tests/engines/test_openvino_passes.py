"""What is changed in a graph before it is compiled changes no box in float32, and keeps 16 bits near."""

from collections import Counter

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.engines.engine_table import openvino_precisions
from mixformer.engines.openvino_compiler import Compiler, core
from mixformer.engines.openvino_passes import center_keys, keep_exact, light_layers, merge_pixel_steps, residual_sums
from mixformer.optional import CACHE_VARIABLE
from mixformer.weights.model_folder import find_folder
from tests.helpers.shipped import pixels_apart, seen

SEARCH, TEMPLATES = (1, 196, 196, 3), (1, 2, 98, 98, 3)
GRAPHS = find_folder(DEFAULT_MODEL).graphs
half = pytest.mark.skipif("bfloat16" not in openvino_precisions(), reason="the processor has no bfloat16")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, "off")


def shipped(name):
    """A graph of the shipped model with static shapes."""
    memory = core().read_model(GRAPHS.remember, GRAPHS.weights or "")
    memory.reshape({"templates": TEMPLATES})
    if name == "remember":
        return memory
    model = core().read_model(GRAPHS.locate, GRAPHS.weights or "")
    model.reshape({"search": SEARCH} | {name: tuple(memory.output(name).get_shape()) for name in GRAPHS.memory})
    return model


def pixels(*steps):
    """A graph that divides or subtracts constants, or with None itself, from a picture."""
    picture = ops.parameter((1, 3, 2, 2), ov.Type.u8, name="picture")
    node = plain = ops.convert(picture, "f32")
    for kind, value in steps:
        node = kind(node, plain if value is None else ops.constant(np.float32(value)))
    return ov.Model([ops.result(node)], [picture])


def kinds(model):
    return Counter(node.get_type_name() for node in model.get_ops())


def run(model, picture):
    return next(iter(core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture).values()))


def test_keys_without_bias_find_the_same_boxes(monkeypatch):
    plain = Compiler._read

    def centered(self, file):
        model = plain(self, file)
        center_keys(model)
        return model

    monkeypatch.setattr(Compiler, "_read", centered)
    engine = create_engine(DEFAULT_MODEL, runtime=Runtime("cpu", "openvino", "float32", threads=1))
    assert pixels_apart(engine).max() < 1e-3


@pytest.mark.parametrize("name", ["remember", "locate"])
def test_only_the_keys_lose_their_bias(name):
    def biases(model):
        used = (node for node in model.get_ops() if node.get_friendly_name().endswith(".attn.qkv.bias.float"))
        return {node.get_friendly_name(): node.input_value(0).get_node().data.reshape(3, -1).copy() for node in used}

    model = shipped(name)
    before = biases(model)
    center_keys(model)
    after = biases(model)
    assert len(after) == 8
    for block, (queries, keys, values) in after.items():
        assert not keys.any()
        assert before[block][1].any()
        np.testing.assert_array_equal([queries, values], before[block][[0, 2]])


def test_pixel_steps_become_one_factor_and_one_offset():
    mean, spread = np.array([0.4, 0.5, 0.6]).reshape(3, 1, 1), np.array([0.2, 0.25, 0.3]).reshape(3, 1, 1)
    model = pixels((ops.divide, 255.0), (ops.subtract, mean), (ops.divide, spread))
    merge_pixel_steps(model)
    assert {"Multiply": 1, "Add": 1}.items() <= kinds(model).items()
    assert not {"Divide", "Subtract"} & set(kinds(model))
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 2, 2), dtype=np.uint8)
    np.testing.assert_allclose(run(model, picture), (picture / 255 - mean) / spread, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [[(ops.subtract, 1.0)], [(ops.divide, 255.0), (ops.subtract, None)]])
def test_other_steps_are_left(steps):
    model = pixels(*steps)
    before = kinds(model)
    merge_pixel_steps(model)
    assert kinds(model) == before


def test_marks_change_nothing_in_float32():
    mean = np.array([0.4, 0.5, 0.6]).reshape(3, 1, 1)
    model = pixels((ops.divide, 255.0), (ops.subtract, mean))
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 2, 2), dtype=np.uint8)
    marked = keep_exact(core(), model, light_layers(model))
    np.testing.assert_array_equal(run(marked, picture), run(model, picture))


def test_residual_sums_are_two_for_each_block_and_its_neighbors_are_light():
    model = shipped("locate")
    sums, light = residual_sums(model), light_layers(model)
    assert sums < light
    names = {node.get_friendly_name(): node.get_type_name() for node in model.get_ops()}
    # Beside the sums, what chooses the search tokens that stay, twice, and what carries them on.
    kinds = Counter(names[name] for name in sums)
    assert (kinds["Add"], kinds["GatherElements"], kinds["MatMul"]) == (18, 2, 0)  # two sums in the ranks of the places
    assert not {names[name] for name in light} & {"MatMul", "Constant", "Gelu"}
    assert Counter(names[name] for name in light)["MVN"] == 18  # two of each block, two of the box head


@half
def test_light_layers_stay_in_float32_and_matrix_products_do_not():
    compiled = Compiler(GRAPHS, "bfloat16", 1).locate(SEARCH, TEMPLATES)
    found = {}
    for node in compiled.get_runtime_model().get_ops():
        facts = {key: node.get_rt_info()[key].astype(str) for key in ("layerType", "runtimePrecision")}
        found.setdefault(facts["layerType"], Counter())[facts["runtimePrecision"]] += 1
    assert set(found["MVN"]) == set(found["Convolution"]) == {"f32"}
    assert set(found["FullyConnected"]) == {"bf16"}


@half
def test_products_that_go_into_residual_sums_leave_in_float32():
    compiled = Compiler(GRAPHS, "bfloat16", 1).locate(SEARCH, TEMPLATES)
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    products = [its for its in facts if its["layerType"].astype(str) == "FullyConnected"]
    widened = [its for its in products if its["outputPrecisions"].astype(str) == "f32"]
    assert len(widened) == 16  # two of each of the eight blocks
    assert len(products) > 2 * len(widened) - 2


@half
def test_templates_are_remembered_in_float32_with_keys_of_no_bias(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    memories = []
    for precision in ("float32", "bfloat16"):  # one must not be taken for the other in the folder
        request = Compiler(GRAPHS, precision, 1).remember(TEMPLATES).create_infer_request()
        request.infer({"templates": seen().templates})
        memories.append([request.get_tensor(name).data.copy() for name in GRAPHS.memory])
    for plain, found in zip(*memories, strict=True):
        offset = (plain - found).mean(2, keepdims=True)
        np.testing.assert_allclose(found + offset, plain, atol=1e-4)
    assert np.abs(memories[0][6] - memories[1][6]).max() > 1  # keys of a block whose bias is large


@half
@pytest.mark.parametrize("failures", [1, 2])
def test_a_graph_that_cannot_keep_them_is_compiled_with_less(failures):
    compiler = Compiler(GRAPHS, "bfloat16", 1)

    class Refusing:
        def __init__(self, core):
            self.core, self.left = core, failures

        def __getattr__(self, name):
            return getattr(self.core, name)

        def compile_model(self, *arguments):
            self.left -= 1
            if self.left >= 0:
                raise RuntimeError("unsupported reorder case")
            return self.core.compile_model(*arguments)

    compiler._core = Refusing(compiler._core)
    compiled = compiler.locate(SEARCH, TEMPLATES)
    assert compiler._core.left == -1
    sums = [node for node in compiled.get_runtime_model().get_ops() if node.get_friendly_name() == "node_add_114"]
    assert [node.get_rt_info()["runtimePrecision"].astype(str) for node in sums] == ["f32" if failures == 1 else "bf16"]
