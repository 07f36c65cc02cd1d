"""Change a graph of OpenVINO to 8-bit arithmetic, calibrated on real crops. Norms, softmax and heads stay in floats."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import nncf
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters

from mixformer.engines.openvino_compiler import core
from mixformer.export.sample_crops import Crops, crop_batches

_HEADS = [".*box_head.*", ".*score_head.*"]
# How far the scale of large activations is moved into weights (0 to 1). On the default model, the mean IoU with the
# boxes of float32 was 0.988 with 0.5, 0.984 with 0.25, 0.982 with 0.95 (NNCF's choice for language models), and 0.975
# without this.
_SMOOTHING = 0.5


def quantize(remember: Any, locate: Any, described: Mapping[str, Any], crops: Crops) -> Any:
    """Quantize `locate`, with its constants folded, on real crops; return the new one.

    `remember` stays in floats: it runs seldom, but affects many frames. `described` is the entry of `config.json`.
    """
    logging.getLogger("nncf").setLevel(logging.ERROR)
    pairs = list(crop_batches(crops, described["batch"] or 1, described["templates"] or 2))
    kept = core().compile_model(remember, "CPU", {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0})({"templates": pairs[0][0]})
    remembered = {name: kept[name].copy() for name in described["memory"]}
    samples = [{"search": search, **remembered} for _, search in pairs]
    return nncf.quantize(
        locate,
        nncf.Dataset(samples),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(samples),
        ignored_scope=nncf.IgnoredScope(patterns=_HEADS, validate=False),
        advanced_parameters=AdvancedQuantizationParameters(
            smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=_SMOOTHING, convolution=-1)
        ),
    )
