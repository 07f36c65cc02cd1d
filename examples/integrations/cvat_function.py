"""Track boxes in CVAT with mixformer: a tracking function for an agent of CVAT (2.42 or later).

pip install mixformer cvat-cli
cvat-cli --server-host https://cvat.example.com function create-native mixformer --function-file cvat_function.py
cvat-cli --server-host https://cvat.example.com function run-agent FUNCTION_ID --function-file cvat_function.py

`-p model=str:FOLDER` after the file takes another model, `-p precision=str:float32` another precision.
"""

import cvat_sdk.auto_annotation as cvataa
import numpy as np

import mixformer


class MixFormerFunction:
    """Implements CVAT's `TrackingFunction`: all tracks share one network, and each has a state."""

    spec = cvataa.TrackingFunctionSpec(supported_shape_types=["rectangle"])

    def __init__(self, model="mixformerv2_dino_s8", **runtime):
        self.tracker = mixformer.Tracker(model, runtime=mixformer.Runtime(**runtime))

    def preprocess_image(self, context, image):
        """Return RGB pixels of a Pillow image."""
        return np.asarray(image.convert("RGB"))

    def init_tracking_state(self, context, pp_image, shape):
        """Start at a rectangle, whose points are left, top, right, bottom."""
        left, top, right, bottom = shape.points
        self.tracker.init(pp_image, (left, top, right - left, bottom - top))
        return {"state": self.tracker.state}

    def track(self, context, pp_image, state):
        """Return the rectangle in the next frame; None while the target is lost."""
        self.tracker.state = state["state"]
        result = self.tracker.update(pp_image)
        state["state"] = self.tracker.state
        if result.status == "lost":
            return None
        return cvataa.TrackableShape(type="rectangle", points=[float(v) for v in result.box.xyxy])


create = MixFormerFunction  # what the command line calls
