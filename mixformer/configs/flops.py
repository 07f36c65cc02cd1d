"""Count the parameters and floating-point operations of a variant by formulas, without building it.

The list of models and the benchmark of exported models need these numbers without PyTorch. The tests compare them with
PyTorch's own counter, for every kind of network.

A multiply-add counts as 2 operations; only matrix products and convolutions count. Frozen batch norms are constants,
not parameters: they can be folded into the convolution before them.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from mixformer.configs.model import ModelConfig, StageSize

_POOL = 4  # the score prediction module pools the box to 4 x 4


class _Tokens(NamedTuple):
    """Tokens of one block that are mixed together: maps of one size, then prediction tokens."""

    grid: int
    maps: int = 1
    extra: int = 0
    left: int | None = None  # tokens of the maps that are kept; None means all

    @property
    def total(self) -> int:
        return (self.maps * self.grid**2 if self.left is None else self.left) + self.extra

    def keys(self, config: ModelConfig) -> int:
        """Count the keys of these tokens: MixCvT skips every second row and column."""
        return self.maps * (-(-self.grid // 2)) ** 2 + self.extra if _convolves(config) else self.total


def parameter_count(config: ModelConfig) -> int:
    """Count all parameters of the network, including position tables (even fixed ones, as in the official count)."""
    stages = sum(_stage_parameters(config, stage) for stage in config.stages)
    tokens = 2 * config.prediction_tokens * config.final_dim
    heads = _box_head_parameters(config) + _score_parameters(config)
    return _embed_parameters(config) + stages + tokens + _fusion_parameters(config) + heads


def locate_flops(config: ModelConfig, online_templates: int = 1, *, full: bool = False) -> int:
    """Count the operations of one search step with remembered templates, batch 1.

    With symmetric attention nothing is remembered, so the templates are counted too. Unless `full`, the last block
    computes only the prediction tokens if no head reads others.
    """
    needed = full or config.dense or config.score == "spm" or config.attention == "symmetric"
    total = _embed_flops(config, config.search_size, 1) + _head_flops(config) + _fusion_flops(config, online_templates)
    reaches = iter(config.reaches)
    for index, stage in enumerate(config.stages):
        last = index == len(config.stages) - 1
        templates = _Tokens(stage.template_grid, 1 + online_templates)
        kept, extra, left = dict(config.elimination), config.prediction_tokens if last else 0, None
        for block in range(stage.depth):
            # Search tokens attend to the tokens that the block reaches; `left` of them remain after an elimination.
            search, reach = _Tokens(stage.search_grid, 1, extra, left), next(reaches)
            known, own = templates.keys(config), search.keys(config)
            keys = {"all": known + own, "self": own, "templates": known}[reach]
            shorter = last and block == stage.depth - 1 and not needed
            joint = config.attention == "symmetric"
            asking, giving = extra if shorter else search.total, own if joint or reach != "templates" else 0
            if last and block in kept:
                left = kept[block]
                asking = left + extra
                # The attention that chooses the tokens, and the queries of those that go.
                total += 2 * extra * keys * stage.dim + 2 * (search.total - asking) * stage.dim**2
            total += _block_flops(config, stage, search, asking, keys, giving)
            if joint:
                keys = {"all": known + own, "self": known, "templates": own}[reach]
                total += _block_flops(config, stage, templates, templates.total, keys, known)
    if config.attention == "symmetric":
        total += _embed_flops(config, config.template_size, 1 + online_templates)
    return total


def remember_flops(config: ModelConfig, online_templates: int = 1, *, full: bool = False) -> int:
    """Count the operations of encoding the static and the online templates, batch 1; 0 with symmetric attention.

    Unless `full`, only keys and values of the last block count if no part after the backbone reads the rest.
    """
    if config.attention == "symmetric":
        return 0
    total = _embed_flops(config, config.template_size, 1 + online_templates)
    reaches = iter(config.reaches)
    for index, stage in enumerate(config.stages):
        tokens = _Tokens(stage.template_grid, 1 + online_templates)
        keys = tokens.keys(config)
        whole = full or config.reads_templates or index < len(config.stages) - 1
        for block in range(stage.depth):
            reach = next(reaches)
            short = block == stage.depth - 1 and not whole
            if short and reach == "self":
                continue
            total += _block_flops(
                config, stage, tokens, 0 if short or reach == "templates" else tokens.total, keys, keys
            )
    return total


def _convolves(config: ModelConfig) -> bool:
    return config.backbone == "cvt" and config.projection != "linear"


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _convs(config: ModelConfig) -> list[tuple[int, int, int, int]]:
    """List the convolutions that embed an image: input width, output width, side of the kernel, pixels per output."""
    if config.backbone == "vit":
        return [(3, config.dim, config.patch_size, config.patch_size)]
    widths = (3, *config.early_dims, config.dim)
    kernels = [7, 3, 3] if config.backbone == "cvt" else [4, 2, 2]
    return [(a, b, kernels[min(index, 1)], 4 * 2**index) for index, (a, b) in enumerate(itertools.pairwise(widths))]


def _embed_parameters(config: ModelConfig) -> int:
    convs = _convs(config)
    total = sum(kernel**2 * a * b + b for a, b, kernel, _ in convs)
    if config.backbone != "vit":
        total += sum(2 * b for _, b, _, _ in convs)  # layer norms
    if config.backbone == "convmae":
        total += _linear(config.dim, config.dim)
        for depth, dim in zip(config.early_depths, config.early_dims, strict=True):
            hidden = round(dim * config.mlp_ratio)
            total += depth * (2 * _linear(dim, dim) + 26 * dim + 4 * dim + _linear(dim, hidden) + _linear(hidden, dim))
    if config.decoder_depth:
        total += 2 * config.dim + _linear(config.dim, config.decoder_dim)
    return total


def _embed_flops(config: ModelConfig, size: int, images: int) -> int:
    """Count the operations of embeddings: convolutions, ConvMAE's blocks, the layer before a decoder."""
    products = sum(kernel**2 * a * b * (size // stride) ** 2 for a, b, kernel, stride in _convs(config))
    grid = size // config.patch_size
    if config.backbone == "convmae":
        products += config.dim**2 * grid**2
        for index, (depth, dim) in enumerate(zip(config.early_depths, config.early_dims, strict=True)):
            places = (size // (4 * 2**index)) ** 2
            products += depth * places * (2 * dim**2 + 25 * dim + 2 * dim * round(dim * config.mlp_ratio))
    if config.decoder_depth:
        products += config.dim * config.decoder_dim * grid**2
    return 2 * images * products


def _stage_parameters(config: ModelConfig, stage: StageSize) -> int:
    dim, hidden = stage.dim, round(stage.dim * config.mlp_ratio)
    block = 4 * _linear(dim, dim) + _linear(dim, hidden) + _linear(hidden, dim) + 4 * dim
    learned = 0  # blocks whose norms after convolutions are parameters
    if _convolves(config):
        block += 3 * 9 * dim
        cross = config.cross_blocks if stage == config.stages[-1] and config.frozen_norms == "backbone" else 0
        learned = stage.depth if config.projection == "conv_ln" or config.frozen_norms == "none" else cross
    if config.layer_scale:
        block += 2 * dim
    places = stage.search_grid**2 + stage.template_grid**2 if config.position != "none" else 0
    return stage.depth * block + learned * 6 * dim + places * dim


def _block_flops(config: ModelConfig, stage: StageSize, tokens: _Tokens, queries: int, keys: int, own: int) -> int:
    """Count the operations of one block: `tokens` give `own` keys and values; `queries` of them attend to `keys`."""
    dim = stage.dim
    products = queries * dim * 2 * dim + own * dim * 2 * dim  # query and output; key and value
    products += 2 * queries * keys * dim + 2 * queries * dim * round(dim * config.mlp_ratio)
    if _convolves(config):
        convolved = tokens.total - tokens.extra if queries > tokens.extra else 0
        products += 9 * dim * (convolved + 2 * max(0, own - tokens.extra))
    return 2 * products


def _fusion_parameters(config: ModelConfig) -> int:
    if not config.fusion_layers:
        return 0
    dim, _, hidden = config.fusion_size
    looks = 4 * _linear(dim, dim) + 2 * dim
    cross = looks + _linear(dim, hidden) + _linear(hidden, dim) + 2 * dim
    ends = _linear(config.final_dim, dim) + _linear(dim, config.final_dim)
    return config.fusion_layers * (2 * looks + 2 * cross) + cross + ends


def _fusion_flops(config: ModelConfig, online_templates: int) -> int:
    """Count the operations of the fusion, which runs in every step."""
    if not config.fusion_layers:
        return 0
    dim, _, hidden = config.fusion_size
    t, s = (1 + online_templates) * config.template_grid**2, config.search_grid**2

    def looks(queries: int, keys: int) -> int:
        return 2 * (queries + keys) * dim**2 + 2 * queries * keys * dim

    def cross(queries: int, keys: int) -> int:
        return looks(queries, keys) + 2 * queries * dim * hidden

    layer = looks(t, t) + looks(s, s) + cross(t, s) + cross(s, t)
    ends = (t + 2 * s) * dim * config.final_dim
    return 2 * (config.fusion_layers * layer + cross(s, t) + ends)


def _towers(config: ModelConfig) -> list[tuple[int, int, int]]:
    """List the 3x3 units of one corner tower: input width, output width, side of the map."""
    dim, width, grid = config.final_dim, config.head_dim, config.search_grid
    half, quarter, eighth = width // 2, width // 4, width // 8
    scale = 2 if config.head == "pyramid" else 1
    units = [(dim, width, grid), (width, half, grid), (half, quarter, scale * grid), (quarter, eighth, scale**2 * grid)]
    if config.head == "pyramid":
        units += [(dim, half, grid), (dim, quarter, grid)]
        units += [(half, quarter, grid), (quarter, eighth, grid), (eighth, 1, grid)]
        units += [(quarter, eighth, 2 * grid), (eighth, 1, 2 * grid)]
    return units


def _box_head_parameters(config: ModelConfig) -> int:
    dim, bins = config.final_dim, config.bins
    if config.head == "query":
        return 2 * _linear(dim, dim) + _linear(dim, 4)
    if config.head == "token":
        mlps = 1 if config.prediction_tokens == 4 and config.shared_mlp else 4
        return mlps * (_linear(dim, dim) + 2 * dim + _linear(dim, bins) + 2 * bins)
    norm = 0 if config.frozen_norms == "all" else 2
    units = sum(9 * a * b + (1 + norm) * b for a, b, _ in _towers(config))
    return 2 * (units + _linear(config.head_dim // 8, 1))


def _score_parameters(config: ModelConfig) -> int:
    dim = config.final_dim
    if config.score == "spm":
        looks = 2 * (4 * _linear(dim, dim) + 2 * dim)
        return dim + 2 * dim + looks + 2 * _linear(dim, dim) + _linear(dim, 1)
    return 0 if config.score == "none" else _linear(dim, dim) + _linear(dim, 1)


def _head_flops(config: ModelConfig) -> int:
    """Count the operations of both heads for one search crop."""
    dim = config.final_dim
    if config.head == "query":
        products = 2 * dim**2 + 4 * dim
    elif config.head == "token":
        products = 4 * (dim**2 + dim * config.bins)
    else:
        fine = config.search_grid * (4 if config.head == "pyramid" else 1)
        products = 2 * (sum(9 * a * b * side**2 for a, b, side in _towers(config)) + config.head_dim // 8 * fine**2)
    return 2 * (products + _score_products(config))


def _score_products(config: ModelConfig) -> int:
    """Count the multiply-adds of the score head."""
    dim, grid = config.final_dim, config.search_grid
    if config.score == "none":
        return 0
    if config.score != "spm":
        rows = config.prediction_tokens if config.score == "token" else 1
        return rows * (dim**2 + dim)
    looks = sum(2 * dim**2 + 2 * m * dim**2 + 2 * m * dim for m in (_POOL**2, config.template_grid**2))
    pooling = dim * (_POOL * grid * grid + _POOL * _POOL * grid)
    return looks + 2 * dim**2 + dim + pooling


def frame_flops(config: ModelConfig, *, reference: bool = False) -> int:
    """Count the operations of a frame with a static and an online template, or of the official computation of it."""
    if not reference:
        return locate_flops(config)
    return remember_flops(config, full=True) + locate_flops(config, full=True)
