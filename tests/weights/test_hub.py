"""Models that go to a hub and come back, with a hub of this machine."""

import subprocess
import sys

import pytest

from mixformer import Tracker
from mixformer.errors import CheckpointError, MissingDependencyError, OutputError
from mixformer.weights import from_pretrained, push_to_hub
from mixformer.weights.catalog import shipped_folder
from tests.helpers.model_hub import model_hub

MODEL = "mixformerv2_dino_s8"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    with model_hub() as made:
        monkeypatch.setattr(constants, "ENDPOINT", made.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", made.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield made


def test_a_model_comes_back_as_it_went(hub):
    assert push_to_hub(MODEL, "someone/tracker", token="hf_test").startswith(hub.address)
    assert hub.private["someone/tracker"]
    folder, source = from_pretrained("someone/tracker"), shipped_folder(MODEL)
    for name in ("config.json", "model.safetensors", "locate.onnx", "remember.onnx", "MODEL_CARD.md"):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    assert Tracker(folder).engine.config.name == MODEL


def test_the_page_of_a_model_says_how_it_is_used(hub):
    push_to_hub(MODEL, "someone/tracker", private=False, token="hf_test")
    page = hub.models["someone/tracker"]["README.md"].decode()
    assert page.startswith("---\nlibrary_name: mixformer\n")
    assert 'Tracker(from_pretrained("someone/tracker"))' in page
    assert not hub.private["someone/tracker"]


def test_files_of_other_kinds_stay_where_they_are(hub, tmp_path):
    """Neither code nor pickles are fetched or sent."""
    push_to_hub(MODEL, "someone/tracker", token="hf_test")
    hub.models["someone/tracker"] |= {"setup.py": b"import os", "pytorch_model.bin": b"\x80\x04"}
    folder = from_pretrained("someone/tracker")
    assert not {"setup.py", "pytorch_model.bin"} & {file.name for file in folder.iterdir()}
    assert not [path for path in hub.asked if path.endswith((".py", ".bin")) and "graphs" not in path]


def test_errors_say_what_to_do(hub):
    with pytest.raises(CheckpointError, match=r"cannot get 'someone/nothing' from the hub: .*hf auth login"):
        from_pretrained("someone/nothing")
    with pytest.raises(OutputError, match=r"cannot send .* as 'someone/tracker'"):
        push_to_hub(MODEL, "someone/tracker", token="hf_wrong")
    hub.models["someone/other"] = {"config.json": b"{}"}
    with pytest.raises(CheckpointError, match="does not describe a model"):
        from_pretrained("someone/other")


def test_the_package_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"mixformer\[hub\]"):
        from_pretrained("someone/tracker")
    code = "import sys, mixformer.weights; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
