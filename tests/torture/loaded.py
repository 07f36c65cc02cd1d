"""Loads what most commands use, once: the commands of the bench are forked from a process that did."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module

os.environ["OMP_NUM_THREADS"] = "1"
VERBS = ("track", "track_all", "evaluate", "train", "convert", "report", "export")
for _name in (
    "torch",
    "mixformer.cli.main",
    *(f"mixformer.cli.{verb}" for verb in VERBS),
    *(f"mixformer.{room}" for room in ("run", "training", "evaluation", "export")),
    "mixformer.engines.torch_engine",
):
    with contextlib.suppress(ImportError):
        import_module(_name)
