"""Operations and bytes that a frame costs, by formula: torch is not needed."""

from __future__ import annotations

from mixformer.configs.flops import locate_flops, memory_values, parameter_count, remember_flops
from mixformer.configs.model import ModelConfig

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


def frame_flops(config: ModelConfig, online_templates: int = 1) -> int:
    """Operations of a search step with remembered templates, 2 per multiply-add."""
    return locate_flops(config, online_templates)


def plain_flops(config: ModelConfig, online_templates: int = 1) -> int:
    """Operations of a frame of the official computation: templates and search, every token in the last block."""
    return remember_flops(config, online_templates, full=True) + locate_flops(config, online_templates, full=True)


def frame_bytes(config: ModelConfig, precision: str, batch: int = 1, online_templates: int = 1) -> int:
    """Bytes that a search step must read: the weights once, the keys and values of every target.

    Args:
        config: the variant.
        precision: of matrix products; weights, keys and values are taken to lie in memory in it.
        batch: targets.
        online_templates: online templates remembered beside the static one.
    """
    values = parameter_count(config) + batch * memory_values(config, online_templates)
    return _BYTES[precision] * values


def plain_bytes(config: ModelConfig) -> int:
    """Bytes that the official computation must read for a frame: the weights once, in float32."""
    return 4 * parameter_count(config)
