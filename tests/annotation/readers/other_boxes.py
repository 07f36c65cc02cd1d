"""Print what pycocotools, supervision and motmetrics read, as JSON: reader -> [[frame, label, x, y, w, h], ...]."""

import contextlib
import json
import re
import sys
from pathlib import Path

import motmetrics
import supervision
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def with_pycocotools(root):
    coco = COCO(str(root / "coco" / "annotations" / "instances_train.json"))
    frames = {image["id"]: image["frame_id"] for image in coco.imgs.values()}
    for each in coco.anns.values():
        label = coco.cats[each["category_id"]]["name"]
        yield [frames[each["image_id"]], label, *each["bbox"]]


def precision_against_itself(root):
    coco = COCO(str(root / "coco" / "annotations" / "instances_train.json"))
    found = [{**{k: each[k] for k in ("image_id", "category_id", "bbox")}, "score": 1.0} for each in coco.anns.values()]
    measured = COCOeval(coco, coco.loadRes(found), "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    return float(measured.stats[0])


def with_supervision(dataset, shift=0.0):
    for path, _, found in dataset:
        frame = int(re.search(r"\d+$", Path(path).stem)[0])
        for (left, top, right, bottom), kind in zip(found.xyxy.tolist(), found.class_id, strict=True):
            sides = (left + shift, top + shift, right - left - shift, bottom - top - shift)
            yield [frame, dataset.classes[kind], *(round(side, 3) for side in sides)]


def with_motmetrics(root):
    labels = (root / "mot" / "gt" / "labels.txt").read_text().splitlines()
    table = motmetrics.io.loadtxt(str(root / "mot" / "gt" / "gt.txt"), fmt="mot16")
    for (frame, _), row in table.iterrows():
        sides = (row["X"], row["Y"], row["Width"], row["Height"])
        yield [frame - 1, labels[int(row["ClassId"]) - 1], *(round(float(side), 3) for side in sides)]


def read(root):
    coco, yolo, voc = root / "coco", root / "yolo", root / "voc"
    sets = supervision.DetectionDataset
    return {
        "pycocotools": sorted(with_pycocotools(root)),
        "supervision coco": sorted(with_supervision(
            sets.from_coco(str(coco / "images" / "train"), str(coco / "annotations" / "instances_train.json"))
        )),
        "supervision yolo": sorted(with_supervision(
            sets.from_yolo(str(yolo / "images" / "train"), str(yolo / "labels" / "train"), str(yolo / "data.yaml"))
        )),
        # This one takes the left and top sides as counted from 1.
        "supervision voc": sorted(with_supervision(
            sets.from_pascal_voc(str(voc / "JPEGImages"), str(voc / "Annotations")), shift=1.0
        )),
        "motmetrics": sorted(with_motmetrics(root)),
        "precision": precision_against_itself(root),
    }  # fmt: skip


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = read(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(found))
