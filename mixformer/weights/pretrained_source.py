"""What a file of pre-trained weights holds, under one set of names for each kind."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mixformer.errors import CheckpointError
from mixformer.weights.catalog import WEIGHTS_FILE
from mixformer.weights.check_state_dict import current_names
from mixformer.weights.checkpoint_reader import read_checkpoint
from mixformer.weights.load_save import load_weights
from mixformer.weights.pretrained_names import LAYOUTS, find_kind, numbered
from mixformer.weights.quantize import dequantize_state


class Source(NamedTuple):
    """What a file holds.

    Attributes:
        kind: of the file.
        tensors: names that `file_name` gives -> values.
        origins: such a name -> names in the file itself, several where tensors were joined.
    """

    kind: str
    tensors: dict[str, Tensor]
    origins: dict[str, tuple[str, ...]]


def open_source(path: Path, kind: str) -> Source:
    """Read a file; no code in it is executed.

    Args:
        path: `.safetensors`, model folder, or a file of `torch.save`.
        kind: of the file, or "auto" to tell it from the names in it.

    Raises:
        CheckpointError: if it cannot be read, or its kind cannot be told.
    """
    stored = _read(path)
    found = find_kind(stored) if kind == "auto" else kind
    if found is None:
        raise CheckpointError(
            f"cannot tell what kind of start {path} is (it begins with {', '.join(list(stored)[:3])}); known kinds: "
            f"{', '.join(LAYOUTS)}"
        )
    if found == "mixformer" and _safetensors(path) is None:
        stored = load_weights(path).state  # an official file, which has other names
    return _normalize(found, stored)


def _read(path: Path) -> Mapping[str, Tensor]:
    file = _safetensors(path)
    if file is None:
        return read_checkpoint(path)
    try:
        return dequantize_state(current_names(load_file(file)), str(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {path}: missing or damaged; download or write it again ({error})"
        ) from error


def _safetensors(path: Path) -> Path | None:
    """The file of that format that a path stands for, or None if it is of the other."""
    if path.is_dir():
        return path / WEIGHTS_FILE
    return path if path.suffix == ".safetensors" else None


_HUGGING_FACE = (
    (r"encoder\.layer\.(\d+)\.((?:norm[12]|mlp\.fc[12])\..*)", r"blocks.\1.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(.*)", r"blocks.\1.attn.proj.\2"),
    (r"encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    (r"embeddings\.patch_embeddings\.projection\.(.*)", r"patch_embed.proj.\1"),
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
)
# Parts that Hugging Face files hold one by one: pattern of the first, all of them, the whole, and where they join.
_JOINS = (
    (
        r"encoder\.layer\.(\d+)\.attention\.attention\.query\.(weight|bias)",
        [rf"encoder.layer.\1.attention.attention.{part}.\2" for part in ("query", "key", "value")],
        r"blocks.\1.attn.qkv.\2",
        0,
    ),
    (
        r"embeddings\.class_position_embedding",
        ["embeddings.class_position_embedding", "embeddings.patch_position_embeddings"],
        "pos_embed",
        1,
    ),
)


def _normalize(kind: str, stored: Mapping[str, Tensor]) -> Source:
    """Bring the two ways to name a DINOv2 file, and ours to name a backbone, to one. Unknown names stay."""
    tensors: dict[str, Tensor] = {}
    origins: dict[str, tuple[str, ...]] = {}
    joined = _join(stored) if kind == "dinov2" else {}
    for name, (parts, axis) in joined.items():
        try:
            tensors[name], origins[name] = torch.cat([stored[part] for part in parts], axis), parts
        except RuntimeError as error:
            raise CheckpointError(f"{', '.join(parts)} do not fit together: {error}") from error
    done = {part for parts, _ in joined.values() for part in parts}
    for key in (key for key in stored if key not in done):
        name = _facebook(key) if kind == "dinov2" else numbered(key) if key.startswith("backbone.") else key
        tensors[name], origins[name] = stored[key], (key,)
    return Source(kind, tensors, origins)


def _facebook(key: str) -> str:
    for pattern, replacement in _HUGGING_FACE:
        if match := re.fullmatch(pattern, key):
            return match.expand(replacement)
    return key


def _join(names: Collection[str]) -> dict[str, tuple[tuple[str, ...], int]]:
    """New name -> the parts it consists of, all of them there, and the axis they join along."""
    found = {}
    for pattern, parts, whole, axis in _JOINS:
        for match in filter(None, (re.fullmatch(pattern, name) for name in names)):
            present = tuple(match.expand(part) for part in parts)
            if all(part in names for part in present):
                found[match.expand(whole)] = (present, axis)
    return found
