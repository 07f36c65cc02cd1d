"""A whole export of a tiny network: what is written, what it gives, and what is left after a failure."""

import json
import shutil

import numpy as np
import pytest

from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import ConfigError, ExportError, MissingDependencyError, OutputError
from mixformer.export import differences as check, exporting as write
from mixformer.export.exporting import export_model
from mixformer.export.runtimes import runners
from mixformer.export.settings import ExportPlan
from mixformer.weights.load_save import load_model
from mixformer.weights.model_folder import read_folder
from mixformer.weights.tracker_settings import load_tracker_config

onnx_ir = pytest.importorskip("onnx_ir")
pytest.importorskip("onnxscript")
pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    """The tiny network with float16 weights and graphs for any batch and number of templates."""
    out = tmp_path_factory.mktemp("export") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "_COMPARED", 3)
        return export_model(tiny_model, out, precision="float16")


def noise(batch=1, count=2, seed=0):
    random = np.random.default_rng(seed)
    sizes = ((batch, count, 32, 32, 3), (batch, 64, 64, 3))
    return [random.integers(0, 256, size, dtype=np.uint8) for size in sizes]


def test_report_holds_what_was_compared(exported):
    assert {(each.batch, each.templates) for each in exported.differences} == {(1, 2), (1, 1), (1, 3), (2, 2)}
    assert "openvino" in {each.runtime for each in exported.differences}
    assert all(each.boxes < 1e-5 for each in exported.differences)
    assert exported.iou > 0.98
    assert exported.precision == "float16"
    assert exported.sizes["model.safetensors"] == (exported.folder / "model.safetensors").stat().st_size


def test_folder_is_a_model_and_its_graphs_hold_no_weights(exported):
    folder = read_folder(exported.folder)
    assert folder.graphs.format == "onnx"
    assert folder.graphs.memory == ("memory.0", "memory.1", "memory.2", "memory.3")
    assert (folder.graphs.batch, folder.graphs.templates) == (None, None)
    weights = (exported.folder / "model.safetensors").stat().st_size
    for file in (folder.graphs.remember, folder.graphs.locate):
        graph = onnx_ir.load(file).graph
        outside = [
            v.const_value for v in graph.initializers.values() if isinstance(v.const_value, onnx_ir.ExternalTensor)
        ]
        assert len(outside) > 15
        assert {str(tensor.location) for tensor in outside} == {"model.safetensors"}
        assert all(tensor.offset + tensor.length <= weights for tensor in outside)
        assert file.stat().st_size < 60_000
    assert {file.name for file in exported.folder.parent.iterdir()} == {"tiny"}  # nothing temporary is left


def test_other_runtimes_give_the_boxes_of_torch(exported):
    engine, folder = TorchEngine(load_model(exported.folder), "cpu", "float32"), read_folder(exported.folder)
    templates, search = noise(batch=3, count=4)
    wanted = engine.locate(search, engine.remember(templates))
    for run in runners(folder.graphs).values():
        found = run(templates, search)
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-6)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)


def test_openvino_form_shares_constants(exported, tmp_path):
    from mixformer.export.openvino_form import to_openvino

    place = tmp_path / "openvino"
    shutil.copytree(exported.folder, place)
    described = json.loads((place / "config.json").read_text())["graphs"]
    folder = write._describe(place, to_openvino(place, described, "float32", None))
    assert folder.graphs.weights.name == "graphs.bin"
    assert sorted(file.name for file in place.iterdir()) == [
        "config.json", "graphs.bin", "locate.xml", "model.safetensors", "remember.xml",
    ]  # fmt: skip
    once = sum(value.numel() * 4 for value in load_model(place).state_dict().values())
    assert folder.graphs.weights.stat().st_size < 1.2 * once  # both graphs apart would need nearly twice as much
    templates, search = noise()
    engine = TorchEngine(load_model(place), "cpu", "float32")
    found = runners(folder.graphs)["openvino"](templates, search)
    np.testing.assert_allclose(found.boxes, engine.locate(search, engine.remember(templates)).boxes, atol=1e-6)


@pytest.fixture
def no_tracing(monkeypatch, exported):
    """Graphs of the export above, put into new folders without tracing again; its plan's crops are few."""

    def copied(model, place, plan, calibration):
        for name in ("remember.onnx", "locate.onnx"):
            shutil.copyfile(exported.folder / name, place / name)
        return json.loads((exported.folder / "config.json").read_text())["graphs"]

    monkeypatch.setattr("mixformer.export.graph_files.write_graphs", copied)
    monkeypatch.setattr(check, "_COMPARED", 2)
    return monkeypatch


def test_graphs_that_differ_leave_nothing(no_tracing, exported, tmp_path):
    """The graphs point into float16 weights; beside float32 ones every weight of theirs is another."""
    export_model(exported.folder, tmp_path / "same")
    no_tracing.setattr("mixformer.export.differences.BOX_TOLERANCE", 0.0)
    no_tracing.setattr(check, "BOX_TOLERANCE", -1.0)
    with pytest.raises(ExportError, match=r"differ from PyTorch beyond -1 .*batch 1, 2 templates: boxes .*Nothing"):
        export_model(exported.folder, tmp_path / "new")
    assert [file.name for file in tmp_path.iterdir()] == ["same"]


def test_lost_overlap_is_refused_with_the_figure(no_tracing, tiny_model, tmp_path):
    no_tracing.setattr("mixformer.export.differences.LOWEST_IOU", 1.0)
    with pytest.raises(ExportError, match=r"float16 moves the boxes too far: their mean IoU .* is [01]\.\d{4}"):
        export_model(tiny_model, tmp_path / "new", precision="float16")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_folder(no_tracing, exported, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(exported.folder, old)
    before = {file.name: file.read_bytes() for file in old.iterdir()}

    def full(*arguments):
        raise OSError(28, "No space left on device")

    no_tracing.setattr("mixformer.export.graph_files.write_graphs", full)
    with pytest.raises(OutputError, match="No space left on device"):
        export_model(exported.folder, old, overwrite=True)
    assert {file.name: file.read_bytes() for file in old.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


def test_export_into_the_own_folder_drops_older_graphs(no_tracing, exported, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(exported.folder, own)
    (own / "remember.xml").write_text("of an earlier export")
    (own / "MODEL_CARD.md").write_text("license")
    report = export_model(own, own)
    assert sorted(report.sizes) == sorted(file.name for file in own.iterdir())
    assert "remember.xml" not in report.sizes
    assert (own / "MODEL_CARD.md").read_text() == "license"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"to": "tensorrt"}, "can export to onnx, openvino, not to 'tensorrt'"),
        ({"precision": "int4"}, "precision must be one of float32, float16, int8, not 'int4'"),
        ({"batch": 2**31}, "batch must be 1 to 1000"),  # it asked for so much memory
        ({"templates": 2**31}, "templates must be 1 to 101"),
        ({"templates": 1.5}, "templates must be 1 to 101"),
        ({"batch": 0}, "batch must be 1 to 1000, or dynamic, not 0"),
        ({"templates": -1}, "templates must be 1 to 101"),
    ],
)
def test_unknown_choices(choice, said):
    with pytest.raises(ConfigError, match=said):
        ExportPlan(**choice)


def test_a_folder_of_something_else_is_refused(tiny_model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a model folder"):
        export_model(tiny_model, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("package", "extra"), [("onnxscript", r"mixformer\[export\]"), ("nncf", r"mixformer\[int8\]")])
def test_a_missing_package_is_named(monkeypatch, tiny_model, tmp_path, package, extra):
    monkeypatch.setattr("mixformer.optional.installed", lambda name: name != package)
    with pytest.raises(MissingDependencyError, match=f"needs {package}: pip install '{extra}'"):
        export_model(tiny_model, tmp_path / "new", to="openvino", precision="int8")


def test_the_folder_carries_the_settings_of_the_tracker(exported):
    """D: the page gave a search factor of 4.5 for a model that needs 4; config.json now has the model's own."""
    described = json.loads((exported.folder / "config.json").read_text())
    assert described["tracker"] == load_tracker_config(exported.folder).to_dict()
    assert {"search_factor", "template_factor", "update"} <= described["tracker"].keys()
