"""Parameters and floating-point operations of a variant, by formula: nothing is built, torch is not needed.

Operations count 2 per multiply-add, in matrix products and convolutions only.
"""

from __future__ import annotations

from mixformer.config import ModelConfig

_CONV = 9  # taps of a 3x3 convolution


def parameter_count(config: ModelConfig) -> int:
    """All parameters of the network, position tables included (fixed ones too, as in the official count)."""
    dim, hidden = config.dim, config.mlp_dim
    tables = (config.search_grid**2 + config.template_grid**2 + 2 * config.prediction_tokens) * dim
    patches = 3 * config.patch_size**2 * dim + dim
    attention = _linear(dim, 3 * dim) + _linear(dim, dim)
    mlp = _linear(dim, hidden) + _linear(hidden, dim)
    norms_and_scales = 4 * dim + (2 * dim if config.layer_scale else 0)
    return tables + patches + config.depth * (attention + mlp + norms_and_scales) + _head_parameters(config)


def locate_flops(config: ModelConfig, online_templates: int = 1, *, full: bool = False) -> int:
    """Operations of one search step with remembered templates, batch 1.

    Args:
        config: the variant.
        online_templates: online templates remembered beside the static one.
        full: count every token in the last block. By default the token head's shortcut is counted: there, the last
            block computes the prediction tokens only.
    """
    templates = (1 + online_templates) * config.template_grid**2
    search = config.search_grid**2
    tokens = search + config.prediction_tokens
    shortcut = config.head == "token" and not full
    last = config.prediction_tokens if shortcut else tokens
    blocks = (config.depth - 1) * _block_flops(config, tokens, tokens, templates + tokens)
    return (
        _patch_flops(config, search)
        + blocks
        + _block_flops(config, last, tokens, templates + tokens)
        + _head_flops(config)
    )


def remember_flops(config: ModelConfig, online_templates: int = 1, *, full: bool = False) -> int:
    """Operations of encoding the static and the online templates, batch 1.

    Args:
        config: the variant.
        online_templates: online templates beside the static one.
        full: count the whole last block. By default only its keys and values, which is what a search step reads.
    """
    tokens = (1 + online_templates) * config.template_grid**2
    last = _block_flops(config, tokens, tokens, tokens) if full else 2 * tokens * config.dim * 2 * config.dim
    return _patch_flops(config, tokens) + (config.depth - 1) * _block_flops(config, tokens, tokens, tokens) + last


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _patch_flops(config: ModelConfig, tokens: int) -> int:
    return 2 * tokens * 3 * config.patch_size**2 * config.dim


def _block_flops(config: ModelConfig, queries: int, tokens: int, keys: int) -> int:
    """One block: `tokens` give keys and values, `queries` of them an output, mixed over `keys` in all."""
    dim = config.dim
    projections = queries * dim * 2 * dim + tokens * dim * 2 * dim  # query and output; key and value
    mixing = 2 * queries * keys * dim
    mlp = 2 * queries * dim * config.mlp_dim
    return 2 * (projections + mixing + mlp)


def _towers(config: ModelConfig) -> list[tuple[int, int, int]]:
    """3x3 units of one corner tower: input width, output width, side of the map."""
    dim, width, grid = config.dim, config.head_dim, config.search_grid
    half, quarter, eighth = width // 2, width // 4, width // 8
    scale = 2 if config.head == "pyramid" else 1
    units = [(dim, width, grid), (width, half, grid), (half, quarter, scale * grid), (quarter, eighth, scale**2 * grid)]
    if config.head == "pyramid":
        units += [(dim, half, grid), (dim, quarter, grid)]
        units += [(half, quarter, grid), (quarter, eighth, grid), (eighth, 1, grid)]
        units += [(quarter, eighth, 2 * grid), (eighth, 1, 2 * grid)]
    return units


def _head_parameters(config: ModelConfig) -> int:
    dim, bins = config.dim, config.bins
    if config.head != "token":
        units = sum(_CONV * a * b + 3 * b for a, b, _ in _towers(config))  # weights; bias, norm scale and shift
        return 2 * (units + _linear(config.head_dim // 8, 1))
    score = _linear(dim, dim) + _linear(dim, 1) if config.score == "token" else 0
    return _linear(dim, dim) + 2 * dim + _linear(dim, bins) + 2 * bins + score


def _head_flops(config: ModelConfig) -> int:
    dim = config.dim
    if config.head != "token":
        fine = config.search_grid * (4 if config.head == "pyramid" else 1)
        units = sum(_CONV * a * b * side**2 for a, b, side in _towers(config))
        return 2 * 2 * (units + config.head_dim // 8 * fine**2)
    score = dim * dim + dim if config.score == "token" else 0
    return 2 * config.prediction_tokens * (dim * dim + dim * config.bins + score)
