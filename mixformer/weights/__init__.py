"""Load, save, convert and list weights."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.weights.catalog import ModelInfo, list_models
    from mixformer.weights.conversion import ConvertReport, convert
    from mixformer.weights.load_save import load_model, load_weights, save_model, save_weights
    from mixformer.weights.pretrained import PretrainedReport, load_pretrained

__all__ = [
    "ConvertReport",
    "ModelInfo",
    "PretrainedReport",
    "convert",
    "list_models",
    "load_model",
    "load_pretrained",
    "load_weights",
    "save_model",
    "save_weights",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ConvertReport": "mixformer.weights.conversion",
        "ModelInfo": "mixformer.weights.catalog",
        "PretrainedReport": "mixformer.weights.pretrained",
        "convert": "mixformer.weights.conversion",
        "list_models": "mixformer.weights.catalog",
        "load_model": "mixformer.weights.load_save",
        "load_pretrained": "mixformer.weights.pretrained",
        "load_weights": "mixformer.weights.load_save",
        "save_model": "mixformer.weights.load_save",
        "save_weights": "mixformer.weights.load_save",
    },
)
