"""The pages on the inside are true: the map of layers, the files they name, and how few places an extension touches."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mixformer
from mixformer.configs import MODELS, TrackerConfig, model_config
from mixformer.configs.variants import SOURCES
from mixformer.models import build_model
from mixformer.tracking import Tracker
from mixformer.weights import list_models, load_model, save_model
from tests.helpers.clips import moving_square
from tests.helpers.family import small
from tests.test_imports import LAYERS

PACKAGE = Path(mixformer.__file__).parent
DOCS = PACKAGE.parent / "docs"
EXTENDING = (DOCS / "extending.md").read_text()
ARCHITECTURE = (DOCS / "architecture.md").read_text()
# Places that each kind of extension may touch.
PLACES = {
    "A variant": 3, "An engine": 3, "A data set": 3, "An output format": 3,
    "An annotation format": 3, "A tracker option": 3,
    "A head": 5, "A backbone": 5,
}  # fmt: skip


@pytest.mark.parametrize("text", [EXTENDING, ARCHITECTURE], ids=["extending", "architecture"])
def test_files_that_the_pages_name_exist(text):
    named = re.findall(r"`([\w/]+(?:/|\.py))`", text)
    assert len(named) > 10
    assert not [name for name in named if not (PACKAGE / name).exists() and not (PACKAGE.parent / name).exists()]


def test_the_map_is_the_one_that_imports_obey():
    rows = re.findall(r"^\| [\w ]+ \| ((?:`\w+`(?:, )?)+) \|", ARCHITECTURE, re.MULTILINE)
    shown = [set(re.findall(r"\w+", row)) for row in rows]
    assert shown == [layer - {"__init__", "__main__"} for layer in LAYERS if layer != {"__main__"}]


def test_an_extension_touches_few_places():
    sections = dict(re.findall(r"^## (.+)\n([^#]+)", EXTENDING, re.MULTILINE))
    assert list(sections) == list(PLACES)
    for kind, text in sections.items():
        assert 1 <= len(re.findall(r"^\d\. ", text, re.MULTILINE)) <= PLACES[kind], kind
        assert re.search(r"^Shown by `tests/", text, re.MULTILINE), kind


def track(tracker):
    """Track three frames; the results are boxes inside the frame."""
    frames, boxes = moving_square(3)
    tracker.init(frames[0], boxes[0])
    for frame in frames[1:]:
        result = tracker.update(frame)
        assert np.isfinite(result.box).all()


def test_a_variant_is_an_entry_of_a_table(monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "toy", small().replace(name="toy"))
    monkeypatch.setitem(SOURCES, "toy", "a test")  # made from the table when the package is loaded
    assert "toy" in {info.name for info in list_models()}
    torch.manual_seed(0)
    folder = save_model(build_model(model_config("toy")), tmp_path / "toy")
    assert load_model(folder).config == MODELS["toy"]
    track(Tracker(folder))


def kinds_in_code(field):
    """Files of the package that compare the kind of a head or backbone, or look it up."""
    pattern = re.compile(rf"(config|self)\.{field} (==|!=|in)|\[(config|self)\.{field}\]|found\[\"{field}\"\]")
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if pattern.search(path.read_text()) and "annotation" not in path.parts
    }


def test_the_kind_of_a_head_is_known_in_no_other_place():
    there = {"configs/model.py", "models/build.py", "configs/flops.py", "weights/infer_config.py"}
    # The first only says how many tokens the token head reads; the second chooses sizes for small runs.
    assert kinds_in_code("head") - {"cli/models.py", "training/tiny.py"} == there


def test_the_kind_of_a_backbone_is_known_in_no_other_place():
    there = {"configs/model.py", "models/build.py", "configs/flops.py"}
    official = {"weights/official_names.py", "weights/pretrained.py"}
    # What only MixCvT or a plain transformer has: stages to choose from, norms to freeze, tokens to leave out.
    peculiar = {"inspection/network_maps.py", "models/mae.py", "training/trainer.py", "configs/variants.py"}
    peculiar |= {"configs/model_checks.py", "training/tiny.py"}  # tokens to leave out, sizes for small runs
    assert kinds_in_code("backbone") - official - peculiar == there


@pytest.mark.parametrize(
    ("head", "tokens", "edges"), [("token", 4, True), ("token", 1, True), ("query", 1, False), ("corner", 0, True)]
)
def test_a_head_predicts_edges_as_its_configuration_says(head, tokens, edges):
    config = small(head=head, prediction_tokens=tokens, score="none")
    model = build_model(config).eval()
    sizes = config.template_size, config.search_size
    with torch.no_grad():
        found = model(torch.zeros(1, 2, 3, sizes[0], sizes[0]), torch.zeros(1, 3, sizes[1], sizes[1]))
    assert config.predicts_edges == edges == (found.logits is not None)


class SteadyHead(nn.Module):
    """A head that looks at nothing: the middle of the crop."""

    def forward(self, tokens):
        return tokens.new_tensor([[0.4, 0.4, 0.6, 0.6]]).expand(len(tokens), 4), None


def test_a_head_is_a_module_from_tokens_to_corners(monkeypatch):
    monkeypatch.setattr("mixformer.models.mixformer.build_box_head", lambda config: SteadyHead())
    track(Tracker(build_model(small(head="query", prediction_tokens=1, score="none")).eval()))


def test_a_backbone_is_another_embedding_or_attention(monkeypatch):
    def embed(config):
        return nn.Sequential(nn.AvgPool2d(config.patch_size), nn.Conv2d(3, config.dim, 1))

    monkeypatch.setattr("mixformer.models.build._patch_embed", embed)
    track(Tracker(build_model(small()).eval()))


@dataclass(frozen=True)
class Patient(TrackerConfig):
    """Tracker settings with one more."""

    patience: int = 3


def test_a_tracker_option_is_a_field_of_the_settings():
    config = Patient(patience=5)
    assert Patient.from_dict(config.to_dict()) == config
    tracker = Tracker(build_model(small()).eval(), config=config)
    track(tracker)
    assert tracker.config == config
