"""Every kind of network, exported, runs in the engines for graphs and gives the boxes of the network in PyTorch."""

import numpy as np
import pytest

from mixformer.engines import Runtime, create_engine
from mixformer.engines.engine_table import openvino_precisions
from mixformer.export.exporting import export_model
from mixformer.tracking import Tracker
from mixformer.weights.load_save import save_model
from tests.helpers.family import FAMILY, make
from tests.helpers.shipped import seen


@pytest.mark.sweep
@pytest.mark.parametrize("kind", FAMILY)
def test_engines_agree(kind, tmp_path):
    model = make(FAMILY[kind])
    folder = tmp_path / "graphs"
    export_model(save_model(model, tmp_path / "model"), folder)
    size, search = model.config.template_size, model.config.search_size
    random = np.random.default_rng(0)
    templates = random.integers(0, 256, (2, 2, size, size, 3), dtype=np.uint8)
    crops = random.integers(0, 256, (2, search, search, 3), dtype=np.uint8)
    plain = create_engine(folder, runtime=Runtime(device="cpu", engine="torch", precision="float32", threads=1))
    expected = plain.locate(crops, plain.remember(templates))
    for name in ("openvino", "onnx"):
        engine = create_engine(folder, runtime=Runtime(device="cpu", engine=name, precision="float32", threads=1))
        found = engine.locate(crops, engine.join([engine.remember(each[None]) for each in templates]))
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-5)
        if expected.scores is None:
            assert found.scores is None
        else:
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    if "bfloat16" in openvino_precisions():
        engine = create_engine(
            folder, runtime=Runtime(device="cpu", engine="openvino", precision="bfloat16", threads=1)
        )
        found = engine.locate(crops, engine.remember(templates))
        assert np.abs(found.boxes - expected.boxes).max() < 0.1
    tracker = Tracker(folder)
    tracker.init(seen().searches[0], (60, 60, 40, 50))
    assert tracker.update(seen().searches[1]).frame == 1
