"""Print the boxes that datumaro reads, as JSON: format -> [[frame, label, x, y, w, h], ...]."""

import json
import re
import sys
from pathlib import Path

from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset

FORMATS = {"cvat": "cvat", "coco": "coco", "yolo": "yolo", "mot-cvat": "mot_seq", "voc": "voc"}


def boxes(folder, name):
    dataset = Dataset.import_from(str(folder), FORMATS[name])
    labels = [label.name for label in dataset.categories()[AnnotationType.label]]
    first = 1 if name == "mot-cvat" else 0
    for item in dataset:
        frame = int(re.search(r"\d+$", item.id)[0]) - first
        for each in item.annotations:
            if each.type == AnnotationType.bbox and each.attributes.get("outside") not in (True, "1", "true", "True"):
                yield [frame, labels[each.label], *(round(side, 3) for side in each.get_bbox())]


if __name__ == "__main__":
    root = Path(sys.argv[1])
    sys.stdout.write(json.dumps({name: sorted(boxes(root / name, name)) for name in FORMATS}))
