"""Which engine "auto" means, and what is said when an engine cannot run a model."""

import json
import shutil
import sys

import numpy as np
import pytest

from mixformer.cli.main import main
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import ENGINES, EngineChoice, EngineSpec, Runtime, create_engine, register_engine, select_engine
from mixformer.engines.devices import may_have_gpu
from mixformer.errors import CheckpointError, ConfigError, MissingDependencyError, MixFormerError
from mixformer.optional import explain_missing, installed, load, missing
from mixformer.tracking import Tracker
from mixformer.types import EngineOutput
from mixformer.weights.catalog import shipped_folder
from mixformer.weights.model_folder import find_folder

DEVICES = "mixformer.engines.devices"
TABLE = "mixformer.engines.engine_table"


@pytest.fixture
def machine(monkeypatch):
    """A machine with these packages, precisions and, if any, a GPU that PyTorch sees."""

    def make(packages, precisions=("float32",), gpu=None):
        monkeypatch.setattr("mixformer.engines.engine_spec.installed", lambda package: package in packages)
        monkeypatch.setattr(f"{TABLE}.openvino_precisions", lambda: precisions)
        monkeypatch.setattr(f"{TABLE}.hides_amx", lambda: False)
        monkeypatch.setattr(f"{DEVICES}.may_have_gpu", lambda: gpu is not None)
        monkeypatch.setattr(f"{TABLE}.may_have_gpu", lambda: gpu is not None)
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
    with pytest.raises(ConfigError, match="no bfloat16 on this processor; choose from float32"):
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
    with pytest.raises(ConfigError, match="need 4 targets at once"):
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
        ({"engine": "tensorflow"}, "unknown engine 'tensorflow'; there are: auto, cudagraph, openvino"),
        ({"precision": "int3"}, "unknown precision 'int3'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        (
            {"engine": "openvino", "device": "cuda"},
            "runs on cpu, not on 'cuda'; engines that do: cudagraph",
        ),
        ({"engine": "onnx", "device": "mps"}, "runs on cpu, cuda, not on 'mps'; engines that do: torch"),
        ({"engine": "onnx", "device": "cuda:0"}, "no CUDA provider"),
        ({"engine": "onnx", "precision": "bfloat16"}, "calculates in float32"),
        ({"engine": "cudagraph"}, "PyTorch finds none"),
        ({"engine": "torch", "precision": "int8"}, "not in int8; engines that do: openvino"),
    ],
)
def test_what_does_not_go_together(machine, options, words):
    machine(ALL)
    with pytest.raises(ConfigError, match=words):
        select_engine(DEFAULT_MODEL, Runtime(**options))


def test_threads_are_one_or_more(tiny_model):
    with pytest.raises(ConfigError, match="threads is 1 to 1024"):
        create_engine(tiny_model, runtime=Runtime(threads=0))


def test_a_driver_is_looked_for_without_pytorch(monkeypatch, tmp_path):
    monkeypatch.setattr(f"{DEVICES}.sys.platform", "linux")
    monkeypatch.setattr(f"{DEVICES}._DRIVERS", (str(tmp_path / "driver"),))
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


class Still:
    """An engine in five lines: it never sees the target move."""

    def __init__(self, config):
        self.config = config

    def remember(self, templates):
        return len(templates)

    def locate(self, search, memory):
        return EngineOutput(np.full((memory, 4), 0.5), np.full(memory, 3.0))

    def join(self, memories):
        return sum(memories)


@pytest.fixture
def still():
    def make(model, choice, threads):
        return Still(find_folder(model).config)

    register_engine(EngineSpec("still", "a target that stays", "numpy", ("cpu",), ("float32",), make))
    yield
    del ENGINES["still"]


def test_an_engine_is_one_entry_of_the_table(still, tiny_model, capsys):
    """Selection, trackers, messages and the command line know it, and "auto" does not take it by itself."""
    runtime = Runtime(engine="still")
    assert select_engine(tiny_model, runtime) == EngineChoice("still", "cpu", "float32")
    tracker = Tracker(tiny_model, runtime=runtime)
    frame = np.zeros((90, 90, 3), np.uint8)
    tracker.init(frame, (20, 20, 30, 30))
    assert tracker.update(frame).score > 0.9
    with pytest.raises(ConfigError, match="engine still calculates in float32, not in int8; engines that do: openvino"):
        select_engine(tiny_model, Runtime(engine="still", precision="int8"))
    with pytest.raises(ConfigError, match=r"unknown engine .stil.; did you mean .still"):
        select_engine(tiny_model, Runtime(engine="stil"))
    main(["info"])
    assert "still" in capsys.readouterr().out
    assert select_engine(DEFAULT_MODEL).engine != "still"


@pytest.mark.parametrize(
    ("name", "instructions", "expected"),
    [
        ("Intel(R) Xeon(R) Processor", ("avx512_bf16", "avx512_fp16"), "float32"),  # AMX is hidden
        ("Intel(R) Xeon(R) Processor", ("avx512_bf16", "avx512_fp16", "amx_bf16"), "bfloat16"),
        ("Intel(R) Xeon(R) Platinum 8380H", ("avx512_bf16",), "bfloat16"),  # before AMX
        ("AMD EPYC", ("avx512_bf16", "avx512_fp16"), "bfloat16"),
    ],
)
def test_auto_avoids_bfloat16_where_amx_is_hidden(monkeypatch, name, instructions, expected):
    monkeypatch.setattr(f"{TABLE}.openvino_precisions", lambda: ("float32", "bfloat16"))
    monkeypatch.setattr(f"{DEVICES}.processor", lambda: name)
    monkeypatch.setattr(f"{DEVICES}.cpu_instructions", lambda: instructions)
    assert select_engine(DEFAULT_MODEL, Runtime(engine="openvino")).precision == expected
    assert select_engine(DEFAULT_MODEL, Runtime(engine="openvino", precision="bfloat16")).precision == "bfloat16"
