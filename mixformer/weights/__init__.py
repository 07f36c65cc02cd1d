"""Load, save, convert and list weights."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.weights.catalog import ModelInfo as ModelInfo, list_models as list_models
    from mixformer.weights.conversion import ConvertReport as ConvertReport, convert as convert
    from mixformer.weights.hub import from_pretrained as from_pretrained, push_to_hub as push_to_hub
    from mixformer.weights.load_save import (
        load_model as load_model,
        load_weights as load_weights,
        save_model as save_model,
        save_weights as save_weights,
    )
    from mixformer.weights.pretrained import PretrainedReport as PretrainedReport, load_pretrained as load_pretrained
else:
    __getattr__, __dir__, __all__ = lazy_names()
