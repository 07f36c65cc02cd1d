"""How the files of pre-trained image models name what a backbone needs: one `Layout` for each kind of file."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from mixformer.configs.model import ModelConfig
from mixformer.weights.names import COUNTER, official_name

Interpolation = Literal["bicubic", "bilinear"]


@dataclass(frozen=True)
class Layout:
    """One kind of file. An encoder's entries have the names of the official trackers, which began as such files.

    Attributes:
        backbone: the backbone it fits, as in `ModelConfig`; empty = any.
        tables: position tables of the encoder and of the decoder; none in files with tables for each grid.
        class_token: its name, if there may be one.
        interpolation: how tables are brought to another grid unless asked otherwise.
        decoder: True if the file may hold decoder blocks that continue the encoder.
    """

    backbone: str = "vit"
    tables: tuple[str, ...] = ("pos_embed",)
    class_token: str = "cls_token"
    interpolation: Interpolation = "bilinear"
    decoder: bool = False


LAYOUTS: dict[str, Layout] = {
    "cvt": Layout("cvt", tables=(), class_token="stage2.cls_token"),
    "convmae": Layout("convmae"),
    "mae": Layout(tables=("pos_embed", "decoder_pos_embed"), decoder=True),
    "deit3": Layout(),
    "dinov2": Layout(interpolation="bicubic"),
    "mixformer": Layout("", tables=(), class_token="", decoder=True),
}


def find_kind(names: Collection[str]) -> str | None:
    """The kind of file that holds these names, or None."""
    signs = {
        "mixformer": r"backbone\..*",
        "cvt": r"stage0\.patch_embed\..*",
        "convmae": r"patch_embed1\..*",
        "dinov2": r"encoder\.layer\.0\.layer_scale1\.lambda1|blocks\.0\.ls1\.gamma",
        "deit3": r"blocks\.0\.gamma_1",
        "mae": r"blocks\.0\.attn\.qkv\.weight",
    }
    for kind, pattern in signs.items():
        if any(re.fullmatch(pattern, name) for name in names):
            return kind
    return None


def file_name(kind: str, key: str, config: ModelConfig) -> str:
    """What a file of some kind calls an entry of our state dict.

    Args:
        kind: of the file.
        key: of the model's state dict, "backbone.…".
        config: of the model.

    Raises:
        CheckpointError: for a part that no such file has.
    """
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
    """MAE's decoder begins with the encoder's last norm and a linear layer."""
    if rest.startswith("patch_embed."):
        return rest.removeprefix("patch_embed.").replace("proj.", "decoder_embed.")
    return "decoder_" + official_name(f"backbone.{rest}", encoder).removeprefix("backbone.")


def numbered(key: str) -> str:
    """Our own names with the number of the stage, also where a backbone is a single one."""
    name = key.removeprefix("backbone.")
    return f"backbone.{name}" if name.startswith("stages.") else f"backbone.stages.0.{name}"


_COUNTER = rf".*\.{COUNTER}"
_REASONS = (
    (_COUNTER, "nothing reads the counters of batch norms"),
    (r"(?:.*\.)?(?:blocks\d?\.\d+|patch_embed\d?)\..*|decoder_blocks\..*", "the network has no such part"),
    (r"(?:.*\.)?cls_token|.*\.(?:pos_)?tokens", "the network's prediction tokens are others, or it has none"),
    (r"(?:.*\.)?register_tokens", "the network has no register tokens"),
    (r"(?:decoder_)?pos_embed|backbone\..*\.pos_(?:search|template)", "the network has no such table, or a fixed one"),
    (r"decoder_.*|stage\d_output_decode\..*|(?:.*\.)?mask_token", "it serves pre-training only"),
    (r"(?:norm|fc_norm|layernorm|head|head_dist|classifier)\..*", "no norm or classifier follows the last block"),
)


def why_left_out(name: str) -> str:
    """Why an entry of a file is not needed."""
    return next((reason for pattern, reason in _REASONS if re.fullmatch(pattern, name)), "no part of a backbone")


def part_of(name: str) -> str | None:
    """The block or patch embedding whose function an entry changes, or None."""
    match = re.match(r"(?:decoder_)?(?:.*\.)?(?:patch_embed\d?|blocks\d?\.\d+)(?=\.)", name)
    return None if match is None or re.fullmatch(_COUNTER, name) else match[0]
