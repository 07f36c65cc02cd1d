"""Routes: their steps, their tiny forms, and a pipeline that is killed and goes on."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mixformer.cli import main
from mixformer.data.annotated_folders import read_sequences
from mixformer.errors import ConfigError
from mixformer.training import ROUTES, Recipe, RouteStep, plan_route
from mixformer.training.ablation_tables import STEPS
from mixformer.training.route_runs import needed_steps, plan_steps
from mixformer.training.tiny import tiny_recipe, toy_sequences
from mixformer.weights.load_save import load_weights
from tests.helpers.recipes import FOLDER, OWN, PATHS, exported, recipe

# The smallest runs of the sizes that fit the included weights.
SMALL = ["--scale", "tiny", "--steps", "3", "--set", "batch_size=2", "epoch_samples=2", "save_interval=1"]


def test_the_routes_are_those_of_the_docs():
    text = (FOLDER.parent / "docs" / "recipes.md").read_text()
    table = dict(re.findall(r"^\| [^|]* \| `([^`]*)` \| ([^|]*) \|$", text, re.MULTILINE))
    told = {name: re.findall(r"`(\w+)`", steps) for name, steps in table.items()}
    assert told == {name: [step.name for step in steps] for name, steps in ROUTES.items() if name != "included"}


def test_a_name_means_one_step():
    steps = [step for steps in ROUTES.values() for step in steps]
    assert len(set(steps)) == len({step.name for step in steps})


def test_every_recipe_of_the_papers_is_a_step_of_a_route_or_an_ablation():
    used = {step.recipe_name for step in STEPS.values() if not step.cut}
    assert set(PATHS) - OWN - used <= {"finetune"}
    assert used <= set(PATHS)


@pytest.mark.parametrize("scale", ["paper", "tiny"])
@pytest.mark.parametrize("name", ROUTES)
def test_each_step_starts_from_those_before_it(name, scale):
    """Every path leads to an earlier step of the same route, whose network fits."""
    made = {}
    for report in plan_route(name, "out", scale=scale):
        if report.recipe is None:
            config = made[f"out/{report.step.source}/model"]
            made[f"out/{report.step.name}"] = config.replace(mlp_ratio=report.step.amount)
            continue
        start, teacher = report.recipe.init_from, report.recipe.teacher.model
        assert not start.startswith("runs/") or "dinov2" in start
        if start.startswith("out/"):
            ours, theirs = report.recipe.network(), made[start]
            assert (ours.depth, ours.dim, ours.mlp_ratio) == (theirs.depth, theirs.dim, theirs.mlp_ratio)
        if teacher:
            depth = made[teacher].mixing_depth
            assert all(block < depth for block in report.recipe.teacher.teacher_blocks)
        blocks = set(report.recipe.teacher.student_blocks)
        assert not blocks & set(report.recipe.pruning.blocks)
        made[f"out/{report.step.name}/model"] = exported(report.recipe)


def test_data_and_changes_reach_all_recipes():
    plan = plan_route("mixvit", "out", data="/datasets", changes=["grad_accum_steps=8", "data.sets.0.weight=3"])
    for report in plan:
        assert (report.recipe.data_root, report.recipe.grad_accum_steps) == ("/datasets", 8)
        assert report.recipe.data.sets[0].weight == 3
        assert report.recipe.data.sets[1] == recipe(report.step.recipe_name).data.sets[1]


def test_a_tiny_recipe_keeps_what_its_stage_is_about(tmp_path):
    """4 of 12 blocks become 2 of 6; blocks that stay are compared with the same blocks of the teacher."""
    plan = tiny_recipe(recipe("v2_s_8"), tmp_path, 100)
    assert plan.network().depth == 6
    assert (plan.pruning.blocks, plan.pruning.epochs, plan.epoch_steps) == ((0, 3), 25, 1)
    assert plan.teacher.student_blocks == plan.teacher.teacher_blocks == (1, 2, 4, 5)
    assert plan.loss == recipe("v2_s_8").loss
    assert plan.teacher.kl_weight == recipe("v2_s_8").teacher.kl_weight
    assert tiny_recipe(recipe("v2_b_prune_12to8"), tmp_path, 90).pruning.epochs == 80


def test_a_tiny_recipe_with_the_fusion_of_transt_has_a_lower_rate(tmp_path):
    """At 1e-3 it learned nothing in 38,400 samples, at 3e-4 in 12,800."""
    usual = recipe("mixcvt_base")
    fused = usual.replace(model_overrides={**usual.model_overrides, "attention": "symmetric", "fusion_layers": 4})
    rates = [tiny_recipe(each, tmp_path, 90).optimizer for each in (usual, fused)]
    assert [(each.lr, each.backbone_lr) for each in rates] == [(1e-3, 1e-3), (3e-4, 3e-4)]


def test_needed_steps_come_first():
    steps = {step.name: step for step in ROUTES["v2-s"]}
    assert [step.name for step in needed_steps(["v2_s_score"], steps)] == [*steps]
    assert [step.name for step in needed_steps(["v2_s_8"], steps)] == [*steps][:3]


def test_a_cut_at_tiny_scale_keeps_half_the_blocks():
    steps = [RouteStep("teacher", "mixvit_corner"), RouteStep("first", source="teacher", cut="keep_first", amount=4)]
    assert [report.step.amount for report in plan_steps(steps, Path("out"), scale="tiny")] == [0, 2]
    assert [report.step.amount for report in plan_steps(steps, Path("out"))] == [0, 4]


def test_toy_sequences_are_drawn_once_and_show_their_target(tmp_path):
    sequences = read_sequences(toy_sequences(tmp_path, 2, 5))
    assert [len(sequence) for sequence in sequences] == [5, 5]
    for sequence in sequences:
        assert (sequence.boxes[:, :2] >= 0).all()
        assert (sequence.boxes[:, :2] + sequence.boxes[:, 2:] <= (160, 120)).all()
        assert np.ptp(sequence.boxes[:, 0]) > 1
    before = (tmp_path / "toy00" / "img" / "00000001.png").stat().st_mtime_ns
    toy_sequences(tmp_path, 2, 5)
    assert (tmp_path / "toy00" / "img" / "00000001.png").stat().st_mtime_ns == before


def test_other_settings_are_refused(tmp_path):
    name = "mixcvt_stage1"
    plan = plan_route("mixcvt", tmp_path, scale="tiny")
    plan[0].recipe.to_file(tmp_path / name / "recipe.json")
    assert not plan_route("mixcvt", tmp_path, scale="tiny", changes=["save_interval=3", "data.workers=2"])[0].done
    with pytest.raises(
        ConfigError, match=r"mixcvt_stage1 holds a run with other settings \(max_steps, optimizer, pruning\)"
    ):
        plan_route("mixcvt", tmp_path, scale="tiny", steps=7)


def test_the_list_shows_every_stage_and_what_is_done(tmp_path, capsys):
    assert main(["pipeline", "--list"]) == 0
    said = capsys.readouterr().out
    assert all(step.name in said for steps in ROUTES.values() for step in steps)
    assert max(map(len, said.splitlines())) < 80  # no wrapped tables
    assert all(line == line.rstrip() for line in said.splitlines())
    assert "mixcvt\n  1  mixcvt_stage1  " in said
    assert main(["pipeline", "v2-z", "--list"]) == 2
    assert main(["pipeline", "v2-s"]) == 2
    assert "--out" in capsys.readouterr().err


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, f"the pipeline ended before {path.name} was there"
        time.sleep(0.05)


@pytest.mark.timeout(1800)
def test_a_killed_pipeline_goes_on(tmp_path):
    """MixFormerV2-S, all seven steps: killed in the third, and again in a later one, and then to its end."""
    words = [sys.executable, "-m", "mixformer", "pipeline", "v2-s", "--out", str(tmp_path), *SMALL]
    for name in ("v2_s_8", "v2_s_mlp1"):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        wait_for(tmp_path / name / "state.safetensors", process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "v2_s_score" / "model").exists()
    first = (tmp_path / "v2_s_teacher_224" / "model" / "model.safetensors").stat().st_mtime_ns
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "stage 1 of 7, v2_s_teacher_224: done, loss" in said
    assert (tmp_path / "v2_s_teacher_224" / "model" / "model.safetensors").stat().st_mtime_ns == first
    assert f"--model {tmp_path}/v2_s_score/model" in said
    last = load_weights(tmp_path / "v2_s_score" / "model").config
    assert (last.depth, last.mlp_ratio, last.score) == (2, 1.0, "token")
    for name in ("v2_s_8", "v2_s_mlp1", "v2_s_score"):
        lines = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        assert lines[-1]["step"] == 3
    kept = Recipe.from_file(tmp_path / "v2_s_4" / "recipe.json")
    assert kept.init_from == kept.teacher.model == f"{tmp_path}/v2_s_8/model"
