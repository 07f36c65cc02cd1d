"""The recipes of the papers: what they say against the official settings, and that they chain and run."""

import json
from pathlib import Path

import pytest
import torch

from mixformer.cli import main
from mixformer.configs.ablations import DESIGNS
from mixformer.models import build_model
from mixformer.training.optim import build_optimizer, learning_rate
from mixformer.training.run_training import prepare, start_model
from mixformer.training.stages import build_stage
from mixformer.weights.load_save import load_model, load_weights, save_model
from tests.helpers.recipes import FOLDER, PAPERS, PATHS, exported, recipe

# Steps left out by a recipe file and made by `mixformer prune`: folder -> recipe whose model it is made of.
PRUNED = {"runs/v2_s_4_mlp1": "v2_s_4"}

# name: epochs, last epoch before the drop, samples of an optimizer step, samples of an epoch, rate, rate of the
# backbone, search factor. Typed from the official configurations (8 GPUs).
BOXES = {
    "mixcvt_stage1": (500, 400, 64, 60000, 1e-4, 1e-5, 5.0),
    "mixcvt_1k_stage1": (500, 400, 64, 60000, 1e-4, 1e-4, 5.0),
    "mixcvt_got_stage1": (500, 400, 256, 60000, 1e-4, 1e-5, 5.0),
    "mixcvt_l_stage1": (500, 400, 128, 60000, 1e-4, 1e-5, 5.0),
    "mixvit_stage1": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "mixvit_got_stage1": (500, 400, 256, 15000, 4e-4, 4e-5, 4.5),
    "mixvit_l_stage1": (500, 400, 288, 60000, 4e-4, 4e-5, 4.5),
    "mixvit_convmae_stage1": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "mixvit_convmae_got_stage1": (500, 400, 256, 15000, 4e-4, 4e-5, 4.5),
    "mixvit_l_convmae_stage1": (500, 400, 288, 60000, 4e-4, 4e-5, 4.5),
    "mixvit_corner": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "mixvit_deit3": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "mixvit_mae_finetuned": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    # Without a published configuration: those of the recipes that they are made of.
    "mixcvt_base": (500, 400, 64, 60000, 1e-4, 1e-5, 5.0),
    "mixcvt_scratch": (500, 400, 64, 60000, 1e-4, 1e-5, 5.0),
    "mixcvt_1k_got_stage1": (500, 400, 256, 60000, 1e-4, 1e-4, 5.0),
    "mixvit_l_got_stage1": (500, 400, 288, 15000, 4e-4, 4e-5, 4.5),
    "v2_tokens": (500, 400, 256, 60000, 4e-4, 4e-5, 5.0),
    "v2_s_teacher_224": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
}
DISTIL = {
    "v2_dense_to_sparse": (500, 400, 256, 60000, 4e-4, 4e-5, 5.0),
    "v2_dense_to_sparse_large": (500, 400, 256, 60000, 4e-4, 4e-5, 5.0),
    "v2_b_prune_12to8": (45, 45, 256, 60000, 4e-4, 4e-5, 5.0),
    "v2_b_finetune_8": (500, 400, 256, 60000, 4e-4, 4e-5, 5.0),
    "v2_s_dense_to_sparse_224": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "v2_s_8": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "v2_s_4": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
    "v2_s_mlp1": (500, 400, 256, 60000, 4e-4, 4e-5, 4.5),
}
SCORE = {
    "mixcvt_score": (30, 20, 256, 60000, 1e-4, None, 5.0),
    "mixcvt_1k_score": (40, 30, 256, 60000, 1e-4, None, 5.0),
    "mixcvt_got_score": (40, 30, 256, 60000, 1e-4, None, 5.0),
    "mixcvt_l_score": (40, 30, 128, 60000, 1e-4, None, 5.0),
    "mixvit_score": (50, 40, 256, 60000, 1e-4, None, 4.5),
    "mixvit_got_score": (50, 40, 256, 60000, 1e-4, None, 4.5),
    "mixvit_l_score": (50, 30, 256, 60000, 1e-4, None, 4.5),
    "mixvit_convmae_score": (50, 40, 256, 60000, 1e-4, None, 4.5),
    "mixvit_convmae_got_score": (50, 40, 256, 60000, 1e-4, None, 4.5),
    "mixvit_l_convmae_score": (50, 30, 256, 60000, 1e-4, None, 4.5),
    "mixcvt_1k_got_score": (40, 30, 256, 60000, 1e-4, None, 5.0),
    "mixvit_l_got_score": (50, 30, 256, 60000, 1e-4, None, 4.5),
    "v2_b_score": (40, 20, 256, 60000, 1e-4, None, 5.0),
    "v2_s_score": (40, 20, 256, 60000, 1e-4, None, 4.5),
}
PRETRAIN = {"mixvit_pretrain_mae", "mixvit_pretrain_trackmae"}
TABLE = BOXES | DISTIL | SCORE


def test_every_recipe_is_in_the_tables():
    assert set(PAPERS) == set(TABLE) | PRETRAIN
    for names, stage in ((BOXES, "box"), (DISTIL, "distill"), (SCORE, "score"), (PRETRAIN, "pretrain")):
        assert {recipe(name).stage for name in names} == {stage}


def test_every_recipe_is_explained():
    text = (FOLDER.parent / "docs" / "recipes.md").read_text()
    assert [name for name in PAPERS if f"`{name}`" not in text] == []
    assert all(f"--out {folder}" in text for folder in PRUNED)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_settings_are_the_published_ones(name):
    """Batch, epochs, rates, drop, clipping, decay and processing."""
    epochs, kept, batch, samples, lr, backbone_lr, factor = TABLE[name]
    plan, rules = recipe(name), recipe(name).optimizer
    assert (plan.epochs, plan.batch_size, plan.epoch_samples) == (epochs, batch, samples)
    assert plan.total_steps == epochs * (samples // batch)
    assert (rules.weight_decay, rules.decay_all, rules.betas) == (1e-4, True, (0.9, 0.999))
    assert (rules.grad_clip, rules.ema_decay, rules.schedule) == (0.1, 0, "multistep")
    steps = samples // batch
    for epoch in (1, kept, kept + 1, epochs):
        expected = 1.0 if epoch <= kept else 0.1
        for step in ((epoch - 1) * steps, epoch * steps - 1):
            assert learning_rate(step, plan.total_steps, rules) == expected, epoch
    assert rules.lr == lr
    assert backbone_lr is None or rules.backbone_lr == backbone_lr
    assert (plan.crops.search_factor, plan.crops.template_factor, plan.templates) == (factor, 2.0, 2)
    assert (plan.crops.center_jitter, plan.crops.scale_jitter, plan.crops.template_jitter) == (4.5, 0.5, 0)
    assert plan.crops.official


@pytest.mark.parametrize("name", PAPERS)
def test_data_is_the_published_mixture(name):
    data, got = recipe(name).data, "_got_" in name
    names = ["got10k"] if got else ["got10k", "lasot", "coco", "trackingnet"]
    assert [(one.name, one.weight) for one in data.sets] == [(name, 1.0) for name in names]
    assert data.sets[0].split == ("train_full" if got else "vottrain")
    assert {one.kind for one in data.sets} == {"video"}
    assert data.max_gap == 200
    score = recipe(name).stage == "score"
    assert (data.sampler, data.negatives) == (("trident_pro", 0.5) if score else ("causal", 0))


def test_losses_are_the_published_ones():
    for name in [*BOXES, *DISTIL]:
        loss = recipe(name).loss
        assert (loss.l1, loss.iou_weight, loss.iou_type, loss.dfl, loss.aux) == (5, 2, "ciou", 0, 0)
    for name in DISTIL:
        dense = "dense" in name
        assert (recipe(name).teacher.kl_weight, recipe(name).teacher.feature_weight) == (5, 0 if dense else 0.2)
    assert {name for name in TABLE if recipe(name).precision == "float16"} == {
        "mixvit_l_stage1",
        "mixvit_l_got_stage1",
        "mixvit_l_convmae_stage1",
    }
    assert {name: recipe(name).grad_accum_steps for name in TABLE if recipe(name).grad_accum_steps > 1} == {
        "mixvit_l_stage1": 3,
        "mixvit_l_got_stage1": 3,
        "mixvit_l_convmae_stage1": 3,
    }


# Groups of the official optimizer (references optim_v1.json and optim_v2.json): rate, tensors, values, without the
# entries of the official backbones' base classes that no computation reads: 4 of CvT-21 (385,768 values), 6 of a ViT
# (922,600 at width 768, 1,229,800 at 1024) and 2 of a ConvMAE; MixCvT-L has them frozen.
GROUPS = {
    "mixcvt_stage1": ({(1e-4, 36, 4400450), (1e-5, 415 - 4, 31580456 - 385768)}, 0),
    "mixcvt_l_stage1": ({(1e-4, 36, 8824130), (1e-5, 274, 174114048)}, 2),
    "mixvit_stage1": ({(4e-4, 92, 11538254), (4e-5, 152 - 6, 86567656 - 922600)}, 0),
    "mixvit_l_stage1": ({(4e-4, 92, 14634830), (4e-5, 222 - 6, 227961832 - 1229800)}, 6),
    "mixvit_convmae_stage1": ({(4e-4, 92, 11538254), (4e-5, 204 - 2, 84455296 - 1536)}, 0),
    "mixvit_l_convmae_stage1": ({(4e-4, 92, 14634830), (4e-5, 312 - 2, 272157312 - 2048)}, 0),
    "mixcvt_score": ({(1e-4, 29, 1481473)}, 0),
    "mixvit_score": ({(1e-4, 29, 5912065)}, 0),
    "mixvit_convmae_score": ({(1e-4, 29, 5912065)}, 0),
    "v2_dense_to_sparse": ({(4e-4, 8, 647640), (4e-5, 148, 85651200)}, 0),
    "v2_b_prune_12to8": ({(4e-4, 8, 647640), (4e-5, 100, 57299712)}, 0),
    "v2_b_finetune_8": ({(4e-4, 8, 647640), (4e-5, 100, 57299712)}, 0),
    "v2_b_score": ({(1e-4, 4, 591361)}, 0),
    "v2_s_score": ({(1e-4, 4, 591361)}, 0),
}


def stage_of(plan):
    """The training stage without weights; a student's teacher is the network that its recipe chains to."""
    with torch.device("meta"):
        teacher = build_model(teacher_config(plan)) if plan.stage == "distill" else None
        return build_stage(build_model(plan.network()), plan, teacher)


def made_by(path):
    """The recipe whose model lies at a path."""
    return PRUNED.get(path) or Path(path).parent.name


def teacher_config(plan):
    return exported(recipe(made_by(plan.teacher.model)))


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_the_official_parameters_are_trained(name):
    """At the official rates, all with weight decay."""
    expected, freeze = GROUPS[name]
    # The official depth pruning runs have 72 bins, ours those of the published model.
    changes = ("model_overrides.bins=72",) if name.startswith("v2_b_") and name != "v2_b_score" else ()
    plan = recipe(name, *changes)
    assert plan.optimizer.freeze_blocks == freeze
    groups = build_optimizer(stage_of(plan), plan).param_groups
    assert {group["weight_decay"] for group in groups} == {1e-4}
    found = {(group["peak"], len(group["params"]), sum(p.numel() for p in group["params"])) for group in groups}
    assert found == expected


@pytest.mark.parametrize("name", PAPERS)
def test_networks_build_and_stages_fit_them(name):
    """Without weights, with the teacher of the route: blocks to compare and to remove are there."""
    plan = recipe(name)
    stage = stage_of(plan)
    assert stage.model.config == plan.network()
    assert any(parameter.requires_grad for parameter in stage.parameters())


def test_variants_named_in_comments_build():
    for name, *changes in (
        ("mixcvt_base", "model_overrides.head=query", "model_overrides.prediction_tokens=1"),
        ("mixcvt_stage1", "optimizer.algorithm=adam"),
        ("mixcvt_scratch", 'model_overrides={"frozen_norms": "none"}'),
        ("v2_s_4", "teacher.variant=paper"),
        ("mixvit_corner", "model_overrides.position=frozen"),
        ("mixvit_corner", "model_overrides.position=learned"),
        ("mixvit_corner", "model_overrides.attention=symmetric"),
        ("mixvit_corner", "model_overrides.decoder_depth=4"),
        ("v2_tokens", "model_overrides.prediction_tokens=1"),
        ("v2_tokens", "model_overrides.prediction_tokens=1", "model_overrides.head=query"),
        ("v2_b_score", "model_overrides.score=token_mean"),
        ("v2_s_4", "pruning.blocks=[]", "model_overrides.depth=4", "teacher.student_blocks=[0, 1, 2, 3]"),
        (
            "v2_s_4",
            "model_overrides.depth=12",
            "init_from=runs/v2_s_dense_to_sparse_224/model",
            "teacher.model=runs/v2_s_dense_to_sparse_224/model",
            "pruning.blocks=[0, 1, 3, 4, 6, 7, 9, 10]",
            "teacher.student_blocks=[2, 5, 8, 11]",
            "teacher.teacher_blocks=[2, 5, 8, 11]",
        ),
    ):
        plan = recipe(name, *changes)
        assert stage_of(plan).model.config == plan.network()


@pytest.mark.parametrize("table", DESIGNS.values(), ids=DESIGNS.keys())
def test_rows_of_the_tables_of_designs_train(table):
    """Each row is a change of its recipe."""
    for row in table.rows:
        changes = [f"{key}={json.dumps(value)}" for key, value in row.changes.items()]
        plan = recipe(row.recipe, f"model_overrides={json.dumps(dict(row.overrides))}", *changes)
        assert plan.model == row.model
        assert plan.network() == row.network()
        assert stage_of(plan).model.config == row.network()


# Widths that make any network of the papers small; its depth stays.
SMALL = ["dim=16", "heads=2", "search_size=64", "template_size=32"]
SMALL_EARLY = {"vit": [], "convmae": ["early_dims=[8, 8]"], "cvt": ["early_dims=[8, 8]", "early_heads=[1, 1]"]}


def small_changes(name):
    config = recipe(name).network()
    head = [] if config.head == "token" else ["head_dim=8"]
    return [f"model_overrides.{change}" for change in [*SMALL, *SMALL_EARLY[config.backbone], *head]]


def test_a_route_can_be_run_one_recipe_after_the_other(tmp_path, monkeypatch):
    """Every start and teacher is a published file or the model of an earlier recipe, and fits."""
    monkeypatch.chdir(tmp_path)
    for name in PAPERS:
        config = exported(recipe(name, *small_changes(name)))
        save_model(build_model(config), Path("runs", name, "model"))
    for folder, name in PRUNED.items():
        assert main(["prune", f"runs/{name}/model", "--out", folder, "--mlp-ratio", "1"]) == 0
    pretrained = [("mixvit_corner", f"init_from=runs/{name}/model") for name in sorted(PRETRAIN)]
    star = ("v2_b_prune_12to8", "model_overrides.bins=72", "init_from=runs/v2_dense_to_sparse/model")
    for name, *changes in [*((name,) for name in PAPERS), *pretrained, star]:
        plan = recipe(name, *small_changes(name), *changes)
        assert plan.init_from.startswith(("runs/", "pretrained/")) or plan.stage == "pretrain" or "scratch" in name
        if plan.init_from.startswith("runs/"):
            given, model = load_weights(plan.init_from).state, start_model(plan)
            assert model.config == plan.network()
            new = {key for key, value in model.state_dict().items() if key not in given}
            assert all(key.startswith("score_head.") for key in new), name
            assert bool(new) == (plan.stage == "score"), name
            assert all(torch.equal(value, given[key]) for key, value in model.state_dict().items() if key not in new)
        if plan.stage == "distill":
            assert made_by(plan.teacher.model) in PATHS
            load_model(plan.teacher.model)


@pytest.mark.parametrize(
    "name",
    [
        "mixcvt_stage1",
        "mixvit_l_stage1",
        "mixvit_convmae_score",
        "mixvit_pretrain_trackmae",
        "v2_dense_to_sparse_large",
        "v2_b_prune_12to8",
        "v2_b_finetune_8",
    ],
)
def test_a_recipe_can_be_tried_on_shapes(name, tmp_path):
    """The whole way of `--dry-run`, one recipe of each kind, without data, start and teacher; half precision and
    accumulation of the large ones give way to what a CPU can do."""
    changes = small_changes(name)
    if "v2" not in name:
        changes += ["model_overrides.depth=2", "optimizer.freeze_blocks=1"]
    if name == "mixvit_pretrain_trackmae":
        changes += ["masks.decoder_dim=16", "masks.decoder_heads=2", "masks.decoder_depth=1"]
    out = tmp_path / "run"
    assert main(["train", str(PATHS[name]), "--out", str(out), "--dry-run", "--device", "cpu", "--set", *changes]) == 0
    made = load_model(out / "model").config
    assert made.mixing_depth == exported(recipe(name, *changes)).mixing_depth


@pytest.mark.parametrize(
    ("name", "head"), [("v2_dense_to_sparse", "pyramid"), ("v2_s_dense_to_sparse_224", "pyramid"), ("v2_s_8", "token")]
)
def test_a_dry_run_of_distillation_has_a_teacher_of_the_right_kind(name, head, tmp_path):
    """Dense to sparse: maps of corners, whose marginals become the student's bins. Deep to shallow: tokens."""
    plan = recipe(name, *small_changes(name), "batch_size=2", "grad_accum_steps=1", "data.workers=0", "max_steps=1")
    trainer = prepare(plan, tmp_path, dry_run=True)
    assert trainer.stage._teacher[0].config.head == head
    trainer.run()
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert 0 < json.loads(line)["kl"] < 100
