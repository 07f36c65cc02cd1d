"""COCO files that FiftyOne has read and written again come back: without videos and frame numbers, tracks kept."""

import json

import numpy as np
import pytest

from mixformer.annotation import import_annotations
from mixformer.errors import DataError
from tests.annotation.test_formats import VIDEO, example, put, shown, texts

KEPT = {"id", "image_id", "category_id", "bbox", "area", "iscrowd"}


def by_fiftyone(text):
    """What FiftyOne 1.22 writes of a COCO file: boxes went through fractions, attributes lie beside the box."""
    content = json.loads(text)
    sizes = {each["id"]: (each["width"], each["height"]) * 2 for each in content["images"]}
    names = {each["id"]: each["name"] for each in content["categories"]}
    classes = [names.get(id, str(id)) for id in range(max(names) + 1)]
    things = []
    for each in content["annotations"]:
        size = np.array(sizes[each["image_id"]], float)
        box = (np.array(each["bbox"]) / size * size).tolist()
        more = {key: value for key, value in each.items() if key not in KEPT | {"attributes", "segmentation"}}
        things.append({key: each[key] for key in KEPT} | {"bbox": box} | more | each["attributes"])
    images = [{key: each[key] for key in ("id", "file_name", "width", "height")} for each in content["images"]]
    categories = [{"id": id, "name": name, "supercategory": None} for id, name in enumerate(classes)]
    return json.dumps({"info": {}, "licenses": [], "categories": categories, "images": images, "annotations": things})


def exported():
    ((_, text),) = texts(example(), "coco").items()
    return by_fiftyone(text)


def test_boxes_tracks_and_attributes_come_back(tmp_path):
    source = put(tmp_path, {"annotations/labels.json": exported()})
    again = import_annotations(source, "coco", VIDEO)
    before, after = shown(example()), shown(again)
    assert after.keys() == before.keys()
    for id, seen in before.items():
        assert after[id].keys() == seen.keys()
        for frame, (box, occluded) in seen.items():
            np.testing.assert_allclose(after[id][frame][0], box, atol=0.006)
            assert after[id][frame][1] == occluded
        assert again.target(id).label == example().target(id).label
    assert again.target(1).attributes == example().target(1).attributes
    assert texts(again, "coco") == texts(example(), "coco")


def test_a_picture_without_a_number_is_named(tmp_path):
    source = put(tmp_path, {"labels.json": exported().replace("frame_000004.jpg", "sunset.jpg")})
    with pytest.raises(DataError, match=r"sunset\.jpg has no frame_id"):
        import_annotations(source, "coco", VIDEO)
