"""Write a model as ONNX or OpenVINO graphs, and compare them with PyTorch."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.export.exporting import export_model as export_model
    from mixformer.export.settings import ExportReport as ExportReport
else:
    __getattr__, __dir__, __all__ = lazy_names()
