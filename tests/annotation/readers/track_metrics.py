"""Print the boxes that TrackEval reads in our MOT ground truth, and how good they are against themselves."""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import trackeval


def data_of(root, work):
    """Our sequence as TrackEval's folders have it; the results are the truth of its only class, pedestrians (1)."""
    truth, results = work / "truth" / "seq" / "gt", work / "results" / "ours" / "data"
    truth.mkdir(parents=True)
    results.mkdir(parents=True)
    lines = (root / "mot" / "gt" / "gt.txt").read_text().splitlines(keepends=True)
    (truth / "gt.txt").write_text("".join(lines))
    (results / "seq.txt").write_text("".join(line for line in lines if line.split(",")[7] == "1"))
    (truth.parent / "seqinfo.ini").write_text((root / "mot" / "seqinfo.ini").read_text())
    return trackeval.datasets.MotChallenge2DBox({
        "GT_FOLDER": str(work / "truth"), "TRACKERS_FOLDER": str(work / "results"), "SKIP_SPLIT_FOL": True,
        "SEQ_INFO": {"seq": None}, "PRINT_CONFIG": False,
    })  # fmt: skip


def boxes(raw, labels):
    for frame, (kinds, sides) in enumerate(zip(raw["gt_classes"], raw["gt_dets"], strict=True)):
        for kind, (x, y, w, h) in zip(kinds, sides.tolist(), strict=True):
            yield [frame, labels[int(kind) - 1], *(round(side, 3) for side in (x - 1, y - 1, w, h))]  # pixels from 1


def read(root):
    with tempfile.TemporaryDirectory() as work:
        data = data_of(root, Path(work))
        raw = data.get_raw_seq_data("ours", "seq")
        seen = data.get_preprocessed_seq_data(raw, "pedestrian")
    measures = trackeval.metrics
    return {
        "boxes": sorted(boxes(raw, (root / "mot" / "gt" / "labels.txt").read_text().splitlines())),
        "HOTA": float(np.mean(measures.HOTA().eval_sequence(seen)["HOTA"])),
        "MOTA": float(measures.CLEAR({"PRINT_CONFIG": False}).eval_sequence(seen)["MOTA"]),
        "IDF1": float(measures.Identity({"PRINT_CONFIG": False}).eval_sequence(seen)["IDF1"]),
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = read(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(found))
