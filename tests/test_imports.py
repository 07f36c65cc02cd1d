"""Imports point one way, the package loads quickly, and its public names are a promise."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mixformer
from mixformer.cli.main import _VERBS

ROOT = Path(mixformer.__file__).parent
# A module may import from its own layer and from those above it in this list.
LAYERS = [
    {"errors", "types", "optional", "files", "__init__"},
    {"imaging", "configs"},
    {"models"},
    {"weights"},
    {"engines"},
    {"video", "data", "masks"},
    {"tracking"},
    {"run"},
    {"annotation"},
    {"evaluation"},
    {"training", "inspection", "vot", "export", "bench"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# Not merely lower: never, whatever the rank.
FORBIDDEN = {("training", "tracking"), ("tracking", "models"), ("video", "data"), ("data", "video")}
MODULES = sorted(ROOT.rglob("*.py"))


def part(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(tree):
    """Imported parts of the package, leaving out those for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mixformer":
            names = (node.module or "").split(".")[1:2] or [alias.name for alias in node.names]
            yield from (name for name in names if name in RANK)
        if isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("mixformer."))


def test_no_verb_is_reached_through_another():
    """Verbs share modules that are no verbs; only `demo`, which is `track` with a clip of its own, runs another one."""
    verbs = {name.replace("-", "_").replace("pipeline", "train_route") for name in _VERBS}
    for path in sorted((ROOT / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mixformer.cli"):
                names = [alias.name for alias in node.names] if node.module == "mixformer.cli" else [node.module[14:]]
                assert not verbs & {*names} or path.name == "demo.py", f"{path.name} uses {names}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    here = part(path)
    assert here in RANK, f"{here} has no place in the layers"
    for there in imports(ast.parse(path.read_text())):
        assert RANK[there] <= RANK[here], f"{path.name} is below {there}"
        assert (here, there) not in FORBIDDEN


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short_and_need_no_heavy_vision_library(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            if module == "cv2" and path == ROOT / "masks" / "grabcut.py":
                continue
            assert module.split(".")[0] not in {"cv2", "torchvision", "timm", "einops", "mmcv", "mmengine"}


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_neither_torch_nor_a_video_library():
    code = (
        "import sys, mixformer; print(sorted({'torch', 'av', 'PIL', 'rich', 'safetensors', 'cv2'} & set(sys.modules)))"
    )
    assert python(code).strip() == "[]"


def test_boxes_and_models_are_listed_without_torch():
    code = "import sys, mixformer; mixformer.list_models(); mixformer.Box(1, 2, 3, 4); print('torch' in sys.modules)"
    assert python(code).strip() == "False"


def test_masks_load_opencv_only_for_a_refiner():
    code = "import sys, mixformer.masks.grabcut, mixformer.masks.mask_files; print({'torch', 'cv2'} & set(sys.modules))"
    assert python(code).strip() == "set()"


def test_public_names():
    assert sorted(dir(mixformer)) == [
        "Box",
        "MixFormerError",
        "ModelConfig",
        "MultiTracker",
        "OpenCVTracker",
        "Runtime",
        "TrackResult",
        "TrackState",
        "Tracker",
        "TrackerConfig",
        "convert",
        "create_engine",
        "evaluate",
        "export_model",
        "list_models",
        "load_dataset",
        "load_model",
        "open_video",
        "save_model",
        "track",
        "track_video",
        "train",
    ]
    for name in dir(mixformer):
        assert getattr(mixformer, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = vars(mixformer)["__getattr__"]("nothing")
    assert vars(mixformer)["__all__"] == dir(mixformer)
