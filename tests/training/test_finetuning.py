"""Fine-tuning on a few own videos: the split, the samples, the run, what it keeps and what it refuses."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mixformer import Box, Tracker, TrackerConfig
from mixformer.annotation import AnnotationProject, KeyBox, add_target, look_at_video, save_project, set_key
from mixformer.cli import main
from mixformer.data import VideoSequence, read_any
from mixformer.data.sampling import AnnotatedFrame
from mixformer.data.sequence import ImageCache
from mixformer.errors import ConfigError, DataError, OutputError
from mixformer.training import finetune, finetuning
from mixformer.training.own_videos import OwnVideoSamples, open_videos, split_videos
from mixformer.training.training_state import CHECKPOINT
from mixformer.training.tuning_results import TuningPlan, begin_run, best_step
from mixformer.video.demo import DEMO_CLIP
from mixformer.weights.load_save import load_weights
from tests.helpers.clips import moving_square, write_clip

FAST = ("batch_size=2", "data.workers=0", "optimizer.freeze_blocks=0")


def write_sequence(root, name, count=8, step=3, gone=()):
    frames, boxes = moving_square(count, step=step)
    (root / name / "img").mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(root / name / "img" / f"{number:03d}.png")
    boxes = np.array(boxes, float)
    boxes[list(gone)] = np.nan
    np.savetxt(root / name / "groundtruth.txt", boxes, delimiter=",")


@pytest.fixture
def videos(tmp_path):
    root = tmp_path / "videos"
    for number in range(3):
        write_sequence(root, f"clip{number}", step=number + 2)
    return root


def tune(videos, model, out, steps=2, **more):
    return finetune(videos, out, model=model, steps=steps, changes=FAST, **more)


def test_a_fifth_of_the_videos_is_held_back(tmp_path):
    for number in range(20):
        write_sequence(tmp_path, f"clip{number:02d}", count=3)
    parts, notes = split_videos(read_any(tmp_path), seed=1)
    names = [{each.name for each in part} for part in (parts.train, parts.choose, parts.measure)]
    assert [len(each) for each in names] == [16, 2, 2]
    assert len(set.union(*names)) == 20  # no video is in two parts
    assert notes == []
    again, _ = split_videos(read_any(tmp_path), seed=1)
    assert [each.name for each in again.measure] == [each.name for each in parts.measure]


def test_targets_of_one_video_stay_together(tmp_path):
    for number in range(4):
        write_sequence(tmp_path, f"street_{number}")
        (tmp_path / f"street_{number}" / "target.json").write_text("{}")
    write_sequence(tmp_path, "park")
    parts, notes = split_videos(read_any(tmp_path), seed=1)
    held = {each.name for each in parts.choose}
    assert held in ({"park"}, {f"street_{number}" for number in range(4)})
    assert not held & {each.name for each in parts.train}
    assert parts.measure is parts.choose
    assert ["are few" in text or "also choose" in text for text in notes] == [True, True]


def test_of_a_single_video_the_end_is_held_back(tmp_path):
    write_sequence(tmp_path, "only", count=12, gone=[8])
    parts, notes = split_videos(read_any(tmp_path), seed=1)
    assert (len(parts.train[0]), len(parts.choose[0])) == (8, 3)  # from the first visible frame on
    assert parts.choose[0].frames[0].name == "009.png"
    assert "there is one video" in notes[0]
    with pytest.raises(DataError, match="at least two videos"):
        split_videos([VideoSequence("still", parts.train[0].frames[:1], parts.train[0].boxes[:1])], seed=1)


def test_samples_without_the_target_never_show_it(tmp_path):
    """One small frame, full of the target: there is no other place, no other video and no frame without it."""
    frames, boxes = moving_square(2, height=60, width=50, side=20)
    (tmp_path / "only" / "img").mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "only" / "img" / f"{number}.png")
    np.savetxt(tmp_path / "only" / "groundtruth.txt", np.array(boxes, float), delimiter=",")
    source = OwnVideoSamples(list(read_any(tmp_path)), ImageCache(10))
    random = np.random.default_rng(0)
    view = source.view(random)
    found = source.absent(random, view)
    x, y, w, h = (round(v) for v in view.box)
    inside = np.s_[y + 2 : y + h - 2, x + 2 : x + w - 2]
    assert np.abs(found.image[inside].astype(int) - view.image[inside]).mean() > 20


def test_frames_without_the_target_and_other_videos_are_used(tmp_path):
    write_sequence(tmp_path, "one", gone=[5, 6])
    write_sequence(tmp_path, "two")
    source, random = OwnVideoSamples(list(read_any(tmp_path)), ImageCache(10)), np.random.default_rng(0)
    sequence = next(each for each in source.sequences if each.name == "one")
    view = AnnotatedFrame(source.cache.read(sequence.frames[0]), sequence.box(0), sequence)
    drawn = [source.absent(random, view) for _ in range(60)]
    assert {each.origin.name for each in drawn if each.origin} == {"one", "two"}
    assert any((each.image == source.cache.read(sequence.frames[5])).all() for each in drawn)


def test_the_result_is_a_model_with_its_numbers(videos, tiny_model, tmp_path):
    said, steps = [], []
    done = tune(videos, tiny_model, tmp_path / "out", tell=said.append, progress=lambda *row: steps.append(row))
    assert (tmp_path / "out" / "config.json").is_file()
    report = json.loads((tmp_path / "out" / "finetune.json").read_text())
    assert report["before"]["auc"] == done.before.auc
    assert report["after"]["auc"] == done.after.auc
    assert len(report["train"]) == 2
    assert ("training", 2, 2) in steps
    assert any("2 steps of 2 samples" in text for text in said)
    tracker = Tracker(done.folder)
    frames, boxes = moving_square(2)
    tracker.init(frames[0], boxes[0])
    assert isinstance(tracker.update(frames[1]).box, Box)


def test_a_killed_run_goes_on_to_the_same_weights(videos, tiny_model, tmp_path):
    whole = tune(videos, tiny_model, tmp_path / "whole", steps=4)

    def kill(what, done, total):
        if (what, done) == ("training", 3):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        tune(videos, tiny_model, tmp_path / "out", steps=4, progress=kill)
    with pytest.raises(ConfigError, match="another value of: model"):
        finetune(videos, tmp_path / "out", steps=4, changes=FAST)
    said = []
    again = tune(videos, tiny_model, tmp_path / "out", steps=4, tell=said.append)
    assert "resuming a run of 4 steps" in said
    assert (again.best_step, again.after) == (whole.best_step, whole.after)
    old, new = load_weights(whole.folder).state, load_weights(again.folder).state
    assert all(torch.equal(old[name], new[name]) for name in old)
    with pytest.raises(OutputError, match="finished model"):
        tune(videos, tiny_model, tmp_path / "out")
    assert tune(videos, tiny_model, tmp_path / "out", steps=1, overwrite=True).steps == 1


@pytest.mark.parametrize(("killed_at", "resumed_at"), [(0, 1), (2, 2)])
def test_an_interrupted_run_that_overwrites_another_is_resumed(videos, tiny_model, tmp_path, killed_at, resumed_at):
    out = tmp_path / "out"
    tune(videos, tiny_model, out, steps=2)
    before = load_weights(out).state
    checkpoint = (out / "run" / CHECKPOINT).read_bytes()

    def kill(what, done, total):
        if (what, done) == ("training", killed_at):
            raise KeyboardInterrupt

    def kill_at_once(text):
        if killed_at == 0 and "to train on" in text:  # the plan is made, and no step is done
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(videos, tiny_model, out, steps=4, overwrite=True, progress=kill, tell=kill_at_once)
    kept = load_weights(out).state
    assert all(torch.equal(before[name], kept[name]) for name in before)  # until the new model is ready
    assert (out / "run" / "earlier" / CHECKPOINT).read_bytes() == checkpoint
    said, steps = [], []
    again = tune(videos, tiny_model, out, steps=4, tell=said.append, progress=lambda *row: steps.append(row))
    assert "resuming a run of 4 steps" in said
    assert again.steps >= 3  # three checks without a gain end it
    assert min(done for what, done, _ in steps if what == "training") == resumed_at
    assert not (out / "run" / "earlier").exists()
    with pytest.raises(OutputError, match="finished model"):
        tune(videos, tiny_model, out)


def test_a_run_does_not_go_on_with_other_sequences(videos, tiny_model, tmp_path):
    """One more video gave another split: some that were held back were trained on, and `before` was of others."""

    def kill(what, done, total):
        if (what, done) == ("training", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(videos, tiny_model, tmp_path / "out", steps=4, progress=kill)
    write_sequence(videos, "more")
    with pytest.raises(ConfigError, match=r"began with other sequences.*--overwrite"):
        tune(videos, tiny_model, tmp_path / "out", steps=4)
    shutil.rmtree(videos / "more")
    assert tune(videos, tiny_model, tmp_path / "out", steps=4).steps >= 3


def test_a_full_disk_at_the_begin_of_a_new_run_leaves_the_earlier_one(tmp_path, monkeypatch):
    """Its checkpoint was removed before there was another."""
    run = tmp_path / "run"
    (run / "best").mkdir(parents=True)
    for name in (CHECKPOINT, "plan.json", "best/config.json"):
        (run / name).write_text(name)
    plan = TuningPlan({}, 2, 1, "float32", (), (), (), 0.5, {})

    def full(self, path):
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(TuningPlan, "to_file", full)
        with pytest.raises(OutputError, match="full"):
            begin_run(run, plan)
    assert sorted(path.name for path in run.iterdir()) == ["best", "plan.json", CHECKPOINT]
    assert (run / CHECKPOINT).read_text() == CHECKPOINT
    begin_run(run, plan)
    assert (run / "earlier" / CHECKPOINT).read_text() == CHECKPOINT
    begin_run(run, plan)  # overwritten again before it is whole: what the first left is the result
    assert (run / "earlier" / CHECKPOINT).read_text() == CHECKPOINT


def test_a_run_that_gets_worse_ends_and_keeps_the_start(videos, tiny_model, tmp_path, monkeypatch):
    scores = iter([0.0] * 9)
    monkeypatch.setattr(finetuning._Job, "check", lambda *_: next(scores))
    done = tune(videos, tiny_model, tmp_path / "out", steps=8)
    assert (done.steps, done.best_step, done.stopped_early) == (3, 0, True)
    old, new = load_weights(tiny_model).state, load_weights(done.folder).state
    assert all(torch.equal(old[name], new[name]) for name in old if not name.startswith("score_head.out"))
    assert done.gain == 0


def test_a_calibration_that_hides_absences_is_not_taken(tiny_model, monkeypatch):
    start, config = load_weights(tiny_model), TrackerConfig()
    job = SimpleNamespace(track=lambda *_: [], tracker=config)
    hits = np.arange(80) % 3 > 0
    for scores, right, taken in (
        (np.where(hits, 0.6, 0.55), hits, True),
        (np.linspace(0.5, 0.8, 80), np.arange(80) != 60, False),  # one wrong box, which looks as good as others
    ):
        pairs = list(zip(np.split(scores, 2), np.split(right, 2), strict=True))
        monkeypatch.setattr(finetuning, "score_pairs", lambda _, pairs=pairs: pairs)
        assert (finetuning._Job.calibrated(job, start, [])[1:] != (1.0, 0.0)) is taken


def test_the_number_of_steps_follows_from_the_time(videos, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning._Job, "seconds_of_step", lambda *_: 1000.0)
    tune(videos, tiny_model, tmp_path / "out", steps=0, minutes=0.01)
    plan = json.loads((tmp_path / "out" / "run" / "plan.json").read_text())
    assert (plan["steps"], plan["interval"]) == (16, 2)  # not fewer


def test_errors_of_the_data_are_listed_with_advice(videos, tiny_model, tmp_path):
    (videos / "clip1" / "groundtruth.txt").write_text("1,2,3,4\n")
    np.savetxt(videos / "clip2" / "groundtruth.txt", np.full((8, 4), 500.0), delimiter=",")
    with pytest.raises(DataError) as caught:
        tune(videos, tiny_model, tmp_path / "out")
    text = str(caught.value)
    assert "2 errors in" in text
    assert "clip1: " in text
    assert "make them equal" in text
    assert "clip2: boxes lie wholly outside the picture" in text
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(OutputError, match="give a new folder"):
        tune(videos, tiny_model, tmp_path / "full")


def test_an_annotation_project_is_data(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", moving_square(9)[0])
    boxes = moving_square(9)[1]
    project = AnnotationProject(look_at_video(clip, tmp_path / "clip.mixformer.json"))
    project = add_target(project, 1, keys=[KeyBox(number, Box(*box)) for number, box in enumerate(boxes)])
    save_project(project, tmp_path / "clip.mixformer.json")
    (sequence,), problems = open_videos(tmp_path / "clip.mixformer.json", tmp_path / "work")
    assert len(sequence) == 9
    np.testing.assert_allclose(sequence.boxes, np.array(boxes), atol=0.01)
    assert not [each for each in problems if each.level == "error"]
    # Changed boxes are taken when a run begins anew, and not when it is resumed.
    moved = set_key(project, 1, 3, Box(1, 2, 30, 40))
    save_project(moved, tmp_path / "clip.mixformer.json")
    for fresh, box in ((False, boxes[3]), (True, (1, 2, 30, 40))):
        (sequence,), _ = open_videos(tmp_path / "clip.mixformer.json", tmp_path / "work", fresh)
        np.testing.assert_allclose(sequence.boxes[3], box, atol=0.01)


def test_the_included_weights_are_tuned_on_real_frames(tmp_path, capsys):
    """The demo clip in three pieces; the boxes follow the walker roughly."""
    from mixformer.video import open_video

    frames = [frame.image for frame in open_video(DEMO_CLIP)][:12]
    for number in range(3):
        folder = tmp_path / "shirt" / f"piece{number}" / "img"
        folder.mkdir(parents=True)
        for place, frame in enumerate(frames[4 * number : 4 * number + 4]):
            Image.fromarray(frame).save(folder / f"{place}.png")
        rows = np.tile([260.0, 29, 41, 142], (4, 1)) + np.arange(4 * number, 4 * number + 4)[:, None] * [1, 0, 0, 0]
        np.savetxt(folder.parent / "groundtruth.txt", rows, delimiter=",")
    words = ["finetune", str(tmp_path / "shirt"), "--out", str(tmp_path / "mine"), "--device", "cpu", "--steps", "1"]
    assert main([*words, "--set", "batch_size=2", "data.workers=0"]) == 0
    said = capsys.readouterr().out
    assert "success AUC" in said
    assert "calibration error" in said
    assert all(len(line) < 80 for line in said.splitlines() if not line.startswith(("wrote", "for a faster")))
    state = load_weights(tmp_path / "mine").state
    assert all(torch.isfinite(value).all() for value in state.values())


def test_a_check_as_good_as_the_start_is_not_better(tmp_path):
    """The log has six decimals, and 0.70238095 is below what it becomes there."""
    start = 0.7023809523809523
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "validation": 0.702381}\n{"step": 1, "loss": 2.0}\n{"step": 2, "validation": 0.7}\n')
    assert best_step(log, start) == 0
    log.write_text(
        '{"step": 1, "validation": 0.71}\n{"step": 2, "validation": 0.73}\n{"step": 3, "validation": 0.72}\n'
    )
    assert best_step(log, start) == 2
