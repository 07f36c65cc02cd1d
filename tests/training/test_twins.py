"""Steps of an ablation that would train one network twice train it once; those that differ are all trained."""

from dataclasses import replace
from pathlib import Path

import torch

from mixformer.models import build_model
from mixformer.training import Recipe, ablation_runs, run_ablation
from mixformer.training.ablation_tables import STEPS
from mixformer.training.route_runs import plan_steps
from mixformer.training.tiny import toy_sequences
from mixformer.training.twins import find_twin
from mixformer.weights.load_save import load_weights, save_model
from tests.helpers.networks import narrow_model


def test_a_step_is_not_trained_again_for_another_name(tmp_path, monkeypatch):
    """MixViT-L is as small as MixViT at tiny scale: its steps and their students are copies."""
    trained = []

    def run_step(report, *_):
        trained.append(report.step.name)
        torch.manual_seed(0)
        report.recipe.to_file(report.folder / "recipe.json")
        (report.folder / "log.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
        save_model(build_model(report.recipe.network()), report.model)

    monkeypatch.setattr(ablation_runs, "run_step", run_step)
    monkeypatch.setattr(ablation_runs, "measure_crops", lambda *_: {"value": 0.5})
    places = {"data": toy_sequences(tmp_path / "train", 1), "test": toy_sequences(tmp_path / "test", 1)}
    settings = {"scale": "tiny", "steps": 1, "start": narrow_model(tmp_path / "narrow"), **places}
    result = run_ablation("v2-3c", tmp_path / "out", seeds=[1], **settings)
    assert not result.failures
    assert trained == ["v2_t4", "mixvit_stage1", "v2_dense_to_sparse"]
    assert [len(found) for found in result.values.values()] == [1, 1, 1]
    for name, other in (("mixvit_l_stage1", "mixvit_stage1"), ("v2_dense_to_sparse_large", "v2_dense_to_sparse")):
        copy, first = (load_weights(tmp_path / "out" / "seed1" / step / "model") for step in (name, other))
        assert copy.config.replace(name="") == first.config.replace(name="")
        assert copy.config.name == Recipe.from_file(tmp_path / "out" / "seed1" / name / "recipe.json").network().name
        assert all(copy.state[key].equal(value) for key, value in first.state.items())
    run_ablation("v2-3c", tmp_path / "out", seeds=[1], **settings)
    assert len(trained) == 3
    (tmp_path / "out" / "seed3" / "mixvit_l_stage1" / "log.jsonl").mkdir(parents=True)  # no place for a copy
    failures = run_ablation("v2-3c", tmp_path / "out", seeds=[3], **settings).failures
    assert "could not write" in failures["seed 3, mixvit_l_stage1"]

    plan = plan_steps([STEPS["v2_t4"]], tmp_path / "out" / "seed2", scale="tiny")[0]
    kept = Recipe.from_file(tmp_path / "out" / "seed1" / "v2_dense_to_sparse" / "recipe.json")
    student = replace(plan, folder=tmp_path / "out" / "seed1" / "another", recipe=kept)
    assert find_twin(student).name.startswith("v2_dense_to_sparse")
    assert find_twin(replace(student, recipe=kept.replace(seed=2))) is None
    sets = kept.data.replace(sets=(kept.data.sets[0].replace(root="elsewhere"),))
    assert find_twin(replace(student, recipe=kept.replace(data=sets))) is None
    other = kept.teacher.replace(model=str(tmp_path / "narrow"))  # other weights
    assert find_twin(replace(student, recipe=kept.replace(teacher=other))) is None
    for folder in (tmp_path / "out" / "seed1").glob("v2_dense_to_sparse*"):  # what cannot be read is passed over
        (folder / "recipe.json").write_text("{")
    assert find_twin(student) is None


def test_more_epochs_of_fading_are_more_steps_at_tiny_scale():
    """Supplement, table 2e: 30, 40 and 50 epochs. Runs of equal length would compare nothing."""
    names = ["star_fade_30", "star_12to8", "star_fade_50", "star_fade_30_8", "star_fade_50_8"]
    plans = [plan_steps([STEPS[name]], Path("out"), scale="tiny", steps=80)[0].recipe for name in names]
    assert [recipe.max_steps for recipe in plans] == [60, 80, 100, 80, 80]
    fading = [recipe.pruning.epochs for recipe in plans[:3]]
    assert fading == [51, 71, 91]
    assert plan_steps([STEPS["v2_s_8"]], Path("out"), scale="tiny", steps=80)[0].recipe.max_steps == 80
