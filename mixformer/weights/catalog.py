"""List the models, and find their weights. This needs no PyTorch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mixformer.configs.flops import locate_flops, parameter_count
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import MODELS, SOURCES
from mixformer.errors import CheckpointError, did_you_mean
from mixformer.files import path_kind
from mixformer.files.special_files import is_special
from mixformer.imaging.notebook_parts import html_table

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_MODEL_FILES = ("*.safetensors", "*.onnx")

_SHIPPED = Path(__file__).parent / "shipped"
_ZOOS = {"mixformerv2": "https://github.com/MCG-NJU/MixFormerV2", "mix": "https://github.com/MCG-NJU/MixFormer"}
_OFFICIAL_FILES = {
    "mixcvt": "mixformer_cvt_online_22k.pth.tar",
    "mixcvt_l": "mixformer_cvtL_online_22k.pth.tar",
    "mixvit": "mixformer_vit_base_online.pth.tar",
    "mixvit_l": "mixformer_vit_large_online.pth.tar",
    "mixvit_convmae": "mixformer_convmae_base_online.pth.tar",
    "mixvit_l_convmae": "mixformer_convmae_large_online.pth.tar",
    "mixformerv2_b": "mixformerv2_base.pth.tar",
    "mixformerv2_s": "mixformerv2_small.pth.tar",
    "mixformerv2_d12": "MixFormer2-288-12-ep0500.pth.tar",
}
_OFFICIAL_LICENSE = "MIT (official release, not included)"
_OWN_LICENSE = "see MODEL_CARD.md beside the weights"
_UNRELEASED = "no published weights; your own if you train them"


@dataclass(frozen=True)
class ModelInfo:
    """One entry of `list_models`.

    Attributes:
        name: name for `load_model`.
        parameters: number of parameters, fixed position tables included.
        flops: operations of one search step with one online template, 2 per multiply-add.
        available: True if weights come with the package.
        license: license of the weights.
        source: authors of the weights.
        config: sizes of the network.

    Example:
        >>> from mixformer.weights import list_models
        >>> default = list_models()[0]
        >>> default.name, default.available, round(default.parameters / 1e6, 1)
        ('mixformerv2_dino_s8', True, 14.9)
    """

    name: str
    parameters: int
    flops: int
    available: bool
    license: str
    source: str
    config: ModelConfig


class ModelList(list[ModelInfo]):
    """The list of `list_models`, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [
            (
                each.name,
                "included" if each.available else "convert the official file",
                f"{each.parameters / 1e6:.1f}",
                f"{each.flops / 1e9:.3g}",
                f"{each.config.search_size}",
            )
            for each in self
        ]
        headings = "model", "weights", "million parameters", "GFLOP a frame", "search crop"
        return html_table("Models", headings, rows, most=40, left=2)


def list_models() -> list[ModelInfo]:
    """List all named variants; those with weights come first.

    Example:
        >>> [model.name for model in list_models() if model.available]
        ['mixformerv2_dino_s8']
    """
    models = [
        ModelInfo(
            name=name,
            parameters=parameter_count(config),
            flops=locate_flops(config),
            available=shipped_folder(name) is not None,
            license=_license(name),
            source=SOURCES[name],
            config=config,
        )
        for name, config in ((name, _trained(name) or config) for name, config in MODELS.items())
    ]
    return ModelList(sorted(models, key=lambda model: not model.available))


def _trained(name: str) -> ModelConfig | None:
    """Return the network of an included model, which may leave out search tokens of its variant."""
    folder = shipped_folder(name)
    if folder is None:
        return None
    return ModelConfig.from_dict(json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))["model"])


def shipped_folder(name: str) -> Path | None:
    """Return the folder of a variant's weights if they come with the package, else None."""
    folder = _SHIPPED / name
    return folder if (folder / WEIGHTS_FILE).is_file() else None


def find_weights(name_or_path: str | Path) -> Path:
    """Find the model folder or weights file of a name or path; CheckpointError, with advice, if there is none.

    An existing path takes precedence over a variant's name, unless it is a folder without a model.
    """
    path, name = Path(name_or_path), str(name_or_path)
    if not name.strip():
        raise CheckpointError("the name of the model is empty; `mixformer models` lists the named models")
    if is_special(path):
        raise CheckpointError(f"{name} is a pipe or a device; give a model folder or a checkpoint file")
    if path_kind(path) == "file" or path_kind(path / CONFIG_FILE) == "file":
        return path
    if name in MODELS:
        return shipped_folder(name) or _explain_missing(name)
    if path_kind(path) == "folder":
        raise CheckpointError(
            f"{path} holds no {CONFIG_FILE}, so it is not a model folder; make one with `mixformer convert`"
        )
    near = did_you_mean(name, MODELS) or "; `mixformer models` lists the named models"
    raise CheckpointError(f"no model, folder or file named {name!r}{near}")


def files_of_model(name_or_path: str | Path) -> list[Path]:
    """Return the files that a model is read from, so that no result takes their place; none for a name."""
    path = Path(name_or_path)
    kind = path_kind(path)
    if kind == "folder" and path_kind(path / CONFIG_FILE):
        graphs = [(file, file.with_suffix(".bin")) for file in path.glob("*.xml")]  # of OpenVINO, two files each
        pairs = [file for both in graphs if both[1].is_file() for file in both]
        return [path / CONFIG_FILE, *(file for pattern in _MODEL_FILES for file in path.glob(pattern)), *pairs]
    return [path] if kind == "file" else []


def _license(name: str) -> str:
    if name in _OFFICIAL_FILES:
        return _OFFICIAL_LICENSE
    return _UNRELEASED if name.endswith("_stage1") else _OWN_LICENSE


def _explain_missing(name: str) -> Path:
    if name.endswith("_stage1"):
        raise CheckpointError(
            f"{name} is the first training stage of {name.removesuffix('_stage1')}; its weights were never published. "
            "Give a checkpoint of your own training"
        )
    if name not in _OFFICIAL_FILES:
        raise CheckpointError(f"the weights of {name} are missing from this installation; install the package again")
    file = _OFFICIAL_FILES[name]
    zoo = next(url for start, url in _ZOOS.items() if name.startswith(start))
    raise CheckpointError(
        f"the official weights of {name} are not included. Download {file} from the model zoo of {zoo}, run "
        f"`mixformer convert {file} --out {name}`, and give that folder as the model"
    )
