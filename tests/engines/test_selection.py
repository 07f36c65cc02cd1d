"""Which engine "auto" means, and what is said when an engine cannot run a model."""

import json
import shutil
import sys

import pytest

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.engines.selection import EngineChoice, may_have_gpu, select_engine
from mixformer.errors import CheckpointError, ConfigError, MissingDependencyError, MixFormerError
from mixformer.optional import explain_missing, installed, load, missing
from mixformer.weights.catalog import shipped_folder

CHOOSE = "mixformer.engines.selection"


@pytest.fixture
def machine(monkeypatch):
    """A machine with these packages, precisions and, if any, a GPU that PyTorch sees."""

    def make(packages, precisions=("float32",), gpu=None):
        monkeypatch.setattr(f"{CHOOSE}.installed", lambda package: package in packages)
        monkeypatch.setattr(f"{CHOOSE}.openvino_precisions", lambda: precisions)
        monkeypatch.setattr(f"{CHOOSE}.may_have_gpu", lambda: gpu is not None)
        monkeypatch.setattr(
            "mixformer.engines.torch_engine.find_device", lambda name: gpu or "cpu" if name == "auto" else name
        )

    return make


def short(choice):
    return choice.engine, choice.device, choice.precision


ALL = ("torch", "openvino", "onnxruntime")


@pytest.mark.parametrize(
    ("packages", "gpu", "expected"),
    [
        (ALL, "cuda", ("cudagraph", "cuda", "bfloat16")),
        (ALL, "mps", ("torch", "mps", "float32")),
        (ALL, None, ("openvino", "cpu", "float32")),
        (("openvino",), None, ("openvino", "cpu", "float32")),
        (("openvino",), "cuda", ("openvino", "cpu", "float32")),  # a driver, but no PyTorch
        (("torch", "onnxruntime"), None, ("torch", "cpu", "float32")),
        (("onnxruntime",), None, ("onnx", "cpu", "float32")),
    ],
)
def test_auto_takes_the_fastest_there_is(machine, packages, gpu, expected):
    machine(packages, gpu=gpu)
    assert short(select_engine(DEFAULT_MODEL)) == expected


def test_precision_is_what_the_processor_has(machine):
    machine(ALL, ("float32", "bfloat16"))
    assert short(select_engine(DEFAULT_MODEL)) == ("openvino", "cpu", "bfloat16")
    assert select_engine(DEFAULT_MODEL, Runtime(precision="float32")).precision == "float32"
    machine(ALL)
    assert short(select_engine(DEFAULT_MODEL, Runtime(precision="bfloat16"))) == ("torch", "cpu", "bfloat16")
    assert select_engine(DEFAULT_MODEL, Runtime(precision="int8")).precision == "int8"
    with pytest.raises(ConfigError, match="no bfloat16 on this processor; there are: float32"):
        select_engine(DEFAULT_MODEL, Runtime(engine="openvino", precision="bfloat16"))


def test_a_model_without_graphs_runs_in_pytorch(machine, tiny_model):
    machine(ALL)
    assert select_engine(tiny_model) == EngineChoice("torch", "cpu", "float32")
    for engine in ("openvino", "onnx"):
        with pytest.raises(ConfigError, match=f"mixformer export .*{tiny_model.name} --to onnx --out"):
            select_engine(tiny_model, Runtime(engine=engine))


def test_graphs_that_were_not_copied_along_are_none(machine, tmp_path):
    machine(ALL)
    copy = tmp_path / "copy"
    shutil.copytree(shipped_folder(DEFAULT_MODEL), copy)
    assert select_engine(copy).engine == "openvino"
    (copy / "locate.onnx").unlink()
    assert select_engine(copy).engine == "torch"


def test_graphs_of_openvino_are_not_for_onnx_runtime(machine, tmp_path):
    machine(("openvino", "onnxruntime"))
    copy = tmp_path / "copy"
    shutil.copytree(shipped_folder(DEFAULT_MODEL), copy)
    described = json.loads((copy / "config.json").read_text())
    described["graphs"] |= {"format": "openvino", "weights": "model.safetensors"}
    (copy / "config.json").write_text(json.dumps(described))
    assert select_engine(copy).engine == "openvino"
    with pytest.raises(ConfigError, match="--to onnx"):
        select_engine(copy, Runtime(engine="onnx"))
    described["graphs"] = {"remember": "remember.onnx"}
    (copy / "config.json").write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match="'graphs' needs remember, locate and memory"):
        select_engine(copy)


def test_int8_needs_int8_weights_or_int8_graphs(machine, tmp_path):
    machine(ALL, ("float32", "bfloat16"))
    copy = tmp_path / "copy"
    shutil.copytree(shipped_folder(DEFAULT_MODEL), copy)
    described = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(described | {"precision": "float16"}))
    with pytest.raises(ConfigError, match=r"int8 needs weights stored in 8 bits, .* are in float16"):
        select_engine(copy, Runtime(precision="int8"))
    described["graphs"]["arithmetic"] = "int8"
    (copy / "config.json").write_text(json.dumps(described))
    assert select_engine(copy).precision == "int8"
    with pytest.raises(ConfigError, match="calculate in int8, not in float32"):
        select_engine(copy, Runtime(precision="float32"))
    described["graphs"] = described["graphs"] | {"arithmetic": "float", "batch": 4}
    (copy / "config.json").write_text(json.dumps(described))
    assert select_engine(copy).engine == "torch"
    with pytest.raises(ConfigError, match="made for 4 targets at once"):
        create_engine(copy, runtime=Runtime(engine="openvino"))


@pytest.mark.parametrize(
    ("packages", "model", "words"),
    [
        ((), DEFAULT_MODEL, "pip install 'openvino'"),
        (("openvino",), "tiny", r"pip install 'mixformer\[torch\]'"),
    ],
)
def test_nothing_that_could_run_it(machine, tiny_model, packages, model, words):
    machine(packages)
    with pytest.raises(MissingDependencyError, match=words):
        select_engine(tiny_model if model == "tiny" else model)


@pytest.mark.parametrize("engine", ["torch", "cudagraph", "compile", "openvino", "onnx"])
def test_a_missing_package_is_named(machine, engine):
    machine(())
    with pytest.raises(MissingDependencyError, match=f"the engine {engine} needs .*pip install"):
        select_engine(DEFAULT_MODEL, Runtime(engine=engine))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "tensorflow"}, "unknown engine 'tensorflow'; there are: auto, torch, cudagraph"),
        ({"precision": "int3"}, "unknown precision 'int3'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"engine": "openvino", "device": "cuda"}, "runs on the cpu"),
        ({"engine": "onnx", "device": "mps"}, "runs on cpu and cuda"),
        ({"engine": "onnx", "device": "cuda:0"}, "no CUDA provider"),
        ({"engine": "onnx", "precision": "bfloat16"}, "calculates in float32"),
        ({"engine": "cudagraph", "device": "cpu"}, "PyTorch finds none"),
        ({"engine": "torch", "precision": "int8"}, "int8 is a precision of the engine openvino"),
    ],
)
def test_what_does_not_go_together(machine, options, words):
    machine(ALL)
    with pytest.raises(ConfigError, match=words):
        select_engine(DEFAULT_MODEL, Runtime(**options))


def test_threads_are_one_or_more(tiny_model):
    with pytest.raises(ConfigError, match="threads is 1 or more"):
        create_engine(tiny_model, runtime=Runtime(threads=0))


def test_a_driver_is_looked_for_without_pytorch(monkeypatch, tmp_path):
    monkeypatch.setattr(f"{CHOOSE}.sys.platform", "linux")
    monkeypatch.setattr(f"{CHOOSE}._DRIVERS", (str(tmp_path / "driver"),))
    assert not may_have_gpu()
    (tmp_path / "driver").touch()
    assert may_have_gpu()


def test_only_known_packages_are_explained():
    assert installed("json")
    assert not installed("a_package_that_is_not")
    assert str(missing("nncf", "quantizing")) == "quantizing needs nncf: pip install 'mixformer[int8]'"
    with pytest.raises(ModuleNotFoundError) as unknown, explain_missing("this"):
        import a_package_that_is_not  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(unknown.value, MixFormerError)


def test_why_a_package_cannot_be_used_is_told(tmp_path, monkeypatch):
    """OpenCV may be there, and a library of the system that it needs not."""
    (tmp_path / "cv2.py").write_text("raise ImportError('no libGL.so.1')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    with pytest.raises(MissingDependencyError) as caught:
        load("cv2", "a mask")
    assert str(caught.value) == "a mask needs cv2: pip install 'mixformer[masks]' (no libGL.so.1)"
    assert load("json", "this") is json
