"""Follow one object through a video with ONNX Runtime alone: no mixformer, no PyTorch, no OpenCV.

pip install numpy onnxruntime av
python track_onnx.py MODEL CLIP X Y WIDTH HEIGHT > boxes.csv

MODEL is a folder that `mixformer export --to onnx` wrote, or the included one:
mixformer/weights/shipped/mixformerv2_dino_s8. The box is that of the target in the first frame, in pixels.
"""

import argparse
import csv
import json
import math
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime


def main():
    """Track a video and print one line for each frame."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("clip")
    parser.add_argument("box", nargs=4, type=float, metavar=("X", "Y", "WIDTH", "HEIGHT"))
    options = parser.parse_args()
    tracker = OnnxTracker(options.model)
    out = csv.writer(sys.stdout)
    out.writerow(["frame", "x", "y", "width", "height", "score", "status"])
    with av.open(options.clip) as video:
        for number, picture in enumerate(video.decode(video=0)):
            frame = picture.to_ndarray(format="rgb24")
            if number == 0:
                tracker.start(frame, options.box)
                box, score, status = options.box, 1.0, "tracking"
            else:
                box, score, status = tracker.update(frame)
            out.writerow([number, *(f"{v:.3f}" for v in box), "" if score is None else f"{score:.4f}", status])


# --- crops: frames and crops are RGB uint8 (height, width, 3); boxes are left, top, width, height in pixels ---


def crop(frame, box, factor, size):
    """Cut the square of `factor` times the box's size around its center, black outside the frame, and resize it."""
    x, y, w, h = box
    side = math.ceil(math.sqrt(w * h) * factor)
    left, top = round(x + 0.5 * w - 0.5 * side), round(y + 0.5 * h - 0.5 * side)  # round() is half to even
    height, width = frame.shape[:2]
    # A square that reaches the right (bottom) border loses the frame's last column (row) to black too: the official
    # trackers do this, and the networks were trained with it.
    x1, x2 = max(left, 0), min(left + side, width - 1)
    y1, y2 = max(top, 0), min(top + side, height - 1)
    square = np.zeros((side, side, 3), np.uint8)
    if x2 > x1 and y2 > y1:
        square[y1 - top : y2 - top, x1 - left : x2 - left] = frame[y1:y2, x1:x2]
    return resize(square, size), side


def resize(square, size):
    """Resize a square bilinearly as OpenCV's INTER_LINEAR does, with its 11-bit integers."""
    side = len(square)
    if side == size:
        return square
    position = ((np.arange(size) + 0.5) * (1.0 / (size / side)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(int)
    part = position - first.astype(np.float32)
    near, far = np.clip(first, 0, side - 1), np.clip(first + 1, 0, side - 1)
    right = np.rint(part * np.float32(2048)).astype(int)  # weights of columns: at the border, one column alone
    right[first < 0] = 0
    right[first >= side - 1] = 0
    rows = square.astype(int)
    across = (rows[:, near] * (2048 - right)[:, None] + rows[:, far] * right[:, None]) >> 4
    lower = np.rint(part * np.float32(2048)).astype(int)[:, None, None]  # weights of rows
    upper = np.rint((1 - part) * np.float32(2048)).astype(int)[:, None, None]
    return (((across[near] * upper >> 16) + (across[far] * lower >> 16) + 2) >> 2).astype(np.uint8)


def clip(box, frame, margin):
    """Keep `margin` pixels of the box inside the frame, and its sides at least that long."""
    x, y, w, h = box
    height, width = frame.shape[:2]
    x1, x2 = min(max(0.0, x), width - margin), min(max(margin, x + w), width)
    y1, y2 = min(max(0.0, y), height - margin), min(max(margin, y + h), height)
    return (x1, y1, max(margin, x2 - x1), max(margin, y2 - y1))


# --- is the target there? ---


class Judgment:
    """Counts low and sure scores in a row: "tracking", "uncertain" or "lost"."""

    def __init__(self, settings):
        self.settings = settings
        self.status, self.low, self.high, self.lost_frames = "tracking", 0, 0, 0

    def add(self, score):
        """Take the score (0..1) of one more frame."""
        s = self.settings
        self.low = self.low + (2 if score < 0.1 * s["lost_below"] else 1) if score < s["lost_below"] else 0
        self.high = self.high + 1 if score >= s["sure_above"] else 0
        if self.high:
            steady = self.status == "tracking" or self.high >= s["found_after"]
            self.status = "tracking" if steady else "uncertain"
        elif self.low and self.status != "lost":
            again = self.lost_frames > 0 or self.low >= s["lost_after"]
            self.status = "lost" if again else "uncertain"
        gone = self.status == "lost" or (self.status == "uncertain" and self.lost_frames > 0)
        self.lost_frames = self.lost_frames + 1 if gone else 0

    def lose(self):
        """Call the target lost without waiting for more low scores: the picture was cut."""
        self.status, self.lost_frames = "lost", max(1, self.lost_frames)


class UsualScore:
    """The level of scores that this target has. A score well below it tells more than the score itself."""

    def __init__(self):
        self.mean, self.frames = 1.0, 0

    def confidence(self, score, unlike):
        """Lower a score (0..1) that is unusual for this target, and by the logits `unlike`."""
        lowered = 2.0 * max(0.0, self.mean - logit(score) - 0.6) + unlike
        return 1 / (1 + math.exp(lowered - logit(score))) if lowered else score

    def add(self, score, sure):
        """Take a high score; `sure` says that it is usual as well."""
        weight = max(0.05, 1 / (self.frames + 2)) if sure else 0.02
        self.mean += weight * (logit(score) - self.mean)
        self.frames += sure


def logit(score):
    """Turn a probability into a logit."""
    return math.log(max(score, 1e-6) / max(1 - score, 1e-6))


def thumbnail(frame):
    """Brightness at 9 x 16 places, to notice a cut."""
    rows, columns = (np.linspace(0, n - 1, k).astype(int) for n, k in ((frame.shape[0], 9), (frame.shape[1], 16)))
    return frame[np.ix_(rows, columns)].mean(2).astype(int)


def likeness(first, other):
    """Compare two templates by the values of the middle block, (1, heads, 2 * T, d) each, of two equal templates."""
    count = first.shape[2] // 2
    side = round(count**0.5)
    on_target = np.abs((np.arange(side) + 0.5) / side - 0.5) <= 0.25
    places = np.flatnonzero(np.outer(on_target, on_target))
    a, b = (values[0][:, places].transpose(1, 0, 2).reshape(len(places), -1).astype(float) for values in (first, other))
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())


# --- the tracker ---


class OnnxTracker:
    """Tracks one target: `start` with its box, then `update` with each following frame."""

    def __init__(self, folder):
        description = json.loads((Path(folder) / "config.json").read_text())
        model, self.settings = description["model"], description["tracker"]
        self.search_size, self.template_size = model["search_size"], model["template_size"]
        self.memory_names = description["graphs"]["memory"]
        self.middle = 2 * (model["depth"] // 2) + 1  # each block gives its keys, then its values
        self.remember, self.locate = (
            onnxruntime.InferenceSession(Path(folder) / f"{name}.onnx", providers=["CPUExecutionProvider"])
            for name in ("remember", "locate")
        )

    def start(self, frame, box):
        """Choose the target."""
        template, _ = crop(frame, box, self.settings["template_factor"], self.template_size)
        self.templates = [template, template]  # the initial one, then the online ones
        self.first_memory = self.memory = self.encode(self.templates)
        self.box = self.sure_box = tuple(box)
        self.frame_number, self.found_box, self.looked, self.cut = 0, None, 0, False
        self.candidate, self.best_score, self.next_slot = None, -1.0, 0
        # Two judgments: by the score itself, which moves the box; and in the light of the usual score, which is told.
        self.judged, self.told, self.usual = Judgment(self.settings), Judgment(self.settings), UsualScore()
        self.likeness = 1.0
        self.thumbnail = thumbnail(frame)

    def update(self, frame):
        """Find the target in the next frame: its box, score (0..1; None without a score head) and status."""
        s, self.frame_number = self.settings, self.frame_number + 1
        box, score = self.look(frame, self.found_box or self.box, self.memory)
        if s["rules"] == "official" or score is None:
            self.box = box
            if score is not None:
                self.judged.add(score)
            self.update_templates(frame, box, score)
            return self.box, score, self.judged.status
        self.judged.add(score)
        self.notice_cut(frame)
        self.found_box = None
        if self.judged.status == "tracking" and self.judged.high:
            self.sure_box, self.cut, self.looked = box, False, 0
        elif self.judged.status == "lost":
            if score < 0.5 * s["lost_below"]:
                box = self.sure_box  # wait where the target was last
            if self.judged.low:
                self.search_elsewhere(frame)
        self.box = box
        if self.judged.status == "tracking":
            self.update_templates(frame, box, score)
        self.compare(frame, score)
        return box, self.tell(score), self.told.status

    def encode(self, templates):
        """Run the graph for templates, which is needed only when one changes."""
        return self.remember.run(self.memory_names, {"templates": np.stack(templates)[None]})

    def look(self, frame, around, memory):
        """Find the target in the crop around a box; return its box and score."""
        s, size = self.settings, self.search_size
        square, side = crop(frame, around, s["search_factor"], size)
        found = self.locate.run(None, {"search": square[None], **dict(zip(self.memory_names, memory, strict=True))})
        found = dict(zip((output.name for output in self.locate.get_outputs()), found, strict=True))
        cx, cy, w, h = (float(v) * side for v in found["boxes"][0])
        score = 1 / (1 + math.exp(-float(found["scores"][0]))) if "scores" in found else None
        x = around[0] + 0.5 * around[2] + cx - 0.5 * side - 0.5 * w
        y = around[1] + 0.5 * around[3] + cy - 0.5 * side - 0.5 * h
        return clip((x, y, w, h), frame, s["margin"]), score

    def update_templates(self, frame, box, score):
        """Keep the best frame of an interval as an online template when the interval ends."""
        s = self.settings
        if s["update"] == "never" or s["update_interval"] == 0 or (s["update"] == "score" and score is None):
            return
        ends = self.frame_number % s["update_interval"] == 0
        self.best_score *= s["score_decay"]
        take = ends if s["update"] == "interval" else score > max(s["score_threshold"], self.best_score)
        if take:
            self.best_score = score if score is not None else -1.0
            self.candidate, _ = crop(frame, box, s["template_factor"], self.template_size)
        if not ends:
            return
        new = self.templates[0] if self.candidate is None else self.candidate
        if len(self.templates) <= s["online_templates"]:
            self.templates.append(new)
        else:
            self.templates[1 + self.next_slot] = new
            self.next_slot = (self.next_slot + 1) % s["online_templates"]
        self.memory = self.encode(self.templates)
        self.candidate, self.best_score = None, -1.0

    def notice_cut(self, frame):
        """Call the target lost at once if the whole picture changed and the score is low."""
        before, self.thumbnail = self.thumbnail, thumbnail(frame)
        if np.abs(self.thumbnail - before).mean() > 35:
            self.cut = True
            if self.judged.low:
                self.judged.lose()
                self.looked = 0

    def compare(self, frame, score):
        """Compare what the box shows with the initial template: now and then, and in every frame that is in doubt."""
        s = self.settings
        sure = self.told.status == "tracking" and score >= s["sure_above"]
        due = not sure or self.frame_number % s["likeness_interval"] == 0
        if due and score >= s["lost_below"]:
            self.likeness = self.alike(frame, self.box)

    def alike(self, frame, box):
        """Return the likeness of what a box shows to the initial template."""
        if not self.settings["likeness_weight"]:
            return 1.0
        shown, _ = crop(frame, box, self.settings["template_factor"], self.template_size)
        return likeness(self.first_memory[self.middle], self.encode([shown, shown])[self.middle])

    def unlike(self, alike):
        """Return the logits by which a likeness lowers a score."""
        return self.settings["likeness_weight"] * max(0.0, self.settings["likeness_usual"] - alike)

    def tell(self, score):
        """Judge the score in the light of the usual one and the likeness; return it, lowered if it is unusual."""
        seen = self.usual.confidence(score, self.unlike(self.likeness))
        self.told.add(seen)
        if self.cut and self.told.low:
            self.told.lose()
        if score >= self.settings["sure_above"]:
            self.usual.add(score, self.told.status == "tracking" and self.told.high > 0)
        return seen

    def search_elsewhere(self, frame):
        """Look for a lost target in a few more windows, by the initial template and by all templates in turns."""
        places = self.places(*frame.shape[:2])
        memory = self.memory if self.looked // 2 % 2 else self.first_memory
        found = [self.look(frame, place, memory) for place in places]
        self.looked += len(places)
        box, score = max(found, key=lambda each: each[1], default=(None, 0.0))
        least = self.settings["found_above"]
        if score >= least and logit(score) - self.unlike(self.alike(frame, box)) >= logit(least):
            self.found_box = box  # the next frame looks there again

    def places(self, height, width):
        """Windows over the frame: near ones first, farther ones the longer the target is away, all after a cut.

        The package also looks at places of similar shape and color (`search_glances`); this program does not.
        """
        s = self.settings
        if s["redetect"] == "off" or s["search_budget"] < 2:
            return []
        x, y, w, h = self.sure_box
        size = math.sqrt(w * h)
        stride = 0.6 * s["search_factor"] * size
        scale = min(2.0, max(1.0, math.sqrt(height * width / 12) / stride))
        rows, columns = (min(32, max(1, math.ceil(side / (stride * scale)))) for side in (height, width))
        middles = [
            ((j + 0.5) * width / columns, (i + 0.5) * height / rows) for i in range(rows) for j in range(columns)
        ]
        anywhere = s["redetect"] == "frame" and (self.cut or self.judged.lost_frames > 10)
        reach = math.inf if anywhere else size * (2.5 + 0.35 * self.judged.lost_frames)

        def distance(middle):
            return math.hypot(middle[0] - (x + 0.5 * w), middle[1] - (y + 0.5 * h))

        near = sorted((m for m in middles if distance(m) <= reach), key=distance)
        hurry = self.cut and anywhere and self.looked < len(middles)
        count = min(s["search_budget"] - 1 if hurry else 1, len(near))
        chosen = [near[(self.looked + k) % len(near)] for k in range(count)]
        return [(mx - w * scale / 2, my - h * scale / 2, w * scale, h * scale) for mx, my in chosen]


if __name__ == "__main__":
    main()
