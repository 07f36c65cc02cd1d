"""Read files of pre-trained image models, and bring the names of each kind to one set of names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import CheckpointError
from mixformer.weights.catalog import WEIGHTS_FILE
from mixformer.weights.checkpoint_reader import read_checkpoint
from mixformer.weights.load_save import load_weights
from mixformer.weights.official_names import COUNTER, official_name, rename, rename_rules
from mixformer.weights.state_dicts import current_names, dequantize_state

Interpolation = Literal["bicubic", "bilinear"]


@dataclass(frozen=True)
class FileKind:
    """A kind of file. Encoders have the names of the official trackers, which started from such files."""

    backbone: str = "vit"  # backbone that the file fits, as in `ModelConfig`; empty = any
    # Position tables of the encoder and of the decoder; none in files with tables for each grid
    tables: tuple[str, ...] = ("pos_embed",)
    class_token: str = "cls_token"  # name of the class token; empty = none
    interpolation: Interpolation = "bilinear"  # default interpolation of tables to another grid
    decoder: bool = False  # True if the file may hold decoder blocks that continue the encoder


FILE_KINDS: dict[str, FileKind] = {
    "cvt": FileKind("cvt", tables=(), class_token="stage2.cls_token"),
    "convmae": FileKind("convmae"),
    "mae": FileKind(tables=("pos_embed", "decoder_pos_embed"), decoder=True),
    "deit3": FileKind(),
    "dinov2": FileKind(interpolation="bicubic"),
    "mixformer": FileKind("", tables=(), class_token="", decoder=True),
}


def find_kind(names: Collection[str]) -> str | None:
    """Find the kind of file that holds these names; return None if it is unknown."""
    signs = {
        "mixformer": r"backbone\..*",
        "cvt": r"stage0\.patch_embed\..*",
        "convmae": r"patch_embed1\..*",
        "dinov2": r"encoder\.layer\.0\.layer_scale1\.lambda1|blocks\.0\.ls1\.gamma",
        "deit3": r"blocks\.0\.gamma_1",
        "mae": r"blocks\.0\.attn\.qkv\.weight",
    }
    return next((kind for kind, sign in signs.items() if any(re.fullmatch(sign, name) for name in names)), None)


def file_name(kind: str, key: str, config: ModelConfig) -> str:
    """Return the name in a file of one kind of an entry "backbone.…" of the model's state dict."""
    if kind == "mixformer":
        return numbered(key)
    encoder = config.replace(decoder_depth=0)
    if config.decoder_depth:
        stage, _, rest = key.removeprefix("backbone.stages.").partition(".")
        if stage == "1":
            return _decoder_name(rest, encoder)
        key = f"backbone.{rest}"
    name = official_name(key, encoder).removeprefix("backbone.")
    return re.sub(r"\.ls([12])\.gamma$", r".gamma_\1", name) if kind == "deit3" else name


def _decoder_name(rest: str, encoder: ModelConfig) -> str:
    """Return the name in MAE's decoder, which begins with the encoder's last norm and a linear layer."""
    if rest.startswith("patch_embed."):
        return rest.removeprefix("patch_embed.").replace("proj.", "decoder_embed.")
    return "decoder_" + official_name(f"backbone.{rest}", encoder).removeprefix("backbone.")


def numbered(key: str) -> str:
    """Return the name of an entry of this package with the number of its stage, even if there is only one stage."""
    name = key.removeprefix("backbone.")
    return f"backbone.{name}" if name.startswith("stages.") else f"backbone.stages.0.{name}"


_COUNTER = rf".*\.{COUNTER}"
_REASONS = (
    (_COUNTER, "nothing reads the counters of batch norms"),
    (r"(?:.*\.)?(?:blocks\d?\.\d+|patch_embed\d?)\..*|decoder_blocks\..*", "the network has no such part"),
    (r"(?:.*\.)?cls_token|.*\.(?:pos_)?tokens", "the network has other prediction tokens, or none"),
    (r"(?:.*\.)?register_tokens", "the network has no register tokens"),
    (r"(?:decoder_)?pos_embed|backbone\..*\.pos_(?:search|template)", "the network has no such table, or a fixed one"),
    (r"decoder_.*|stage\d_output_decode\..*|(?:.*\.)?mask_token", "it is for pre-training only"),
    (r"(?:norm|fc_norm|layernorm|head|head_dist|classifier)\..*", "no norm or classifier follows the last block"),
)


def why_left_out(name: str) -> str:
    """Return the reason why an entry of a file is not needed."""
    return next((reason for pattern, reason in _REASONS if re.fullmatch(pattern, name)), "no part of a backbone")


def block_of(name: str) -> str | None:
    """Return the block or patch embedding of an entry, or None if the entry is in none or changes no function."""
    match = re.match(r"(?:decoder_)?(?:.*\.)?(?:patch_embed\d?|blocks\d?\.\d+)(?=\.)", name)
    return None if match is None or re.fullmatch(_COUNTER, name) else match[0]


class PretrainedFile(NamedTuple):
    """The content of a file."""

    kind: str  # a key of `FILE_KINDS`
    tensors: dict[str, Tensor]  # values by the names of `file_name`
    origins: dict[str, tuple[str, ...]]  # by the same names, the names in the file itself; several for joined tensors


def open_pretrained(path: Path, kind: str) -> PretrainedFile:
    """Read pre-trained weights: `.safetensors`, a model folder or a file of `torch.save`; "auto" detects the kind."""
    stored = _read(path)
    found = find_kind(stored) if kind == "auto" else kind
    if found is None:
        raise CheckpointError(
            f"cannot tell the kind of {path} (its first entries: {', '.join(list(stored)[:3])}); choose one of: "
            f"{', '.join(FILE_KINDS)}"
        )
    if found == "mixformer" and _safetensors(path) is None:
        stored = load_weights(path).state  # an official file has other names
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
    """Return the safetensors file of a path, or None for a file of `torch.save`."""
    if path.is_dir():
        return path / WEIGHTS_FILE
    return path if path.suffix == ".safetensors" else None


_HUGGING_FACE = rename_rules(
    (r"encoder\.layer\.(\d+)\.((?:norm[12]|mlp\.fc[12])\..*)", r"blocks.\1.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(.*)", r"blocks.\1.attn.proj.\2"),
    (r"encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    (r"embeddings\.patch_embeddings\.projection\.(.*)", r"patch_embed.proj.\1"),
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
)
# Tensors that Hugging Face files hold in parts: pattern of the first part, all parts, the whole, and the axis to join.
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


def _normalize(kind: str, stored: Mapping[str, Tensor]) -> PretrainedFile:
    """Rename both kinds of DINOv2 files, and backbones of this package, to one set of names. Unknown names stay."""
    tensors: dict[str, Tensor] = {}
    origins: dict[str, tuple[str, ...]] = {}
    joined = _join(stored) if kind == "dinov2" else {}
    for name, (parts, axis) in joined.items():
        try:
            tensors[name], origins[name] = torch.cat([stored[part] for part in parts], axis), parts
        except RuntimeError as error:
            raise CheckpointError(f"{', '.join(parts)} do not fit together, the file is damaged: {error}") from error
    done = {part for parts, _ in joined.values() for part in parts}
    for key in (key for key in stored if key not in done):
        ours = numbered(key) if key.startswith("backbone.") else key
        name = rename(key, _HUGGING_FACE) or key if kind == "dinov2" else ours
        tensors[name], origins[name] = stored[key], (key,)
    return PretrainedFile(kind, tensors, origins)


def _join(names: Collection[str]) -> dict[str, tuple[tuple[str, ...], int]]:
    """Return the joined tensors: new name -> names of its parts, and the axis to join them along."""
    found = {}
    for pattern, parts, whole, axis in _JOINS:
        for match in filter(None, (re.fullmatch(pattern, name) for name in names)):
            present = tuple(match.expand(part) for part in parts)
            if all(part in names for part in present):
                found[match.expand(whole)] = (present, axis)
    return found
