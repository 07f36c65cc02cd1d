"""Every stage in the trainer, on tiny networks: it learns, and what it writes can be loaded."""

import json
from dataclasses import replace

import pytest
import torch

from mixformer.configs.model import ModelConfig
from mixformer.data.augmentation import Augmentation, CropSettings
from mixformer.data.sample_dataset import Batch, SampleDataset
from mixformer.data.sampling import Mixture
from mixformer.errors import ConfigError
from mixformer.models import build_model
from mixformer.models.mae import MaskConfig
from mixformer.training.config import (
    DataSection,
    LossSection,
    OptimizerSection,
    PruningSection,
    TeacherSection,
)
from mixformer.training.recipe import Recipe
from mixformer.training.run_training import train, write_model
from mixformer.training.stages import BatchPosition, DistillStage, build_stage
from mixformer.training.trainer import Trainer
from mixformer.weights.load_save import load_model
from mixformer.weights.pretrained import load_pretrained
from tests.helpers.training import Squares

TOKEN = ModelConfig("token", depth=4, dim=32, heads=2, search_size=64, template_size=32, bins=16, score="none")
DENSE = TOKEN.replace(name="dense", head="corner", prediction_tokens=0, head_dim=16)
SPM = DENSE.replace(name="spm", score="spm", frozen_norms="all")
CVT = ModelConfig(
    "cvt", 1, 16, 2, backbone="cvt", early_depths=(1, 1), early_dims=(8, 16), early_heads=(1, 2), position="none",
    head="query", prediction_tokens=1, score="none", search_size=64, template_size=32, frozen_norms="backbone",
)  # fmt: skip
RECIPE = Recipe(
    "tiny",
    max_steps=40,
    batch_size=8,
    save_interval=1000,
    precision="float32",
    data=DataSection(workers=0),
    optimizer=OptimizerSection(lr=3e-3, backbone_lr=3e-3, warmup_steps=4, decay_steps=10, ema_decay=0.9),
)
AUGMENTATION = Augmentation(center_jitter=1.0, scale_jitter=0.1, crop_flip_prob=0.5, contrast=0, blur_prob=0)


def trainer_of(folder, config, recipe, teacher=None):
    torch.manual_seed(recipe.seed)
    stage = build_stage(build_model(config), recipe, teacher)
    crops = CropSettings(config.search_size, config.template_size, 4.0)
    mixture = Mixture([Squares()], [1.0], recipe.data.negatives)
    dataset = SampleDataset(mixture, crops, AUGMENTATION, recipe.seed)
    return Trainer(stage, dataset, recipe, folder)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("config", [TOKEN, DENSE, CVT], ids=lambda config: config.name)
def test_boxes_are_learnt_by_every_kind(tmp_path, config):
    trainer = trainer_of(tmp_path, config, RECIPE)
    trainer.run(report_every=5)
    lines = log_of(tmp_path)
    assert lines[-1]["l1"] < lines[0]["l1"]
    assert {"waited", "busy", "memory_mb", "samples_per_second", "grad", "lr"} <= lines[-1].keys()
    again = load_model(write_model(trainer))
    assert again.config == config


@pytest.mark.parametrize("config", [TOKEN, DENSE], ids=lambda config: config.name)
def test_edge_distributions_are_learnt_by_tokens_and_by_corner_maps(tmp_path, config):
    recipe = RECIPE.replace(loss=LossSection(0.0, 0.0, dfl=1.0))  # nothing else teaches
    trainer_of(tmp_path, config, recipe).run(report_every=5)
    lines = log_of(tmp_path)
    assert lines[-1]["dfl"] < 0.95 * lines[0]["dfl"]
    assert lines[-1]["iou"] > lines[0]["iou"]


def test_boxes_and_scores_are_learnt_with_tokens_left_out(tmp_path):
    config = TOKEN.replace(elimination=((0, 9), (2, 4)), score="token")
    trainer = trainer_of(tmp_path / "box", config, RECIPE)
    trainer.run(20)
    model = load_model(write_model(trainer))
    assert model.config == config
    scored = RECIPE.replace(stage="score", data=DataSection(workers=0, negatives=0.5), max_steps=4)
    trainer_of(tmp_path / "score", config, scored).run(2)


def test_box_and_score_are_learnt_together(tmp_path):
    config = TOKEN.replace(score="token")
    data = DataSection(workers=0, negatives=0.5)
    trainer = trainer_of(tmp_path, config, RECIPE.replace(loss=LossSection(score=1.0), data=data))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run(report_every=5)
    lines = log_of(tmp_path)
    assert {"iou", "score", "accuracy"} <= lines[-1].keys()
    after = trainer.model.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before if name.startswith("score_head."))
    alone = trainer_of(tmp_path / "alone", config, RECIPE)
    assert not any(p.requires_grad for p in alone.model.score_head.parameters())


def test_a_score_judges_the_own_box_and_boxes_learn_from_seen_targets_alone(monkeypatch):
    config = TOKEN.replace(score="token")
    model = build_model(config)
    stage = build_stage(model, RECIPE.replace(loss=LossSection(score=1.0)), None).train()
    locate, logits = model.locate, torch.tensor([2.0, 2.0, -2.0, -2.0])

    def known(*args, **options):
        found = locate(*args, **options)
        own = found.boxes * 0 + torch.tensor([0.5, 0.5, 0.4, 0.4])
        return replace(found, boxes=own, scores=found.scores * 0 + logits)

    monkeypatch.setattr(model, "locate", known)
    images = torch.zeros(4, 2, 32, 32, 3, dtype=torch.uint8), torch.zeros(4, 64, 64, 3, dtype=torch.uint8)
    boxes = torch.tensor([[0.3, 0.3, 0.7, 0.7], [5.3, 0.3, 5.7, 0.7], [0.3, 0.3, 0.7, 0.7], [0.3, 0.3, 0.7, 0.7]])
    position = BatchPosition(0, 1, 4, slice(0, 4))
    _, parts = stage(Batch(*images, boxes, torch.tensor([1.0, 1.0, 0.0, 1.0])), position)
    assert parts["iou"] == pytest.approx(1)  # neither the far nor the absent target counts
    assert parts["accuracy"] == 0.5  # right of the first and the absent one, wrong of the far and the last one
    loss, parts = stage(Batch(*images, boxes, torch.zeros(4)), position)
    assert loss.item() == pytest.approx(parts["score"].item())  # there is nothing to learn a box from
    loss.backward()
    assert all(p.grad is not None for p in model.box_head.parameters())  # each process reaches every layer


def test_a_network_without_a_score_head_cannot_learn_a_score_with_its_box():
    with pytest.raises(ConfigError, match=r"loss\.score needs a score head on prediction tokens, which token lacks"):
        build_stage(build_model(TOKEN), RECIPE.replace(loss=LossSection(score=1.0)))


def test_what_cannot_be_trained_with_tokens_left_out():
    config = TOKEN.replace(elimination=((1, 4),))
    with pytest.raises(ConfigError, match=r"set loss\.aux = 0"):
        build_stage(build_model(config), RECIPE.replace(loss=LossSection(aux=1.0)))
    teacher = TeacherSection("teacher", feature_weight=1.0, student_blocks=(1,), teacher_blocks=(1,))
    recipe = RECIPE.replace(stage="distill", teacher=teacher)
    with pytest.raises(ConfigError, match="features of block 1 cannot be compared"):
        build_stage(build_model(config), recipe, build_model(TOKEN))
    fading = recipe.replace(teacher=TeacherSection("teacher"), pruning=PruningSection(blocks=(1,)))
    with pytest.raises(ConfigError, match="cannot remove block 1"):
        build_stage(build_model(config), fading, build_model(TOKEN))


def test_a_box_without_edge_distributions_has_no_loss_on_them(tmp_path):
    with pytest.raises(ConfigError, match=r"loss.dfl needs a head that predicts distributions of edges, but cvt has"):
        trainer_of(tmp_path, CVT, RECIPE.replace(loss=LossSection(dfl=1.0)))


def test_the_score_prediction_module_learns_on_given_boxes(tmp_path):
    recipe = RECIPE.replace(stage="score", data=DataSection(workers=0, negatives=0.5), max_steps=10)
    trainer = trainer_of(tmp_path, SPM, recipe)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.run(report_every=5)
    changed = {k for k, v in trainer.model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(name.startswith("score_head.") for name in changed)


def test_a_student_follows_a_dense_teacher(tmp_path):
    torch.manual_seed(1)
    teacher = build_model(DENSE)
    with torch.no_grad():  # a teacher with an opinion
        for tower in (teacher.box_head.tl, teacher.box_head.br):
            tower.conv5.weight *= 30
    recipe = RECIPE.replace(stage="distill", teacher=TeacherSection("given"), loss=LossSection(0.0, 0.0))
    trainer = trainer_of(tmp_path, TOKEN, recipe, teacher)
    assert not any("teacher" in name for name in trainer.stage.state_dict())
    kept = {k: v.clone() for k, v in teacher.state_dict().items()}
    trainer.run(report_every=5)
    lines = log_of(tmp_path)
    assert lines[-1]["kl"] < 0.6 * lines[0]["kl"]
    assert all(torch.equal(v, kept[k]) for k, v in teacher.state_dict().items())


def test_blocks_fade_out_and_are_gone_in_the_result(tmp_path):
    torch.manual_seed(1)
    teacher = build_model(TOKEN).eval()
    recipe = RECIPE.replace(
        stage="distill",
        max_steps=12,
        epoch_samples=8,  # an epoch is one step
        teacher=TeacherSection("given", feature_weight=0.2, student_blocks=(1, 3), teacher_blocks=(1, 3)),
        pruning=PruningSection((0, 2), epochs=8),
    )
    trainer = trainer_of(tmp_path, TOKEN, recipe, teacher)
    trainer.run(report_every=4)
    small = load_model(write_model(trainer))
    assert small.config.depth == 2
    images, search = torch.randn(1, 2, 3, 32, 32), torch.randn(1, 3, 64, 64)
    scales = torch.ones(4, 2, 1)
    scales[[0, 2]] = 0
    with trainer.averaged() as model, torch.no_grad():
        torch.testing.assert_close(small(images, search).boxes, model(images, search, scales).boxes, rtol=0, atol=1e-6)
    assert "features" in log_of(tmp_path)[-1]


def test_fading_follows_the_epoch_of_the_step():
    teacher = build_model(TOKEN)
    recipe = RECIPE.replace(stage="distill", teacher=TeacherSection("given"), pruning=PruningSection((1,), epochs=4))
    stage = DistillStage(build_model(TOKEN), teacher, recipe)
    batch = next(iter(trainer_of_batches(2)))
    rates = [
        stage._scales(batch, BatchPosition(step, 10, 2, slice(0, 2)))[1, 0, 0].item() for step in (0, 9, 10, 30, 99)
    ]
    assert rates[0] == rates[1] > rates[2] > 0
    assert rates[3:] == [0.0, 0.0]
    plan = TeacherSection("given", feature_weight=1.0, student_blocks=(9,), teacher_blocks=(1,))
    with pytest.raises(ConfigError, match="no block 9"):
        DistillStage(build_model(TOKEN), teacher, recipe.replace(teacher=plan))


def trainer_of_batches(count):
    crops = CropSettings(64, 32, 4.0)
    dataset = SampleDataset(Mixture([Squares()], [1.0]), crops, AUGMENTATION, 0)
    from mixformer.data.sample_dataset import batches

    return batches(dataset, count, 0, 1, 0)


@pytest.mark.parametrize("kind", ["mae", "trackmae"])
def test_pre_training_gives_a_start(tmp_path, kind):
    masks = MaskConfig(kind=kind, decoder_depth=1, decoder_dim=16, decoder_heads=2)
    trainer = trainer_of(tmp_path, TOKEN, RECIPE.replace(stage="pretrain", masks=masks, max_steps=30))
    trainer.run(report_every=5)
    lines = log_of(tmp_path)
    assert lines[-1]["loss"] < lines[0]["loss"]
    folder = write_model(trainer)
    report = load_pretrained(build_model(DENSE), folder / "model.safetensors")
    assert report.kind == "mixformer"


def test_a_recipe_runs_from_its_file_alone(tmp_path):
    """Recipe, environment and log of a whole run on made-up pictures."""
    recipe = RECIPE.replace(
        model="mixformerv2_s",
        model_overrides={"depth": 1, "dim": 32, "heads": 2, "search_size": 64, "template_size": 32},
        max_steps=2,
    )
    assert load_model(train(recipe, tmp_path, dry_run=True)).config.dim == 32
    assert Recipe.from_file(tmp_path / "recipe.json") == recipe
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert environment["precision"] in ("bfloat16", "float32")  # what "auto" has taken
