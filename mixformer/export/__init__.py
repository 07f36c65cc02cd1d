"""Write a model as ONNX or OpenVINO graphs, and compare them with PyTorch."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.export.exporting import export_model
    from mixformer.export.settings import ExportReport

__all__ = ["ExportReport", "export_model"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExportReport": "mixformer.export.settings",
        "export_model": "mixformer.export.exporting",
    },
)
