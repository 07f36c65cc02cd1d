"""Files that are partly those of another tool: nothing of them is left out without a word."""

import json
import re

import pytest

from mixformer.annotation import (
    AnnotatedVideo,
    AnnotationProject,
    add_target,
    export_annotations,
    import_annotations,
    set_key,
)
from mixformer.errors import DataError

VIDEO = AnnotatedVideo("clip.mp4", 640, 360, 60, 25.0)


def test_objects_of_pascal_voc_without_a_number_are_kept_beside_others(tmp_path):
    """A tool that knows no tracks adds such objects to our files; they were left out."""
    project = set_key(add_target(AnnotationProject(VIDEO), label="dog"), 1, 0, (10, 20, 30, 40))
    out = export_annotations(set_key(project, 1, 1, (12, 20, 30, 40)), "voc", tmp_path / "out", pictures=False)
    for file in sorted((out / "Annotations").glob("*.xml")):
        text = file.read_text()
        added = re.search(r"  <object>.*</object>\n", text, re.DOTALL)[0]
        added = re.sub(r"<attributes>.*</attributes>", "", added).replace("dog", "cat")
        file.write_text(text.replace("</annotation>", f"{added}</annotation>"))
    found = import_annotations(out, "voc", VIDEO)
    assert [(target.id, target.label, [key.frame for key in target.keys]) for target in found.targets] == [
        (1, "dog", [0, 1, 2]),
        (2, "cat", [0, 1, 2]),
    ]


def test_outlines_of_yolo_are_no_boxes(tmp_path):
    """The first two points of an outline were taken for the middle and the size of a box."""
    labels = tmp_path / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "frame_000000.txt").write_text("0 0.1 0.1 0.3 0.1 0.3 0.4\n")
    (tmp_path / "data.yaml").write_text("names: [dog]\n")
    with pytest.raises(DataError, match=r"frame_000000\.txt holds outlines"):
        import_annotations(tmp_path, "yolo", VIDEO)
    (tmp_path / "data.yaml").write_text("names: [dog]\nkpt_shape: [1, 2]\n")  # a box and a point
    (key, *_) = import_annotations(tmp_path, "yolo", VIDEO).target(1).keys
    assert key.box == (-32, 18, 192, 36)


def test_ids_from_0_are_those_of_different_targets(tmp_path):
    """`mixformer track` takes such ids. JSON lines took 0 and 1 for one target, and CSV refused 0."""
    boxes = [{"frame": 0, "id": id, "box": [10 + 50 * id, 20, 30, 40]} for id in (0, 1)]
    lines, table = tmp_path / "boxes.jsonl", tmp_path / "boxes.csv"
    lines.write_text("".join(f"{json.dumps(box)}\n" for box in boxes))
    table.write_text("frame,id,x,y,w,h\n0,0,10,20,30,40\n0,1,60,20,30,40\n")
    for file, name in ((lines, "jsonl"), (table, "csv")):
        found = import_annotations(file, name, VIDEO)
        assert [(target.id, target.keys[0].box.x) for target in found.targets] == [(1, 10), (2, 60)]
