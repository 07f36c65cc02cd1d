"""Whole runs of the official tracker, frame by frame, with rebuilt weights: free, and with the true box forced."""

import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines.torch_engine import TorchEngine
from mixformer.imaging.crop import CropWindow, crop_target
from mixformer.models import build_model
from mixformer.tracking import Tracker
from mixformer.types import Box
from mixformer.weights.infer_config import infer_config
from mixformer.weights.official_names import from_official
from tests.parity.rebuild import SHARED, read_json, rebuild_state

HERE = Path(__file__).parent / "references"
NO_SHARED = f"the full set of references is not at {SHARED}"


def find(name):
    return HERE / name if (HERE / name).is_file() else SHARED / "trackers" / name


def read_clip():
    arrays = np.load(find("clip.npz"))
    return np.bitwise_xor.accumulate(arrays["frames_xor"], axis=0), arrays["gt_xywh"]


def make_engine(changes):
    state = {k: torch.from_numpy(v) for k, v in rebuild_state(read_json(f"{changes['variant']}.json"), changes).items()}
    config = infer_config(state)
    model = build_model(config)
    model.load_state_dict(from_official(state, config))
    return TorchEngine(model)


def rules(name, run):
    """Settings of a run; the trackers of the first papers without a score replace the template at fixed intervals."""
    options = run["options"]
    return TrackerConfig(
        search_factor=run["search_factor"],
        template_factor=run["template_factor"],
        update_interval=options.get("update_interval", *options.get("intervals", [])),
        online_templates=options.get("online_size", options.get("online_sizes", 1)),
        update="interval" if name.startswith("v1") and name.endswith("offline") else "score",
        score_decay=options.get("max_score_decay", 1.0),
    )


def sha(image):
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest(), np.uint8)


def as_rounded(box, theirs, factor):
    """The box, or the reference's where the 2e-3 pixels that it may be off decide to which pixel a window rounds."""
    window = CropWindow.around(box, factor)
    if window == CropWindow.around(theirs, factor):
        return box
    moves = itertools.product((-2e-3, 0, 2e-3), repeat=2)
    moved = [theirs._replace(x=theirs.x + dx, y=theirs.y + dy) for dx, dy in moves]
    assert window in [CropWindow.around(each, factor) for each in moved]
    return theirs


def check_frame(reference, i, frame, before, tracker, result):
    """Every recorded quantity of one frame."""

    def near(name, found, atol):
        np.testing.assert_allclose(found, reference[name][i], atol=atol, rtol=0, err_msg=f"{name}, frame {i + 1}")

    settings, size = tracker.config, tracker.engine.config
    near("state_before", before.box, 2e-3)
    window = CropWindow.around(before.box, settings.search_factor)
    assert (window.side, window.left, window.top) == (reference["crop_size"][i], *reference["crop_x1y1"][i])
    search, scale = crop_target(frame, before.box, settings.search_factor, size.search_size)
    near("resize_factor", scale, 1e-12)
    np.testing.assert_array_equal(sha(search), reference["search_crop_sha256"][i])
    step = tracker.search(frame, before)
    near("pred_cxcywh", step.crop_box, 1e-5)
    near("pred_scaled", np.array(step.crop_box) * size.search_size / scale, 2e-3)
    near("mapped_xywh", step.mapped, 2e-3)
    near("state_after", result.box, 2e-3)
    assert result.template_updated == reference["template_updated"][i]
    count = tracker.state.template_buffer.count
    assert count == reference["online_templates_after"][i] == len(tracker.state.templates) - 1
    if reference["candidate_taken"][i]:
        box = as_rounded(result.box, Box(*map(float, reference["state_after"][i])), settings.template_factor)
        template, _ = crop_target(frame, box, settings.template_factor, size.template_size)
        np.testing.assert_array_equal(sha(template), reference["template_crop_sha256"][i])
    if np.isnan(reference["score"][i]):  # a model without score head
        assert result.score is None
        return
    near("score", result.score, 1e-5)
    near("score_logit", np.log(result.score / (1 - result.score)), 1e-4)
    after = tracker.state
    near("max_pred_score_after", after.template_buffer.best_score, 1e-5)
    assert after.template_buffer.next_slot == reference["forget_index_after"][i]
    if not result.template_updated:  # a commit clears the candidate
        taken = after.candidate_crop is not None and after.candidate_crop is not before.candidate_crop
        assert taken == reference["candidate_taken"][i]


def check_run(name, run_name, engine, description):
    with np.load(find(f"{name}.npz")) as arrays:
        reference = {k.removeprefix(run_name + "/"): arrays[k] for k in arrays.files if k.startswith(run_name + "/")}
    frames, truth = read_clip()
    tracker = Tracker(engine, rules(name, description["runs"][run_name]))
    tracker.init(frames[0], description["init_bbox"])
    for i, frame in enumerate(frames[1:]):
        if run_name.endswith("/forced"):
            tracker.state = replace(tracker.state, box=Box(*truth[i].tolist()))
        before = tracker.state
        result = tracker.update(frame)
        check_frame(reference, i, frame, before, tracker, result)


def runs_of(name):
    path = find(f"{name}.json")
    return [(name, run) for run in json.loads(path.read_text())["runs"]] if path.is_file() else []


@pytest.fixture(scope="module")
def engines():
    made = {}

    def get(name):
        if name not in made:
            description = json.loads(find(f"{name}.json").read_text())
            made[name] = make_engine(description), description
        return made[name]

    return get


@pytest.mark.parametrize(("name", "run"), runs_of("v2_s_online"))
def test_mixformerv2_s_follows_the_official_run(engines, name, run):
    check_run(name, run, *engines(name))


@pytest.mark.sweep
@pytest.mark.skipif(not (SHARED / "trackers").is_dir(), reason=NO_SHARED)
@pytest.mark.parametrize(
    ("name", "run"),
    [
        pair
        for name in (
            "v2_s_offline",
            "v2_b_online",
            "v1_cvt_offline",
            "v1_cvt_online",
            "v1_vit_offline",
            "v1_vit_online",
        )
        for pair in runs_of(name)
    ],
)
def test_every_official_run(engines, name, run):
    check_run(name, run, *engines(name))


def test_more_than_one_online_template_works_where_the_official_code_stops(engines):
    engine, description = engines("v2_s_online")
    assert "RuntimeError" in description["online_size_2"]
    frames, _ = read_clip()
    tracker = Tracker(engine, TrackerConfig(update_interval=3, online_templates=3, score_threshold=0.0))
    tracker.init(frames[0], description["init_bbox"])
    for frame in frames[1:11]:
        result = tracker.update(frame)
        assert np.isfinite(result.box).all()
    assert len(tracker.state.templates) == 4
