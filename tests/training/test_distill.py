"""Distillation against the official losses and gradients, and what is ours against its definition."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer.errors import ConfigError
from mixformer.models import Memory, Prediction
from mixformer.training.config import LossSection, TeacherSection
from mixformer.training.distillation import (
    check_feature_pairs,
    distill_loss,
    edge_kl,
    edge_logits,
    feature_mse,
    joint_features,
    resize_for,
)
from tests.helpers.family import FAMILY, images, make, small

REFERENCE = np.load(Path(__file__).parent / "references" / "distill_losses.npz")
EDGES = "lrtb"
OFFICIAL_PAIRS = (1, 3, 5, 7), (2, 5, 8, 11)


def pairs(student=(), teacher=(), feature_weight=0.0):
    """A teacher section that compares these blocks."""
    return TeacherSection("given", feature_weight=feature_weight, student_blocks=student, teacher_blocks=teacher)


OFFICIAL = pairs(*OFFICIAL_PAIRS, 0.2)


def reference(name):
    return torch.from_numpy(np.array(REFERENCE[name]))


def edges_of(prefix):
    return torch.stack([reference(f"{prefix}prob_{edge}") for edge in EDGES], 1)


def prediction(boxes, logits, features=()):
    return Prediction(boxes, logits, None, torch.zeros(len(boxes), 4, 8), list(features))


def split(features, templates=2):
    """Reference features (blocks, B, N, C) as `remember` and `locate` return them: templates, and the rest."""
    return Memory([], features=[x[:, :templates] for x in features]), [x[:, templates:] for x in features]


@pytest.fixture
def student():
    logits = edges_of("student/").requires_grad_()
    boxes = reference("student/pred_boxes").squeeze(1).requires_grad_()
    return prediction(boxes, logits), logits, boxes


@pytest.fixture
def target():
    x, y, w, h = reference("gt_xywh").unbind(1)
    return torch.stack([x, y, x + w, y + h], 1)


def check(stage, names, loss, parts, logits, boxes):
    """Loss, parts and gradients of a stage against the reference."""
    loss.backward()
    torch.testing.assert_close(loss.detach(), reference(f"{stage}/loss"), rtol=1e-6, atol=2e-6)
    for ours, theirs in names.items():
        assert float(parts[ours]) == pytest.approx(float(REFERENCE[f"{stage}/{theirs}"]), abs=1e-6)
    for index, edge in enumerate(EDGES):
        torch.testing.assert_close(logits.grad[:, index], reference(f"{stage}/grad_prob_{edge}"), rtol=0, atol=1e-6)
    torch.testing.assert_close(boxes.grad, reference(f"{stage}/grad_pred_boxes").squeeze(1), rtol=1e-5, atol=1e-6)


def test_dense_to_sparse_equals_the_official_loss(student, target):
    found, logits, boxes = student
    maps = torch.stack([reference("stage1/teacher_prob_tl"), reference("stage1/teacher_prob_br")], 1).log()
    teacher = prediction(reference("stage1/teacher_boxes").squeeze(1), maps)
    loss, parts = distill_loss(found, Memory([]), teacher, Memory([]), target, LossSection(), pairs())
    names = {"ciou": "ciou", "l1": "l1", "kl": "distill_logits", "iou": "IoU", "teacher_iou": "IoU_teacher"}
    check("stage1", names, loss, parts, logits, boxes)
    assert set(parts) == set(names)


def test_deep_to_shallow_equals_the_official_loss(student, target):
    found, logits, boxes = student
    features = reference("stage2/student_feats").requires_grad_()
    memory, rest = split(features)
    found = prediction(boxes, logits, rest)
    teacher_memory, teacher_rest = split(reference("stage2/teacher_feats"))
    teacher_boxes = reference("stage2/teacher_pred_boxes").squeeze(1)
    teacher = prediction(teacher_boxes, edges_of("stage2/teacher_").log(), teacher_rest)
    loss, parts = distill_loss(found, memory, teacher, teacher_memory, target, LossSection(), OFFICIAL)
    names = {
        "ciou": "ciou", "l1": "l1", "kl": "distill_corner_kl", "features": "distill_feat", "iou": "IoU",
        "teacher_iou": "IoU_teacher",
    }  # fmt: skip
    check("stage2", names, loss, parts, logits, boxes)
    torch.testing.assert_close(features.grad, reference("stage2/grad_feats"), rtol=0, atol=1e-6)
    assert set(parts) == set(names)


def test_the_paper_sums_where_the_code_averages():
    ours, theirs = list(reference("stage2/student_feats")), list(reference("stage2/teacher_feats"))
    mean = feature_mse(ours, theirs, OFFICIAL)
    torch.testing.assert_close(feature_mse(ours, theirs, OFFICIAL.replace(variant="paper")), 4 * mean)


def test_a_recipe_can_sum_as_the_paper_does():
    """Equations 5 and 6, by loops over samples, edges and pairs of blocks."""
    random = torch.Generator().manual_seed(0)
    logits, wanted = (torch.randn(3, 4, 8, generator=random, dtype=torch.float64) for _ in range(2))
    blocks = torch.randn(2, 2, 3, 5, 6, generator=random, dtype=torch.float64)
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.3]] * 3, dtype=torch.float64)
    students, teachers = (
        (Prediction(boxes, values, None, boxes, list(features)), Memory([], None, [x[:, :0] for x in features]))
        for values, features in ((logits, blocks[0]), (wanted, blocks[1]))
    )
    settings = TeacherSection("t", 5.0, 0.2, (0, 1), (0, 1), variant="paper")
    target = torch.tensor([[0.4, 0.3, 0.6, 0.7]] * 3)
    total, parts = distill_loss(*students, *teachers, target, LossSection(), settings)
    p, q = (x.softmax(-1) for x in (wanted, logits))
    kl = sum((p[b, e] * (p[b, e] / q[b, e]).log()).sum() for b in range(3) for e in range(4)) / 3
    error = sum((blocks[0, pair] - blocks[1, pair]).square().mean() for pair in range(2))
    torch.testing.assert_close(parts["kl"], kl)
    torch.testing.assert_close(parts["features"], error)
    mean, _ = distill_loss(*students, *teachers, target, LossSection(), settings.replace(variant="official"))
    torch.testing.assert_close(total - mean, 5 * (kl - kl / 4) + 0.2 * (error - error / 2))


def test_edges_of_a_corner_map():
    """One hot map: top-left corner in row 1, column 2, bottom-right corner in row 4, column 3."""
    maps = torch.full((1, 2, 5, 5), -50.0)
    maps[0, 0, 1, 2] = maps[0, 1, 4, 3] = 0
    found = edge_logits(prediction(torch.zeros(1, 4), maps.flatten(2)))
    assert found.argmax(-1).tolist() == [[2, 3, 1, 4]]  # left, right, top, bottom
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(1, 4))


@pytest.mark.parametrize("kind", ["vit-token4-asym", "vit-token1-asym", "vit-corner0-asym", "vit-pyramid0-symm"])
def test_edges_are_those_of_the_predicted_box(kind):
    """The expectation of each distribution is the edge that the head gives, for every head."""
    model = make(FAMILY[kind])
    with torch.no_grad():
        found = model(*images(model.config))
    edges = edge_logits(found).exp()
    position = torch.arange(edges.shape[-1]) / edges.shape[-1]
    left, right, top, bottom = (edges * position).sum(-1).unbind(1)
    expected = torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 1)
    torch.testing.assert_close(found.boxes, expected, rtol=0, atol=1e-6)


def test_a_query_head_cannot_be_distilled():
    with pytest.raises(ConfigError, match="token, corner or pyramid"):
        edge_logits(prediction(torch.zeros(1, 4), None))


def test_divergence_is_zero_at_the_teacher_and_allows_zeros():
    teacher = torch.randn(2, 4, 8).softmax(-1)
    assert edge_kl(teacher.log(), teacher).item() == pytest.approx(0, abs=1e-6)
    sharp = torch.eye(8)[:4].expand(2, 4, 8)
    logits = torch.zeros(2, 4, 8, requires_grad=True)
    value = edge_kl(logits, sharp)
    value.backward()
    assert value.item() == pytest.approx(math.log(8), abs=1e-6)
    assert logits.grad.isfinite().all()


def wide(**changes):
    """Networks of one width and grid that differ in depth, head and bins."""
    return make(small(**{"score": "none", **changes}))


DENSE = {"prediction_tokens": 0, "score": "none"}


@pytest.mark.parametrize("teacher_kind", [
    {"head": "corner", **DENSE}, {"head": "pyramid", **DENSE}, {"bins": 24},
    {"prediction_tokens": 1}, {"head": "pyramid", "attention": "symmetric", **DENSE},
    {"head": "corner", "search_size": 96, "template_size": 48, **DENSE},
])  # fmt: skip
@pytest.mark.parametrize("student_kind", [{}, {"head": "corner", **DENSE}, {"attention": "symmetric"}])
def test_every_pair_of_networks(teacher_kind, student_kind):
    """Gradients reach the student's network and only that; features are compared where the tokens are the same."""
    student, teacher = wide(**student_kind), wide(depth=3, **teacher_kind).requires_grad_(False)
    templates, search = images(student.config)
    bigger = teacher.config
    shown = resize_for(templates, bigger.template_size), resize_for(search, bigger.search_size)
    kept = student.remember(templates, keep_features=True)
    found = student.locate(search, kept, keep_features=True)
    teacher_kept = teacher.remember(shown[0], keep_features=True)
    teacher_found = teacher.locate(shown[1], teacher_kept, keep_features=True)
    same = student.config.search_grid == bigger.search_grid
    settings = pairs((0, 1), (0, 2), 0.2) if same and bigger.prediction_tokens != 1 else pairs()
    check_feature_pairs(student.config, bigger, settings)
    target = torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.3, 0.3, 0.8, 0.7]])
    loss, parts = distill_loss(found, kept, teacher_found, teacher_kept, target, LossSection(), settings)
    loss.backward()
    assert loss.isfinite()
    assert parts["kl"] > 0
    for block in student.backbone.typed_blocks:
        assert block.mlp.fc1.weight.grad.abs().sum() > 0


def test_a_copy_of_the_teacher_has_nothing_to_learn_from_it():
    model = wide()
    templates, search = images(model.config)
    with torch.no_grad():
        kept = model.remember(templates, keep_features=True)
        found = model.locate(search, kept, keep_features=True)
    settings, weights = pairs((0, 1), (0, 1), 1.0), LossSection(0, 0)
    loss, parts = distill_loss(found, kept, found, kept, torch.tensor([[0.1, 0.2, 0.5, 0.6]] * 2), weights, settings)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert parts["features"] == 0


def test_tokens_are_in_the_official_order():
    """Templates, online templates, search, prediction tokens: the same from both forms of attention."""
    for attention in ("asymmetric", "symmetric"):
        model = wide(attention=attention)
        templates, search = images(model.config)
        with torch.no_grad():
            kept = model.remember(templates, keep_features=True)
            found = model.locate(search, kept, keep_features=True)
        joint = joint_features(found, kept)
        config = model.config
        assert [x.shape[1] for x in joint] == [2 * config.template_grid**2 + config.search_grid**2 + 4] * 2
        torch.testing.assert_close(joint[-1][:, -(config.search_grid**2) - 4 :], found.tokens)


def test_prediction_tokens_of_one_network_are_left_out():
    torch.manual_seed(0)
    body, extra = torch.randn(2, 9, 6), torch.randn(2, 4, 6)
    settings = pairs((0,), (0,))
    assert feature_mse([torch.cat([body, extra], 1)], [body], settings) == 0
    assert feature_mse([body], [torch.cat([body, extra], 1)], settings) == 0


@pytest.mark.parametrize("shape", [(2, 9, 8), (2, 16, 6), (2, 4, 6)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ConfigError, match="student block 0 and teacher block 0 cannot be compared"):
        feature_mse([torch.zeros(2, 9, 6)], [torch.zeros(shape)], pairs((0,), (0,)))


def test_missing_features_are_refused(student, target):
    found, *_ = student
    with pytest.raises(ConfigError, match="keep_features=True"):
        distill_loss(found, Memory([]), found, Memory([]), target, LossSection(), OFFICIAL)
    with pytest.raises(ConfigError, match="needs student_blocks"):
        pairs(feature_weight=0.2)


def test_pairs_are_checked_before_training():
    settings = pairs((0, 1), (0, 2))
    check_feature_pairs(small(), small(depth=3, head="corner", **DENSE), settings)
    with pytest.raises(ConfigError, match="blocks 0 to 1, no block 2"):
        check_feature_pairs(small(), small(), settings)
    with pytest.raises(ConfigError, match=r"student_blocks must be in 0\.\.10000, not -1"):
        check_feature_pairs(small(), small(), pairs((-1,), (0,)))
    with pytest.raises(ConfigError, match="the same width and crop sizes"):
        check_feature_pairs(small(), small(depth=3, dim=48), settings)
    with pytest.raises(ConfigError, match="the same width and crop sizes"):
        check_feature_pairs(small(), small(depth=3, search_size=96), settings)
    with pytest.raises(ConfigError, match="4 prediction tokens and small 1"):
        check_feature_pairs(small(), small(depth=3, prediction_tokens=1), settings)
    with pytest.raises(ConfigError, match="name one teacher block for each"):
        pairs((0, 1), (0,))


def test_resizing_for_a_teacher():
    """Corners stay where they are, a ramp stays a ramp, and normalizing before or after is the same."""
    ramp = torch.linspace(0, 1, 8).expand(2, 3, 3, 8, 8)
    found = resize_for(ramp, 12)
    assert found.shape == (2, 3, 3, 12, 12)
    torch.testing.assert_close(found, torch.linspace(0, 1, 12).expand(2, 3, 3, 12, 12))
    pictures = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(resize_for((pictures - 0.4) / 0.2, 13), (resize_for(pictures, 13) - 0.4) / 0.2)
    assert resize_for(ramp, 8) is ramp
