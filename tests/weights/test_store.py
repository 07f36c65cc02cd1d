"""Model folders, loading by name or path, storage precisions, conversion, and the list of models."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mixformer.configs.model import ModelConfig
from mixformer.configs.presets import tracker_config
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.errors import CheckpointError, ConfigError, OutputError
from mixformer.files import write_files
from mixformer.models import MixFormer, build_model
from mixformer.weights import catalog as registry
from mixformer.weights.catalog import list_models
from mixformer.weights.checkpoint_reader import read_checkpoint
from mixformer.weights.conversion import convert
from mixformer.weights.load_save import ModelWeights, load_model, load_weights, save_model
from mixformer.weights.tracker_settings import load_tracker_config
from tests.helpers.small_disk import largest_file

SMALL = ModelConfig(
    "small", depth=2, dim=64, heads=1, mlp_ratio=2.0, search_size=64, template_size=32, bins=16, layer_scale=True
)
DENSE = SMALL.replace(
    head="pyramid", prediction_tokens=0, score="none", bins=96, head_dim=16, layer_scale=False, unused_keys=True
)


def make(config: ModelConfig = SMALL) -> MixFormer:
    torch.manual_seed(0)
    model = build_model(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    return model


def boxes(model: MixFormer) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    templates = torch.randn(2, 2, 3, 32, 32, generator=random)
    with torch.no_grad():
        return model(templates, torch.randn(2, 3, 64, 64, generator=random)).boxes


@pytest.mark.parametrize("config", [SMALL, DENSE], ids=["token", "pyramid"])
def test_save_and_load(config: ModelConfig, tmp_path: Path) -> None:
    model = make(config)
    folder = save_model(model.train(), tmp_path / "deep" / "folder")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    loaded = load_model(folder)
    assert loaded.config == config
    assert not loaded.training
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert torch.equal(boxes(loaded), boxes(model.eval()))
    assert torch.equal(boxes(load_model(str(folder / "model.safetensors"))), boxes(model))


def test_others_may_read_the_files_as_usual(tmp_path: Path) -> None:
    save_model(make(SMALL), tmp_path / "model")
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    assert {path.stat().st_mode for path in (tmp_path / "model").iterdir()} == {usual}


def test_type_of_the_loaded_weights(tmp_path: Path) -> None:
    folder = save_model(make().double(), tmp_path / "m")
    assert load_file(folder / "model.safetensors")["backbone.tokens"].dtype == torch.float32
    assert {p.dtype for p in load_model(folder).parameters()} == {torch.float32}
    assert {p.dtype for p in load_model(folder, dtype=torch.bfloat16).parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(("precision", "tolerance", "share"), [("float16", 1e-3, 0.51), ("int8", 2e-2, 0.4)])
def test_smaller_precisions(precision: str, tolerance: float, share: float, tmp_path: Path) -> None:
    model = make()
    full = save_model(model, tmp_path / "full") / "model.safetensors"
    less = save_model(model, tmp_path / "less", precision=precision) / "model.safetensors"
    loaded = load_model(tmp_path / "less")
    assert torch.allclose(boxes(loaded), boxes(model), rtol=0, atol=tolerance)
    assert not torch.equal(boxes(loaded), boxes(model))
    size = sum(value.nbytes for value in load_file(less).values())
    assert size < share * sum(value.nbytes for value in load_file(full).values())


def test_int8_rounds_each_row_by_its_largest_value(tmp_path: Path) -> None:
    model = make()
    with torch.no_grad():
        model.backbone.blocks[0].mlp.fc1.weight[3] = 0
        model.backbone.blocks[0].mlp.fc1.weight[4] *= 1000
    stored = load_file(save_model(model, tmp_path / "m", precision="int8") / "model.safetensors")
    name = "backbone.blocks.0.mlp.fc1.weight"
    assert stored[name].dtype == torch.int8
    assert stored[f"{name}.scale"].shape == (128,)
    assert stored["backbone.patch_embed.weight"].dtype == torch.int8
    assert stored["backbone.blocks.0.norm1.weight"].dtype == torch.float16
    expected, got = model.state_dict()[name], load_model(tmp_path / "m").state_dict()[name]
    step = expected.abs().amax(1, keepdim=True) / 127
    assert ((got - expected).abs() <= 0.5001 * step).all()
    assert stored[name].abs().amax(1).unique().tolist() == [0, 127]


def test_values_beyond_half_floats_stay_whole(tmp_path: Path) -> None:
    model = make()
    with torch.no_grad():
        model.backbone.blocks[0].norm1.bias[0] = 1e6
    save_model(model, tmp_path / "m", precision="float16")
    assert load_model(tmp_path / "m").state_dict()["backbone.blocks.0.norm1.bias"][0] == 1e6


def test_tracker_settings_come_back(tmp_path: Path) -> None:
    settings = TrackerConfig(search_factor=3.5, update_interval=7)
    save_model(make(), tmp_path / "with", tracker_config=settings)
    save_model(make(), tmp_path / "without")
    named = make(SMALL.replace(name=DEFAULT_MODEL))
    save_model(named, tmp_path / "named")
    assert load_tracker_config(tmp_path / "with") == settings
    assert load_tracker_config(tmp_path / "with" / "model.safetensors") == settings
    assert load_tracker_config(tmp_path / "without") == TrackerConfig()
    assert load_tracker_config(tmp_path / "named") == tracker_config(DEFAULT_MODEL)
    official = convert(tmp_path / "with", tmp_path / "o.pth.tar", "official").files[0]
    assert load_tracker_config(official) == TrackerConfig()


def test_a_full_disk_leaves_the_old_model(tmp_path: Path) -> None:
    folder = save_model(make(), tmp_path / "m")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with largest_file(20000), pytest.raises(OutputError, match="could not write"):
        save_model(make(SMALL.replace(depth=3)), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with largest_file(20000), pytest.raises(OutputError, match="raise the limit"):
        save_model(make(), tmp_path / "new" / "model")
    assert not (tmp_path / "new").exists()
    with largest_file(20000), pytest.raises(OutputError, match="could not write"):
        convert(folder, tmp_path / "o.pth.tar", "official")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_the_second_file_of_a_pair_fails(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_text("old")
    with pytest.raises(OutputError, match="No space left"):
        write_files({tmp_path / "a": lambda path: path.write_text("new"), tmp_path / "b": fail})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        save_model(make(), tmp_path / "file")
    with pytest.raises(OutputError):
        save_model(make(), tmp_path / "file" / "below")
    with pytest.raises(ConfigError, match="float32, float16, int8"):
        save_model(make(), tmp_path / "m", precision="int4")


@pytest.mark.parametrize("config", [SMALL, DENSE], ids=["token", "pyramid"])
def test_conversion_there_and_back(config: ModelConfig, tmp_path: Path) -> None:
    model = make(config)
    save_model(model, tmp_path / "ours")
    report = convert(tmp_path / "ours", tmp_path / "new" / "official.pth.tar", to="official")
    assert report.files == (tmp_path / "new" / "official.pth.tar",)
    assert report.size == report.files[0].stat().st_size
    plain = torch.load(report.files[0], weights_only=True)  # plain values only
    assert plain["net_type"] == "MixFormer"
    assert list(plain["net"]) == list(read_checkpoint(report.files[0]))
    back = convert(report.files[0], tmp_path / "back", precision="float32")
    assert back.tensors == len(model.state_dict())
    assert [path.name for path in back.files] == ["config.json", "model.safetensors"]
    assert torch.equal(boxes(load_model(tmp_path / "back")), boxes(model))
    assert torch.equal(boxes(load_model(report.files[0])), boxes(model))
    again = convert(report.files[0], tmp_path / "again.pth.tar", "official")
    assert again.files[0].read_bytes()[:4] == b"PK\x03\x04"


def test_conversion_errors(tmp_path: Path) -> None:
    folder = save_model(make(), tmp_path / "m")
    with pytest.raises(ConfigError, match="cannot convert to 'onnx'"):
        convert(folder, tmp_path / "o", "onnx")
    with pytest.raises(ConfigError, match="files for official are float32"):
        convert(folder, tmp_path / "o", "official", "int8")
    with pytest.raises(OutputError, match=r"is a folder; .*\.pth\.tar"):
        convert(folder, tmp_path, "official")
    torch.save({"net": {"fc.weight": torch.ones(2, 2)}}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"cannot use .*x\.pth: not a checkpoint of the MixFormer"):
        convert(tmp_path / "x.pth", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_heads_of_an_official_file(tmp_path: Path) -> None:
    folder = save_model(make(SMALL.replace(dim=48, heads=3)), tmp_path / "m")
    convert(folder, tmp_path / "o.pth.tar", "official")
    with pytest.raises(CheckpointError, match="attention heads"):
        convert(tmp_path / "o.pth.tar", tmp_path / "back")
    assert convert(tmp_path / "o.pth.tar", tmp_path / "back", overrides={"heads": 3}).config.heads == 3


def write_config(folder: Path, content: Any) -> None:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_wrong_folders_and_files(tmp_path: Path) -> None:
    folder = save_model(make(), tmp_path / "m")
    good = json.loads((folder / "config.json").read_text())
    cases: list[tuple[Any, str]] = [
        ("{", "not readable JSON"),
        ([], "under 'model'"),
        ({"model": 3}, "under 'model'"),
        ({**good, "format": 2}, "update mixformer"),
        ({**good, "model": {**good["model"], "depth": 5}}, "missing: backbone.blocks.2"),
        ({**good, "model": {**good["model"], "bins": 8}}, r"of another shape: .*box_head\.bins\.weight"),
        ({**good, "model": {**good["model"], "depth": "x"}}, r"config\.json: .*depth must be a whole number"),
        ({**good, "model": {**good["model"], "wings": 2}}, "no field wings"),
        ({**good, "model": {}}, "name"),
        ({**good, "tracker": {"margin": -1}}, "margin"),
    ]
    for content, words in cases:
        write_config(folder, content)
        with pytest.raises((CheckpointError, ConfigError), match=words):
            load_model(folder)
    write_config(folder, good)
    assert load_model(folder).config == SMALL
    for damage in (b"", b"text", (folder / "model.safetensors").read_bytes()[:5000]):
        (folder / "model.safetensors").write_bytes(damage)
        with pytest.raises(CheckpointError, match="damaged"):
            load_model(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing or damaged"):
        load_model(folder)


def test_damaged_int8(tmp_path: Path) -> None:
    folder = save_model(make(), tmp_path / "m", precision="int8")
    stored = load_file(folder / "model.safetensors")
    del stored["backbone.blocks.0.mlp.fc1.weight.scale"]
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"fc1\.weight .* has no scale"):
        load_model(folder)


def test_what_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("hello")
    save_file({"a": torch.ones(1)}, tmp_path / "alone.safetensors")
    for place, words in (
        ("empty", "not a model folder"),
        ("note.txt", "not a PyTorch checkpoint"),
        ("alone.safetensors", "no config.json"),
        ("nowhere", "no model, folder or file named .*nowhere.*`mixformer models` lists"),
    ):
        with pytest.raises(CheckpointError, match=words):
            load_weights(tmp_path / place)
        with pytest.raises(CheckpointError, match=words):
            load_tracker_config(tmp_path / place)


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"mixformerv2_small\.pth\.tar.*mixformer convert"):
        load_model("mixformerv2_s")
    monkeypatch.setattr(registry, "_SHIPPED", tmp_path / "shipped")
    with pytest.raises(CheckpointError, match="install the package again"):
        load_model(DEFAULT_MODEL)
    settings = TrackerConfig(update_interval=3)
    save_model(make(), tmp_path / "shipped" / DEFAULT_MODEL, tracker_config=settings)
    assert torch.equal(boxes(load_model(DEFAULT_MODEL)), boxes(make()))
    assert load_tracker_config(DEFAULT_MODEL) == settings
    assert list_models()[0].name == DEFAULT_MODEL
    assert list_models()[0].available
    (tmp_path / DEFAULT_MODEL).mkdir()  # a folder of that name without a model does not hide it
    assert load_model(DEFAULT_MODEL).config == SMALL
    save_model(make(SMALL.replace(bins=5)), tmp_path / DEFAULT_MODEL)
    assert load_model(DEFAULT_MODEL).config.bins == 5


def test_list_of_models() -> None:
    models = {model.name: model for model in list_models()}
    assert models.keys() == MODELS.keys()
    assert models["mixformerv2_s"].parameters == 16_228_897
    assert models["mixformerv2_b"].parameters == 58_855_201
    assert not models["mixformerv2_b"].available
    assert 5.4e9 < models["mixformerv2_s"].flops < 6.7e9
    assert all(model.license and model.source for model in models.values())


def test_the_list_of_models_needs_no_torch() -> None:
    code = "import sys, mixformer.weights.catalog as r; r.list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_are_complete_values(tmp_path: Path) -> None:
    weights = load_weights(save_model(make(), tmp_path / "m", precision="int8"))
    assert isinstance(weights, ModelWeights)
    assert weights.config == SMALL
    assert weights.tracker is None
    assert {value.dtype for value in weights.state.values()} == {torch.float32}


def test_the_old_name_of_the_score_heads_attentions_is_read(tmp_path: Path) -> None:
    """0.1.0 called them "looks"."""
    model = make(DENSE.replace(score="spm"))
    folder = save_model(model, tmp_path / "old", precision="int8")
    stored = load_file(folder / "model.safetensors")
    old = {key.replace("cross_attentions", "looks"): value for key, value in stored.items()}
    assert old.keys() != stored.keys()
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    assert load_model(folder).state_dict().keys() == model.state_dict().keys()


def test_the_old_name_of_tracker_settings_is_still_taken(tmp_path: Path) -> None:
    settings = TrackerConfig(search_factor=3.5)
    with pytest.warns(DeprecationWarning, match="tracker_config"):
        save_model(make(), tmp_path / "old", tracker=settings)
    assert load_tracker_config(tmp_path / "old") == settings
