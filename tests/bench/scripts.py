"""The scripts of `benchmarks/` as modules."""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


@contextmanager
def script(name):
    """Import a script, with its neighbors at hand as when it is run."""
    before = dict(sys.modules)
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))
        for own in ({spec.name, "training"} & set(sys.modules)) - set(before):
            del sys.modules[own]
