"""Import annotations of other tools as sequences, or as folders in this package's layout; see docs/data.md."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from mixformer.data.importers.coco_vid import read_coco_vid
from mixformer.data.importers.cvat import read_cvat
from mixformer.data.importers.folder_writer import write_folders
from mixformer.data.importers.mot import read_mot
from mixformer.data.importers.tracks import Importer

IMPORTERS: Mapping[str, Importer] = MappingProxyType(
    {
        "coco-vid": read_coco_vid,
        "mot": read_mot,
        "mot-cvat": partial(read_mot, first_pixel=0),
        "cvat": read_cvat,
    }
)
"""Readers by format."""

__all__ = ["IMPORTERS", "Importer", "write_folders"]
