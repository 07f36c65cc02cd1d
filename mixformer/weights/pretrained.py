"""Initialize a backbone from a pre-trained image model, or from another backbone of this package."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import CheckpointError, ConfigError, counted
from mixformer.models import MixFormer
from mixformer.models.layers import resize_table
from mixformer.models.stage import Stage
from mixformer.weights.pretrained_files import (
    FILE_KINDS,
    Interpolation,
    PretrainedFile,
    block_of,
    file_name,
    open_pretrained,
    why_left_out,
)
from mixformer.weights.state_dicts import check_state_dict

Kind = Literal["auto", "cvt", "convmae", "mae", "deit3", "dinov2", "mixformer"]

log = logging.getLogger(__name__)

_TABLES = ("pos_search", "pos_template")
_TOKENS = ("tokens", "pos_tokens")


@dataclass(frozen=True)
class PretrainedReport:
    """Result of `load_pretrained`.

    Attributes:
        kind: kind of the file.
        loaded: for each loaded entry of the model, the entries of the file that it was made from.
        left_out: for each entry of the file that the model does not need, the reason.
        kept: for each entry of the backbone that keeps its initial values, the reason.

    Example:
        >>> from mixformer.weights import PretrainedReport
        >>> PretrainedReport("dinov2", {}, {"head.weight": "no classifier follows"}, {}).kind
        'dinov2'
    """

    kind: str
    loaded: Mapping[str, str]
    left_out: Mapping[str, str]
    kept: Mapping[str, str]


@dataclass
class _Start:
    """The initial values found so far, by the model's names, and their source."""

    path: Path
    config: ModelConfig
    source: PretrainedFile
    interpolation: Interpolation
    state: dict[str, Tensor] = field(default_factory=dict)
    used: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the file, a key of `FILE_KINDS`."""
        return self.source.kind

    def has(self, key: str) -> bool:
        """Tell whether the file holds this entry of the model."""
        return file_name(self.kind, key, self.config) in self.source.tensors

    def take(self, key: str, value: Tensor, names: tuple[str, ...], note: str = "") -> None:
        """Set the value of an entry of the model that is made from the entries `names` of the file."""
        self.state[key], self.used[key], self.notes[key] = value, names, note

    def copy(self, key: str) -> None:
        """Copy an entry unchanged, if the file has it."""
        name = file_name(self.kind, key, self.config)
        if name in self.source.tensors:
            self.take(key, self.source.tensors[name].float(), (name,))

    def origin(self, names: tuple[str, ...]) -> str:
        """Return the names that entries have in the file itself."""
        return ", ".join(part for name in names for part in self.source.origins[name])


def load_pretrained(
    model: MixFormer, path: str | Path, kind: Kind = "auto", *, interpolation: Interpolation | None = None
) -> PretrainedReport:
    """Initialize the backbone from a file of pre-trained weights; heads are not touched.

    docs/pretrained.md lists the files for each backbone. The file must hold all entries of the backbone, with two
    exceptions. Prediction tokens start as the class token plus noise that makes them different, or keep their values if
    the file has no class token. Fixed sin-cos position tables stay unchanged. Other position tables are interpolated to
    the grids of search region and template (journal paper, section 3.3). A model with fewer blocks than the file gets
    the first ones.

    Args:
        model: network to initialize; it is unchanged after an error.
        path: `.safetensors`, `.pth` (no code in it is executed) or a model folder.
        kind: kind of the file; "auto" finds it from the names in the file.
        interpolation: interpolation of position tables; None takes antialiased "bicubic" for "dinov2", and plain
            "bilinear", as in the journal paper, for all others.

    Raises:
        CheckpointError: if the file cannot be read or does not fit; the message lists the missing and mis-shaped
            entries.
        ConfigError: for an unknown kind.

    Example:
        >>> from mixformer.weights import load_model, load_pretrained, save_model
        >>> model = load_model("mixformerv2_dino_s8")
        >>> report = load_pretrained(model, save_model(model, "trained"))
        >>> report.kind, len(report.kept)
        ('mixformer', 0)
    """
    if kind != "auto" and kind not in FILE_KINDS:
        raise ConfigError(f"unknown kind of file {kind!r}; known: auto, {', '.join(FILE_KINDS)}")
    # 1. Read the file, and collect an initial value for each entry of the backbone.
    source = open_pretrained(Path(path), kind)
    start = _Start(Path(path), model.config, source, interpolation or FILE_KINDS[source.kind].interpolation)
    _require_family(start)
    _require_parts(start)
    for index, stage in enumerate(model.backbone.parts):
        _start_stage(start, stage, index)
    # 2. Check that none is missing and the file holds no more blocks of this kind; only then change the network.
    initial = {f"backbone.{key}": value for key, value in model.backbone.state_dict().items()}
    expected = {key: tuple(value.shape) for key, value in initial.items() if key not in start.kept}
    check_state_dict(start.state, expected, f"{path}, as a start of kind {start.kind!r},")
    left_out = _left_out(start)
    complete = initial | start.state
    model.backbone.load_state_dict({key.removeprefix("backbone."): value for key, value in complete.items()})
    loaded = {key: start.origin(names) + start.notes[key] for key, names in start.used.items()}
    log.info(
        "%s: %s, %d entries loaded, %d left out, %d kept", path, start.kind, len(loaded), len(left_out), len(start.kept)
    )
    return PretrainedReport(start.kind, loaded, left_out, start.kept)


def _require_family(start: _Start) -> None:
    config, known = start.config, FILE_KINDS[start.kind]
    if known.backbone not in ("", config.backbone):
        raise CheckpointError(
            f"{start.path} is a file of kind {start.kind!r} for backbone {known.backbone!r}, but {config.name} has "
            f"{config.backbone!r}; choose a file for that (docs/pretrained.md)"
        )
    if config.decoder_depth and not known.decoder:
        raise CheckpointError(
            f"{config.name} has {config.decoder_depth} decoder blocks, which a file of kind {start.kind!r} such as "
            f"{start.path} lacks; use an MAE file"
        )


def _require_parts(start: _Start) -> None:
    """Check that the file has enough blocks in each stage, and LayerScale if the model has it."""
    for index, stage in enumerate(start.config.stages):
        prefix, depth = _prefix(start.config, index), 0
        while start.has(f"{prefix}blocks.{depth}.norm1.weight"):
            depth += 1
        last = index == len(start.config.stages) - 1
        if depth < stage.depth - (start.config.cross_blocks if last else 0):
            decoder = start.config.decoder_depth and index == len(start.config.stages) - 1
            what = "decoder (MAE's files with it end in _full.pth)" if decoder else f"stage {index + 1}"
            raise CheckpointError(
                f"{start.path} has {counted(depth, 'block')}, but {start.config.name} has {stage.depth} in {what}; "
                "choose a larger file, or fewer blocks"
            )
    scaled = any(name.endswith((".ls1.gamma", ".gamma_1", ".scale1")) for name in start.source.tensors)
    if scaled != start.config.layer_scale:
        has = "has LayerScale" if scaled else "has no LayerScale"
        raise CheckpointError(
            f"{start.path} {has}, but {start.config.name} differs; set layer_scale={scaled} in its configuration"
        )


def _prefix(config: ModelConfig, index: int) -> str:
    return f"backbone.stages.{index}." if len(config.stages) > 1 else "backbone."


def _start_stage(start: _Start, stage: Stage, index: int) -> None:
    prefix = _prefix(start.config, index)
    anew = tuple(f"blocks.{i}." for i, block in enumerate(stage.typed_blocks) if block.attn.reach == "templates")
    for key in stage.state_dict():
        if key.startswith(anew) and not (start.kind == "mixformer" and start.has(prefix + key)):
            start.kept[prefix + key] = "cross-attention, which no image model has"
        elif key not in (*_TABLES, *_TOKENS):
            start.copy(prefix + key)
    if stage.pos_search is not None:
        _start_tables(start, stage, index)
    if stage.token_count:
        _start_tokens(start, stage, prefix)


def _start_tables(start: _Start, stage: Stage, index: int) -> None:
    """Make both position tables from those of the file. A missing one is reported with the other entries."""
    prefix = _prefix(start.config, index)
    if start.config.position == "sincos":
        start.kept |= dict.fromkeys((prefix + key for key in _TABLES), "fixed sin-cos table")
        return
    tables = FILE_KINDS[start.kind].tables
    for key, grid in zip(_TABLES, (stage.size.search_grid, stage.size.template_grid), strict=True):
        name = tables[index] if tables else file_name(start.kind, prefix + key, start.config)
        if name in start.source.tensors:
            table, _ = _split_table(start, name)
            note = f", {start.interpolation} to {grid} x {grid}" if table.shape[1] != grid**2 else ""
            start.take(prefix + key, resize_table(table, grid, start.interpolation), (name,), note)


def _split_table(start: _Start, name: str) -> tuple[Tensor, Tensor | None]:
    """Split a table into positions (1, n * n, C) and the entry of the class token before them (1, 1, C), or None."""
    table = start.source.tensors[name].float()
    for extra in (0, 1):
        if table.dim() == 3 and len(table) == 1 and table.shape[1] > extra:
            count = table.shape[1] - extra
            if math.isqrt(count) ** 2 == count:
                return table[:, extra:], table[:, :1] if extra else None
    raise CheckpointError(
        f"{name} in {start.path} has shape {tuple(table.shape)}, which is no square grid with or without a class "
        "token; the file is damaged or of another kind"
    )


def _start_tokens(start: _Start, stage: Stage, prefix: str) -> None:
    """Initialize prediction tokens: copy those of a network of this package, or use the class token plus noise."""
    # 1. A network of this package has prediction tokens: copy them if their number fits.
    keys = [prefix + key for key in _TOKENS]
    found = start.source.tensors
    if start.kind == "mixformer":
        ours = found.get(file_name(start.kind, keys[0], start.config))
        if ours is not None and ours.shape == stage.tokens.shape:
            for key in keys:
                start.copy(key)
            return
        start.kept |= dict.fromkeys(keys, "the file has no prediction tokens, or another number of them")
        return
    # 2. An image model has one class token, but none for the decoder of "+DN".
    name = FILE_KINDS[start.kind].class_token
    if start.config.decoder_depth or name not in found:
        start.kept |= dict.fromkeys(keys, "the file has no class token of this width")
        return
    token, used = found[name].float(), [name]
    for table in FILE_KINDS[start.kind].tables[:1]:
        _, position = _split_table(start, table) if table in found else (None, None)
        if position is not None and position.shape != token.shape:
            raise CheckpointError(f"{name} and {table} in {start.path} differ in width; the file is damaged")
        if position is not None:
            token, used = token + position, [name, table]
    # 3. Equal tokens would get equal gradients and stay equal: noise makes them different.
    noise = torch.randn(1, stage.token_count, token.shape[-1]) * token.std()
    start.take(keys[0], token + noise, tuple(used), " plus noise")
    start.take(keys[1], torch.zeros_like(stage.pos_tokens), (), "zeros")


def _left_out(start: _Start) -> dict[str, str]:
    """Return the entries of the file that the model does not need, with the reason.

    Raises CheckpointError if one belongs to a loaded block or embedding, since it would change its function.
    """
    used = {name for names in start.used.values() for name in names}
    parts = {block_of(name) for name in used} - {None}
    rest = [name for name in start.source.tensors if name not in used]
    surplus = [start.origin((name,)) for name in rest if block_of(name) in parts]
    if surplus:
        raise CheckpointError(
            f"{start.path} is of another architecture than {start.config.name}, which lacks {', '.join(surplus[:8])}; "
            "choose a file of the same architecture"
        )
    return {origin: why_left_out(name) for name in rest for origin in start.source.origins[name]}
