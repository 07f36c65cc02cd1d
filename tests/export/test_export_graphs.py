"""Graphs of every variant against PyTorch, through the runtimes that are installed."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mixformer.configs.variants import MODELS
from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import CheckpointError
from mixformer.export.differences import overlap
from mixformer.export.settings import Difference
from mixformer.models import build_model
from mixformer.weights.load_save import load_model, save_model
from tests.helpers.family import DESIGNED, ELIMINATING, FAMILY, make, small

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

from mixformer.export.differences import measure_differences
from mixformer.export.exporting import _describe, export_model
from mixformer.export.graph_files import stored_tensors, write_graphs
from mixformer.export.runtimes import runners
from mixformer.export.sample_crops import Crops
from mixformer.export.settings import ExportPlan


def noise(config):
    random = np.random.default_rng(0)
    return Crops(
        random.integers(0, 256, (2, *[config.template_size] * 2, 3), dtype=np.uint8),
        random.integers(0, 256, (2, *[config.search_size] * 2, 3), dtype=np.uint8),
    )


def differences(model, place, plan=None, precision="float32"):
    """Of a network exported into a folder, on noise."""
    folder = save_model(model, place, precision=precision)
    crops, plan = noise(model.config), plan or ExportPlan()
    described = _describe(folder, write_graphs(load_model(folder), folder, plan, crops))
    engine = TorchEngine(load_model(folder), "cpu", "float32")
    return measure_differences(engine, described.graphs, runners(described.graphs), crops)


def require_equal(found, tolerance=1e-5):
    for each in found:
        assert each.boxes < tolerance, each
        assert each.scores is None or each.scores < 10 * tolerance, each


def test_score_module_with_int8_weights_and_fixed_sizes(tmp_path):
    """The one with precise RoI pooling, whose memory has template tokens too."""
    found = differences(make(FAMILY["vit-corner0-asym"]), tmp_path, ExportPlan(batch=1, templates=2), "int8")
    assert {(each.batch, each.templates) for each in found} == {(1, 2)}
    assert all(each.scores is not None for each in found)
    require_equal(found)


def test_left_out_tokens(tmp_path):
    """With the rule in the graph, for any number of targets and of templates."""
    found = differences(make(ELIMINATING), tmp_path)
    assert {each.runtime for each in found} == {"onnxruntime", "openvino"}
    require_equal(found)


def test_a_design_without_mixing(tmp_path):
    """Blocks that keep nothing of the templates, blocks that read them alone, and a fusion that reads their tokens."""
    require_equal(differences(make(DESIGNED["all_parts-asym"]), tmp_path))


@pytest.mark.sweep
@pytest.mark.parametrize("name", [*FAMILY, *DESIGNED])
def test_every_backbone_head_and_attention(name, tmp_path):
    require_equal(differences(make((FAMILY | DESIGNED)[name]), tmp_path))


@pytest.mark.sweep
@pytest.mark.parametrize("name", [name for name in MODELS if not name.endswith("_stage1")])
def test_full_sizes(name, tmp_path):
    """One combination of batch and templates is enough here: up to 10 GB of memory and some minutes each."""
    torch.manual_seed(0)
    plan = ExportPlan(batch=1, templates=2)
    require_equal(differences(build_model(MODELS[name]), tmp_path, plan, "float16"), 1e-4)


@pytest.mark.parametrize(("batch", "templates"), [(None, None), (1, 3), (2, 1)])
def test_8_bit_arithmetic_of_fixed_sizes(tmp_path, batch, templates):
    """The crops to calibrate on were always one target with two templates."""
    pytest.importorskip("nncf")
    folder = save_model(make(small()), tmp_path, precision="int8")
    plan = ExportPlan(to="openvino", precision="int8", batch=batch, templates=templates)
    described = write_graphs(load_model(folder), folder, plan, noise(load_model(folder).config))
    assert (described["batch"], described["templates"], described["arithmetic"]) == (batch, templates, "int8")
    assert b"FakeQuantize" in (folder / "locate.xml").read_bytes()


@pytest.mark.sweep
def test_8_bit_arithmetic_of_the_default_model(tmp_path):
    pytest.importorskip("nncf")
    report = export_model("mixformerv2_dino_s8", tmp_path / "int8", to="openvino", precision="int8")
    assert report.iou > 0.98
    assert report.sizes["graphs.bin"] < 17e6
    assert b"FakeQuantize" in (report.folder / "locate.xml").read_bytes()


def test_places_in_a_safetensors_file(tmp_path):
    tensors = {"a": torch.arange(6, dtype=torch.float16).view(2, 3), "b": torch.tensor([1.5, -2.0])}
    save_file(tensors, tmp_path / "w.safetensors", {"format": "pt"})
    found, content = stored_tensors(tmp_path / "w.safetensors"), (tmp_path / "w.safetensors").read_bytes()
    assert {name: each.shape for name, each in found.items()} == {"a": (2, 3), "b": (2,)}
    for name, dtype in (("a", np.float16), ("b", np.float32)):
        place = found[name]
        values = np.frombuffer(content[place.offset : place.offset + place.length], dtype)
        np.testing.assert_array_equal(values, tensors[name].flatten().numpy())


def test_a_type_that_graphs_cannot_use_is_refused(tmp_path):
    save_file({"a": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"a in .* is stored as BF16"):
        stored_tensors(tmp_path / "w.safetensors")


def test_overlap():
    boxes = np.array([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.0, 0.2]])
    moved = boxes + np.array([[0, 0, 0, 0], [0.1, 0, 0, 0], [0.0005, 0, 0, 0]])
    assert overlap(boxes[:1], moved[:1]) == pytest.approx(1)
    assert overlap(boxes[1:2], moved[1:2]) == pytest.approx(1 / 3)
    assert overlap(boxes[2:], moved[2:]) == 1  # without area, but the same
    assert overlap(boxes[2:], boxes[1:2]) == 0


def test_what_is_no_number_is_beyond_every_tolerance():
    assert Difference("openvino", 1, 2, 0.0, None).within(0.0)
    assert not Difference("openvino", 1, 2, float("nan"), None).within(1.0)
    assert not Difference("openvino", 1, 2, 0.0, float("nan")).within(1.0)
