"""The baseline is the official computation: its boxes, and its number of operations."""

import json

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mixformer.bench.reference import ReferenceEngine
from mixformer.configs.flops import frame_flops
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import MODELS
from mixformer.models import build_model
from mixformer.weights.infer_config import infer_config
from mixformer.weights.official_names import from_official
from tests.helpers.family import FAMILY, make
from tests.parity.rebuild import SHARED, input_image, read_json, read_outputs, rebuild_state

OFFICIAL = {
    "v2_s_online": "mixformerv2_s",
    "v2_b_online": "mixformerv2_b",
    "v2_d12_offline": "mixformerv2_d12",
    "v1_vit_base_online": "mixvit",
    "v1_vit_large_online": "mixvit_l",
    "v1_cvt_base_online": "mixcvt",
    "v1_cvt_large_online": "mixcvt_l",
    "v1_convmae_base_online": "mixvit_convmae",
    "v1_convmae_large_online": "mixvit_l_convmae",
}


def pictures(config, batch=2, templates=2):
    random = np.random.default_rng(0)
    sizes = ((batch, templates, *[config.template_size] * 2, 3), (batch, *[config.search_size] * 2, 3))
    return [random.integers(0, 256, size, dtype=np.uint8) for size in sizes]


def test_boxes_are_those_of_the_official_code():
    description = read_json("v2_s_online.json")
    state = {key: torch.from_numpy(value) for key, value in rebuild_state(description).items()}
    config = infer_config(state)
    model = build_model(config)
    model.load_state_dict(from_official(state, config))
    images = {key: torch.from_numpy(input_image(key, tuple(shape))) for key, shape in description["inputs"].items()}
    templates = torch.stack([images["input/template"], images["input/online_template"]], 1)
    with torch.no_grad():
        found = ReferenceEngine(model).compute(templates, images["input/search"])
    expected = read_outputs("v2_s_online")
    np.testing.assert_allclose(found.boxes[:, None], expected["train/pred_boxes"], rtol=0, atol=1e-5)
    assert found.tokens.shape[1] == config.search_grid**2 + config.prediction_tokens  # the whole last block
    assert frame_flops(config, reference=True) == description["flops_2mac"]["full_forward_1_online"]


@pytest.mark.parametrize("kind", ["vit-token4-asym", "vit-token4-symm", "convmae-pyramid0-asym", "cvt-corner0-asym"])
def test_boxes_are_those_of_forward(kind):
    model = make(FAMILY[kind])
    engine = ReferenceEngine(model)
    templates, search = pictures(model.config)
    memory = engine.remember(templates)
    found = engine.locate(search, memory)
    with torch.no_grad():
        images = [model.normalize(torch.from_numpy(each)) for each in (templates, search)]
        expected = model(*images)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=1e-6)
    assert (found.scores is None) == (expected.scores is None)
    alone = [engine.remember(templates[index : index + 1]) for index in range(2)]
    np.testing.assert_array_equal(engine.join(alone), memory)


def test_operations_are_those_that_pytorch_counts():
    config = ModelConfig("small", depth=2, dim=24, heads=2, search_size=64, template_size=32, bins=16)
    engine = ReferenceEngine(make(config))
    templates, search = pictures(config, batch=1)
    memory = engine.remember(templates)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # which it can count
        engine.compute(memory, engine.model.normalize(torch.from_numpy(search)))
    assert frame_flops(config, reference=True) == counter.get_total_flops()
    assert frame_flops(config) < frame_flops(config, reference=True)


@pytest.mark.skipif(not (SHARED / "timings").is_dir(), reason=f"the full set of references is not at {SHARED}")
def test_operations_of_every_variant_are_those_of_the_official_code():
    counts = json.loads((SHARED / "timings" / "counts.json").read_text())["variants"]
    for official, name in OFFICIAL.items():
        expected = counts[official]["gflops_2_per_mac"]["full_forward_1_online"]
        assert frame_flops(MODELS[name], reference=True) / 1e9 == pytest.approx(expected, abs=6e-4), name
