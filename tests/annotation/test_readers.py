"""What the libraries of others read in our exports is what we meant, and everyday tests hold the files that they read.

`make readers` installs them in environments of their own and runs this; see docs/annotation.md.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mixformer.annotation import ANNOTATION_FORMATS, export_annotations
from tests.annotation.test_formats import example, shown, texts
from tests.helpers.clips import write_clip

HERE = Path(__file__).parent
READERS = Path(os.environ.get("MIXFORMER_READERS", HERE.parents[1] / ".readers"))
GOLDEN = HERE / "accepted_exports.json"


@pytest.mark.parametrize("name", sorted(ANNOTATION_FORMATS))
def test_exports_are_those_that_the_readers_accepted(name):
    assert texts(example(), name) == json.loads(GOLDEN.read_text())[name]


def expected():
    project = example()
    return sorted(
        [frame, project.target(id).label, *box]
        for id, seen in shown(project).items()
        for frame, (box, _) in seen.items()
    )


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    root = tmp_path_factory.mktemp("exports")
    clip = write_clip(root / "clip.mp4", [np.full((360, 640, 3), 4 * n, np.uint8) for n in range(60)])
    for name, format in ANNOTATION_FORMATS.items():
        export_annotations(
            example(), name, root / name, video=clip, pictures=format.pictures is not None, tolerance=0.0
        )
    return root


def read(environment, script, root):
    python = READERS / environment / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {python}; `make readers` makes it")
    done = subprocess.run([python, HERE / "readers" / script, root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def same(found, wanted, within=0.011):
    assert [each[:2] for each in found] == [each[:2] for each in wanted]
    np.testing.assert_allclose([each[2:] for each in found], [each[2:] for each in wanted], atol=within)


@pytest.mark.readers
def test_datumaro(exports):
    found = read("datumaro", "datumaro_boxes.py", exports)
    for name in ("coco", "yolo", "mot-cvat", "voc"):
        same(found[name], expected())
    # It does not fill in frames between key frames.
    assert all(any(np.allclose(each[2:], other[2:], atol=0.011) for other in expected()) for each in found["cvat"])
    assert {each[0] for each in found["cvat"]} >= {0, 2, 4, 7, 9, 10}


@pytest.mark.readers
def test_label_studio(exports):
    found = read("label-studio", "label_studio_boxes.py", exports)
    assert found["errors"] in ([], True)
    assert found["predicted errors"] in ([], True)
    same(found["label-studio"], expected())
    same(found["label-studio-predictions"], expected())


@pytest.mark.readers
@pytest.mark.parametrize(
    "name", ["pycocotools", "supervision coco", "supervision yolo", "supervision voc", "motmetrics", "precision"]
)
def test_others(exports, name):
    found = read("others", "other_boxes.py", exports)[name]
    if name == "precision":
        assert found == pytest.approx(1.0)
    else:
        same(found, expected())


@pytest.mark.readers
def test_trackeval(exports):
    """Perfect against itself: frames, ids and classes are where it looks for them."""
    found = read("others", "track_metrics.py", exports)
    same(found["boxes"], expected())
    assert [found[name] for name in ("HOTA", "MOTA", "IDF1")] == pytest.approx([1.0] * 3)


@pytest.mark.readers
def test_detections_of_supervision(tmp_path):
    assert read("others", "detections.py", tmp_path) == {
        "xyxy": [[10, 20, 40, 60], [1, 2, 4, 6]], "ids": [3, 4], "scores": [0.5, 1.0], "merged": 3, "empty": True,
    }  # fmt: skip
