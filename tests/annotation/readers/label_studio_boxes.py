"""Print what Label Studio's own library makes of our task: [[frame, label, x, y, w, h], ...] and its errors."""

import json
import sys
from pathlib import Path

from label_studio_sdk._extensions.label_studio_tools.postprocessing.video import extract_key_frames
from label_studio_sdk.label_interface import LabelInterface

WIDTH, HEIGHT = 640, 360


def boxes(results):
    for result in extract_key_frames(results):
        value = result["value"]
        for item in value["sequence"]:
            sides = (item["x"] * WIDTH, item["y"] * HEIGHT, item["width"] * WIDTH, item["height"] * HEIGHT)
            yield [item["frame"] - 1, value["labels"][0], *(round(side / 100, 3) for side in sides)]


if __name__ == "__main__":
    folder = Path(sys.argv[1], "label-studio")
    results = json.loads((folder / "tasks.json").read_text())[0]["annotations"][0]["result"]
    interface = LabelInterface((folder / "labeling-config.xml").read_text())
    prediction = {"result": results, "model_version": "1", "score": 1.0}
    guessed = json.loads(Path(f"{folder}-predictions", "tasks.json").read_text())[0]["predictions"][0]
    sys.stdout.write(json.dumps({
        "label-studio": sorted(boxes(results)),
        "label-studio-predictions": sorted(boxes(guessed["result"])),
        "predicted errors": interface.validate_prediction(guessed, return_errors=True),
        "errors": interface.validate_prediction(prediction, return_errors=True),
    }))  # fmt: skip
