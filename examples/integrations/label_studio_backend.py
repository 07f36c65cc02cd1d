"""Track boxes in Label Studio with mixformer: a machine learning backend for video object tracking.

pip install 'mixformer[web]'
MIXFORMER_VIDEOS=/data/videos python label_studio_backend.py

In the project's settings, under Model, connect http://localhost:9090 and switch on interactive preannotations. Then a
rectangle that a person draws on a video is tracked from its last key frame on. MIXFORMER_VIDEOS is the folder of Label
Studio's local files (LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT).
"""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import uvicorn
from fastapi import FastAPI, HTTPException

import mixformer

VERSION = f"mixformer {mixformer.__version__}"
app = FastAPI()


@app.get("/")
@app.get("/health")
def health():
    """Say that the backend runs."""
    return {"status": "UP", "model_class": "mixformer"}


@app.post("/setup")
def setup():
    """Agree to a project."""
    return {"model_version": VERSION}


@app.post("/webhook")
def webhook():
    """Do nothing when annotations change: this model does not learn."""
    return {}


@app.post("/predict")
def predict(asked: dict):
    """Track the rectangles that a person has drawn; without one there is nothing to follow."""
    drawn = ((asked.get("params") or {}).get("context") or {}).get("result") or []
    results = []
    for task in asked["tasks"]:
        tracked = [track(task, region) for region in drawn if region.get("type") == "videorectangle"]
        scores = [region["score"] for region in tracked]
        mean = sum(scores) / len(scores) if scores else 0.0
        results.append({"model_version": VERSION, "score": mean, "result": tracked})
    return {"results": results, "model_version": VERSION}


def track(task, region):
    """Return a region with boxes in all frames after its last key frame. Sides are percents, and frames start at 1."""
    keys = sorted(region["value"]["sequence"], key=lambda key: key["frame"])
    last, scores = keys[-1], []
    sequence = [*keys[:-1], {**last, "enabled": True}]
    with mixformer.open_video(video_of(task, region), start=last["frame"] - 1) as video:
        tracker = mixformer.Tracker()
        for number, frame in enumerate(video, last["frame"]):
            height, width = frame.image.shape[:2]
            if number == last["frame"]:
                x, y, w, h = (last[side] / 100 for side in ("x", "y", "width", "height"))
                tracker.init(frame.image, (x * width, y * height, w * width, h * height))
                continue
            result = tracker.update(frame.image)
            if result.status == "lost":
                sequence[-1]["enabled"] = False  # the rectangle is shown up to there
                continue
            x, y, w, h = result.box
            sides = {"x": x / width, "y": y / height, "width": w / width, "height": h / height}
            percents = {name: round(100 * value, 4) for name, value in sides.items()}
            sequence.append({"frame": number, "enabled": True, "rotation": 0, **percents})
            scores.append(1.0 if result.score is None else result.score)
    sequence[-1]["enabled"] = False
    return {
        **region,
        "value": {**region["value"], "sequence": sequence},
        "score": sum(scores) / len(scores) if scores else 1.0,
    }


def video_of(task, region):
    """Find the video of a task among the local files; nothing outside their folder is read."""
    root = Path(os.environ.get("MIXFORMER_VIDEOS", ".")).resolve()
    address = urlsplit(task["data"][region.get("to_name", "video")])
    path = (root / parse_qs(address.query).get("d", [address.path])[0].lstrip("/")).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise HTTPException(404, f"there is no such video in {root}; set MIXFORMER_VIDEOS")
    return path


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=9090)
