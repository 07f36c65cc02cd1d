"""Make `supervision.Detections` of results, and print what they hold as JSON."""

import json
import sys

import supervision

from mixformer.run import to_detections
from mixformer.types import Box, TrackResult

if __name__ == "__main__":
    results = {3: TrackResult(Box(10, 20, 30, 40), 0.5, 7), 4: TrackResult(Box(1, 2, 3, 4), None, 7)}
    found = to_detections(results)
    both = supervision.Detections.merge([found, to_detections(results[3]), to_detections({})])
    sys.stdout.write(json.dumps({
        "xyxy": found.xyxy.tolist(), "ids": found.tracker_id.tolist(), "scores": found.confidence.tolist(),
        "merged": len(both), "empty": to_detections({}).is_empty(),
    }))  # fmt: skip
