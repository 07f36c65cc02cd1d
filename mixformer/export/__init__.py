"""Write a model as ONNX or OpenVINO graphs, checked against PyTorch."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.export.exporting import export_model
    from mixformer.export.settings import ExportPlan, ExportReport

__all__ = ["ExportPlan", "ExportReport", "export_model"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExportPlan": "mixformer.export.settings",
        "ExportReport": "mixformer.export.settings",
        "export_model": "mixformer.export.exporting",
    },
)
