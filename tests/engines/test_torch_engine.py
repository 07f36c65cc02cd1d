"""The engine gives what the model gives, for one and for many."""

import numpy as np
import pytest
import torch

from mixformer.engines import Runtime, create_engine
from mixformer.engines.torch_engine import TorchEngine, find_device
from mixformer.errors import CheckpointError, ConfigError
from mixformer.weights.load_save import load_model
from tests.helpers.family import FAMILY, make


@pytest.fixture
def crops():
    random = np.random.default_rng(0)
    templates = random.integers(0, 256, (3, 2, 32, 32, 3), dtype=np.uint8)
    return templates, random.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_it_is_the_model(tiny_model, crops):
    templates, search = crops
    model = load_model(tiny_model)
    engine = create_engine(tiny_model, runtime=Runtime(device="cpu"))
    found = engine.locate(search, engine.remember(templates))
    with torch.no_grad():
        mean, std = torch.tensor(model.config.mean), torch.tensor(model.config.std)

        def prepare(images):
            return ((torch.from_numpy(images) / 255 - mean) / std).movedim(-1, -3)

        expected = model(prepare(templates), prepare(search))
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-6)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert found.boxes.dtype == np.float64


def test_a_batch_is_its_members(tiny_model, crops):
    templates, search = crops
    engine = create_engine(tiny_model, runtime=Runtime(device="cpu"))
    together = engine.locate(search, engine.remember(templates))
    for i in range(3):
        alone = engine.locate(search[i : i + 1], engine.remember(templates[i : i + 1]))
        np.testing.assert_allclose(alone.boxes[0], together.boxes[i], atol=1e-6)
        np.testing.assert_allclose(alone.scores[0], together.scores[i], atol=1e-6)


def test_half_precision_is_near(tiny_model, crops):
    templates, search = crops
    full, half = (TorchEngine(load_model(tiny_model), "cpu", precision) for precision in ("float32", "bfloat16"))
    a, b = (engine.locate(search, engine.remember(templates)) for engine in (full, half))
    assert not np.array_equal(a.boxes, b.boxes)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=0.03)


def test_the_reference_normalization():
    from pathlib import Path

    from mixformer.configs.variants import model_config
    from mixformer.imaging.crop import crop_target
    from mixformer.models import build_model
    from mixformer.types import Box

    references = Path(__file__).parents[1] / "imaging" / "references"
    reference, images = np.load(references / "preprocess.npz"), np.load(references / "images.npz")
    image, _ = crop_target(images["chelsea"], Box(150, 80, 120, 90), 2.0, 128)
    model = build_model(model_config("mixformerv2_s").replace(depth=1))
    found = model.normalize(torch.from_numpy(image)[None])
    assert list(found.shape) == reference["center_template/shape"].tolist()
    expected = reference["center_template/slice"]
    rows, columns = (128 // n for n in expected.shape[2:])
    candidates = (found[:, :, ::rows, ::columns], found[:, :, : expected.shape[2], : expected.shape[3]])
    assert any(np.allclose(c, expected, atol=2e-6) for c in candidates)
    np.testing.assert_allclose(found.double().sum((0, 2, 3)), reference["center_template/sum_per_channel"], rtol=1e-5)
    for name, value in (("black", 0), ("white", 255)):
        flat = model.normalize(torch.full((1, 1, 3), value, dtype=torch.uint8)).flatten()
        np.testing.assert_allclose(flat, reference[f"{name}/value"], atol=2e-6)


def test_what_does_not_exist(tiny_model):
    with pytest.raises(ConfigError, match="unknown device"):
        create_engine(tiny_model, runtime=Runtime(device="gpu"))
    with pytest.raises(ConfigError, match="no device"):
        create_engine(tiny_model, runtime=Runtime(device="cuda:99"))
    with pytest.raises(ConfigError, match="unknown precision"):
        create_engine(tiny_model, runtime=Runtime(device="cpu", precision="int3"))
    with pytest.raises(CheckpointError, match="named models"):
        create_engine("nothing", runtime=Runtime(device="cpu"))
    assert find_device("auto").type in ("cpu", "cuda", "mps")


def test_threads_are_the_engines_alone(tiny_model, crops, monkeypatch):
    templates, search = crops
    engine = create_engine(tiny_model, runtime=Runtime(device="cpu", threads=1))
    seen = []
    locate = engine.model.locate  # type: ignore[attr-defined]
    monkeypatch.setattr(engine.model, "locate", lambda *a: seen.append(torch.get_num_threads()) or locate(*a))  # type: ignore[attr-defined]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine.locate(search, engine.remember(templates))
        assert seen == [1]
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError):
            engine.locate(search[:1], engine.remember(templates))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["vit-token4-asym", "cvt-corner0-asym", "vit-corner0-symm"])
def test_joined_memories_are_the_memory_of_the_batch(kind, crops):
    config = FAMILY[kind]
    random = np.random.default_rng(0)
    templates = random.integers(0, 256, (3, 2, *[config.template_size] * 2, 3), dtype=np.uint8)
    search = random.integers(0, 256, (3, *[config.search_size] * 2, 3), dtype=np.uint8)
    engine = TorchEngine(make(config))
    together = engine.locate(search, engine.remember(templates))
    joined = engine.locate(search, engine.join([engine.remember(templates[i : i + 1]) for i in range(3)]))
    np.testing.assert_allclose(joined.boxes, together.boxes, atol=1e-6)
    if together.scores is not None:
        np.testing.assert_allclose(joined.scores, together.scores, atol=1e-5)
    other = engine.remember(random.integers(0, 256, (1, 3, *[config.template_size] * 2, 3), dtype=np.uint8))
    with pytest.raises(ConfigError, match="equally many templates"):
        engine.join([engine.remember(templates[:1]), other])
