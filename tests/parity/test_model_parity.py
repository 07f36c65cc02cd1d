"""Every reference output of both papers, through the converter, against our network."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer.configs.flops import locate_flops, parameter_count, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.imaging.boxes import cxcywh_to_xyxy
from mixformer.models import build_model
from mixformer.models.layers import sincos_table
from mixformer.weights.conversion import convert
from mixformer.weights.infer_config import infer_config
from mixformer.weights.load_save import load_model
from mixformer.weights.official_names import from_official, to_official
from tests.parity.compare import difference, pair_up, run_reference, runs_of, write_checkpoint
from tests.parity.cut import KEEP, RUN, SLICES
from tests.parity.rebuild import (
    REFERENCES,
    SHARED,
    check_state,
    fixed_table,
    generator,
    read_json,
    read_outputs,
    rebuild_state,
)

QUICK = ["v1_cvt_base_online", "v2_s_online"]
SWEEP = sorted(
    path.stem for path in (SHARED / "models").glob("v?_*.json") if "." not in path.stem and path.stem not in QUICK
)
NO_SHARED = f"the full set of references is not at {SHARED}"


def check_reference(name: str, folder: Path) -> None:
    """Rebuild, convert, run and compare one reference; a difference above tolerance must be their rounding.

    Such a difference may be small only, so that no mistake passes for rounding.
    """
    description, taps, reference = read_json(f"{name}.json"), read_json(f"{name}.taps.json"), read_outputs(name)
    report = convert(write_checkpoint(description, folder / f"{name}.pth.tar"), folder / name)
    (folder / f"{name}.pth.tar").unlink()
    assert parameter_count(report.config) + description["params_unused_total"] == description["params_total"]
    flops = description["flops_2mac"]
    assert locate_flops(report.config, full=True) + reprojection(report.config) == flops["forward_test_1_online"]
    for count in (1, 2):
        assert remember_flops(report.config, count, full=True) == flops[f"set_online_{count}"]

    model = load_model(folder / name)
    shutil.rmtree(folder / name)  # the largest takes more than a gigabyte
    runs = runs_of(reference)
    pairs = pair_up(reference, taps, *run_reference(model, description, runs))
    above = [key for key, pair in pairs.items() if not difference(pair.got, pair.expected) <= pair.tolerance]
    if not above:
        return
    exact = pair_up(reference, taps, *run_reference(model.double(), description, runs))
    for key in above:
        got, expected, tolerance = pairs[key]
        ours, theirs = difference(got, exact[key].got), difference(expected, exact[key].got)
        assert ours <= theirs <= 10 * tolerance, f"{key}: {ours} (ours) and {theirs} (reference) from float64"


def reprojection(config: ModelConfig) -> int:
    """Operations that the official MixCvT spends on each frame on the linear layers of remembered keys and values (spec
    2.2): it keeps what comes before them, we keep what comes after. 0 for the others. Template and one online one."""
    if config.backbone != "cvt":
        return 0
    keys = [2 * ((stage.template_grid + 1) // 2) ** 2 for stage in config.stages]
    return sum(stage.depth * 2 * 2 * count * stage.dim**2 for stage, count in zip(config.stages, keys, strict=True))


@pytest.mark.parametrize("name", QUICK)
def test_reference(name: str, tmp_path: Path) -> None:
    check_reference(name, tmp_path)


@pytest.mark.parametrize("name", KEEP)
def test_beginning_of_a_reference(name: str) -> None:
    """Embeddings and first blocks of the variants that are too large to run whole here."""
    description, taps = (json.loads((SLICES / f"{name}{end}.json").read_text()) for end in ("", ".taps"))
    with np.load(SLICES / f"{name}.npz") as arrays:
        reference = {key: arrays[key] for key in arrays.files}
    state = {key: torch.from_numpy(value) for key, value in rebuild_state(description).items()}
    config = infer_config(state)
    model = build_model(config).eval()
    model.load_state_dict(from_official(state, config))
    assert len(reference) == sum(key.startswith(f"tap/{RUN}/") for key in reference) > 3
    for key, pair in pair_up(reference, taps, *run_reference(model, description, [RUN])).items():
        assert difference(pair.got, pair.expected) <= pair.tolerance, key


@pytest.mark.sweep
@pytest.mark.skipif(not SWEEP, reason=NO_SHARED)
@pytest.mark.parametrize("name", SWEEP)
def test_every_reference(name: str, tmp_path: Path) -> None:
    check_reference(name, tmp_path)


def test_rebuilt_weights_have_the_sums_of_the_reference() -> None:
    description = read_json("v2_s_online.json")
    check_state(description, rebuild_state(description))


def test_rebuilding_applies_the_changes_of_tracker_references() -> None:
    description = {
        "state_dict": [
            {"name": "box_head.conv1_tl.0.weight", "shape": [4, 3, 3, 3], "kind": "weight"},
            {"name": "box_head.conv1_br.0.bias", "shape": [4], "kind": "bias"},
            {"name": "score_head.layers.1.bias", "shape": [1], "kind": "bias"},
        ]
    }
    changes = {
        "weight_salt_prefix_by_key_pattern": {"box_head.*_tl": "salt/"},
        "weight_gain_float32": {"box_head.conv1_br": 3.0},
        "set_values": {"score_head.layers.1.bias": [8.5]},
    }
    state = rebuild_state(description, changes)
    n = generator("salt/box_head.conv1_tl.0.weight").standard_normal((4, 3, 3, 3))
    np.testing.assert_array_equal(state["box_head.conv1_tl.0.weight"], (n / np.sqrt(27)).astype(np.float32))
    n = generator("box_head.conv1_br.0.bias").standard_normal((4,))
    np.testing.assert_array_equal(state["box_head.conv1_br.0.bias"], (0.05 * n).astype(np.float32) * np.float32(3))
    assert state["score_head.layers.1.bias"].tolist() == [8.5]


@pytest.mark.parametrize(("version", "frequencies"), [(1, "float64"), (2, "float32")])
def test_position_tables(version: int, frequencies: str) -> None:
    with np.load(REFERENCES / f"pos_embed_v{version}.npz") as arrays:
        names = [key.removesuffix("/values") for key in arrays.files if key.endswith("/values")]
        assert len(names) == 12
        for name in names:
            dim, grid = (int(part) for part in name.split("/"))
            table = sincos_table(dim, grid, frequencies)[0]  # type: ignore[arg-type]
            expected = arrays[f"{name}/values"]
            rows = arrays[f"{name}/tokens"]
            # The power of float32 differs in its last bit between PyTorch and NumPy, and in NumPy between processors.
            bound = 1.5e-7 if version == 1 else 4e-6
            np.testing.assert_allclose(table[rows], expected, rtol=0, atol=bound)
            rebuilt = fixed_table((1, grid * grid, dim), np.float64 if version == 1 else np.float32)
            np.testing.assert_allclose(rebuilt[0, rows], expected, rtol=0, atol=bound)
            assert table.double().sum().item() == pytest.approx(float(arrays[f"{name}/sum"]), abs=2e-3)
            assert table.double().abs().sum().item() == pytest.approx(float(arrays[f"{name}/abs_sum"]), abs=2e-3)


def test_own_table_equals_the_rebuilt_one() -> None:
    np.testing.assert_allclose(sincos_table(96, 5), fixed_table((1, 25, 96)), rtol=0, atol=4e-6)


def joint_forward(state: dict[str, torch.Tensor], templates: list[torch.Tensor], search: torch.Tensor, heads: int):
    """The official joint order on official weights: one sequence template, online templates, search, prediction
    tokens, and a mask that hides search and prediction tokens from the templates. Written apart from the package."""

    def get(name: str) -> torch.Tensor:
        return state[f"backbone.{name}"]

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ get(f"{name}.weight").T + get(f"{name}.bias")

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        centered = x - x.mean(-1, keepdim=True)
        deviation = (centered.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return centered / deviation * get(f"{name}.weight") + get(f"{name}.bias")

    def patches(image: torch.Tensor) -> torch.Tensor:
        size = get("patch_embed.proj.weight").shape[-1]
        columns = torch.nn.functional.unfold(image, size, stride=size).transpose(1, 2)
        return columns @ get("patch_embed.proj.weight").flatten(1).T + get("patch_embed.proj.bias")

    parts = [patches(image) + get("pos_embed_t") for image in templates]
    known = sum(part.shape[1] for part in parts)
    extra = (get("reg_tokens") + get("pos_embed_reg")).expand(len(search), -1, -1)
    x = torch.cat([*parts, patches(search) + get("pos_embed_s"), extra], 1)
    batch, count, dim = x.shape
    hidden = torch.zeros(count, count, dtype=torch.bool)
    hidden[:known, known:] = True
    outputs = []
    for index in range(sum(".norm1.weight" in key for key in state)):
        block = f"blocks.{index}"
        q, k, v = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, -1)
        q, k, v = (part.view(batch, count, heads, -1).transpose(1, 2) for part in (q, k, v))
        weights = (q @ k.transpose(-1, -2) / (dim // heads) ** 0.5).masked_fill(hidden, -torch.inf).softmax(-1)
        x = x + linear((weights @ v).transpose(1, 2).reshape(batch, count, dim), f"{block}.attn.proj")
        inner = linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")
        inner = 0.5 * inner * (1 + torch.erf(inner / 2**0.5))
        x = x + linear(inner, f"{block}.mlp.fc2")
        outputs.append(x)
    return outputs, known


@pytest.mark.parametrize("online", [1, 3])
def test_cached_path_equals_the_joint_path(online: int) -> None:
    config = ModelConfig("small", depth=3, dim=64, heads=2, mlp_ratio=2.0, search_size=96, template_size=48, bins=12)
    model = build_model(config).double().eval()
    random = torch.Generator().manual_seed(online)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=random, dtype=torch.float64)
    state = to_official(model.state_dict(), config)
    images = torch.randn(2, 1 + online, 3, 48, 48, generator=random, dtype=torch.float64)
    search = torch.randn(2, 3, 96, 96, generator=random, dtype=torch.float64)
    with torch.no_grad():
        joint, known = joint_forward(state, list(images.unbind(1)), search, heads=2)
        memory = model.remember(images, keep_features=True)
        prediction = model.locate(search, memory, keep_features=True)
        short = model.locate(search, model.remember(images))
        trained = model(images, search)
    for index, expected in enumerate(joint):
        torch.testing.assert_close(memory.features[index], expected[:, :known], rtol=0, atol=1e-11)
        torch.testing.assert_close(prediction.features[index], expected[:, known:], rtol=0, atol=1e-11)
    assert short.tokens.shape[1] == 4
    for other in (short, trained):
        torch.testing.assert_close(other.boxes, prediction.boxes, rtol=0, atol=1e-12)
        torch.testing.assert_close(other.scores, prediction.scores, rtol=0, atol=1e-11)
    left, top, right, bottom = cxcywh_to_xyxy(prediction.boxes).unbind(-1)
    bins = torch.arange(12, dtype=torch.float64) / 12
    expected_edges = (prediction.logits.softmax(-1) * bins).sum(-1)
    torch.testing.assert_close(torch.stack([left, right, top, bottom], 1), expected_edges, rtol=0, atol=1e-12)
