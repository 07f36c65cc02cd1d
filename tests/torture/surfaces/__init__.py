"""Every surface that takes something from outside, by name."""

from tests.torture.surfaces import (
    annotations,
    archives,
    arrays,
    model_files,
    pickles,
    pictures,
    results,
    settings,
    text_files,
    videos,
    words,
)
from tests.torture.surfaces.base import Surface

SURFACES: dict[str, Surface] = {
    surface.name: surface
    for module in (
        arrays, settings, text_files, model_files, pickles, archives, pictures, videos, annotations, results, words,
    )
    for surface in module.SURFACES
}  # fmt: skip
"""In the order in which they are tried."""
