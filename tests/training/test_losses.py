"""Losses against the official ones, and the parts that are ours against hand-made cases."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mixformer.training.config import LossSection
from mixformer.training.losses import (
    auxiliary_loss,
    box_loss,
    ciou_loss,
    coverage,
    distribution_focal_loss,
    giou_loss,
    l1_loss,
    score_loss,
)

REFERENCE = np.load(Path(__file__).parent / "references" / "losses.npz")


def reference(name):
    return torch.from_numpy(np.array(REFERENCE[name]))


@pytest.mark.parametrize(("name", "loss"), [("giou", giou_loss), ("ciou", ciou_loss), ("l1", l1_loss)])
def test_equals_the_official_loss_and_gradient(name, loss):
    predicted = reference("pred_xyxy").clone().requires_grad_()
    value = loss(predicted, reference("target_xyxy"))
    value.backward()
    torch.testing.assert_close(value.detach(), reference(f"{name}/loss"), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(predicted.grad, reference(f"{name}/grad"), rtol=1e-4, atol=1e-6)


def test_ciou_of_degenerate_boxes():
    value = ciou_loss(reference("ciou_degenerate/pred_xyxy"), reference("target_xyxy"))
    torch.testing.assert_close(value, reference("ciou_degenerate/loss"), rtol=1e-5, atol=1e-6)


def test_weighted_sum_of_a_training_step():
    predicted = reference("actor/pred_cxcywh").squeeze(1).clone().requires_grad_()
    x, y, w, h = reference("actor/gt_xywh").unbind(1)
    target = torch.stack([x, y, x + w, y + h], 1)
    value, parts = box_loss(predicted, torch.zeros(len(target), 4, 8), target, LossSection())
    value.backward()
    torch.testing.assert_close(value.detach(), reference("actor/loss"), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(predicted.grad, reference("actor/grad").squeeze(1), rtol=1e-4, atol=1e-6)
    assert float(parts["l1"]) == pytest.approx(float(REFERENCE["actor/loss_l1"]), abs=1e-6)
    assert float(parts["ciou"]) == pytest.approx(float(REFERENCE["actor/loss_ciou"]), abs=1e-6)
    assert float(parts["iou"]) == pytest.approx(float(REFERENCE["actor/iou"]), abs=1e-6)


def test_score_loss():
    logits = reference("score/logit").clone().requires_grad_()
    value = score_loss(logits, reference("score/label"))
    value.backward()
    torch.testing.assert_close(value.detach(), reference("score/loss"), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logits.grad, reference("score/grad"), rtol=1e-4, atol=1e-6)


def test_a_perfect_prediction_is_not_nan():
    """The official loss is NaN here."""
    assert np.isnan(REFERENCE["actor_exact_match/loss"])
    boxes = torch.tensor([[0.2, 0.2, 0.6, 0.7]], requires_grad=True)
    value = ciou_loss(boxes, boxes.detach().clone())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert boxes.grad.isfinite().all()


def test_edge_loss_is_smallest_where_the_expectation_is_the_edge():
    bins, target = 10, torch.tensor([[0.25, 0.3, 0.75, 0.9]])
    wanted = torch.full((1, 4, bins), -30.0)
    for edge, place in enumerate([2.5, 7.5, 3.0, 9.0]):  # left, right, top, bottom
        low = int(place)
        if place == low:
            wanted[0, edge, low] = 30
        else:
            wanted[0, edge, low] = wanted[0, edge, low + 1] = 30
    best = distribution_focal_loss(wanted, target)
    assert best.item() == pytest.approx(0.5 * np.log(2), abs=1e-5)  # two edges lie between two bins
    swapped = distribution_focal_loss(wanted[:, [1, 0, 3, 2]], target)
    assert swapped > best + 10


def test_edge_loss_accepts_edges_on_the_border():
    loss = distribution_focal_loss(torch.zeros(2, 4, 8), torch.tensor([[0.0, 0, 1, 1], [0, 0.99, 0.999, 1]]))
    assert loss.item() == pytest.approx(np.log(8), abs=1e-5)


def test_coverage_sums_to_the_box_area():
    boxes = torch.tensor([[0.1, 0.2, 0.55, 0.9], [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]])
    covered = coverage(boxes, 7)
    torch.testing.assert_close(covered.sum(1) / 49, torch.tensor([0.45 * 0.7, 1.0, 0.0]))
    assert covered.min() >= 0
    assert covered.max() <= 1 + 1e-6
    top_left = coverage(torch.tensor([[0.0, 0.0, 0.5, 0.25]]), 4).view(4, 4)
    assert top_left[0, :2].tolist() == [1, 1]
    assert top_left.sum() == 2


def test_hint_loss_counts_boxes_only_on_the_target():
    target = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    hints = torch.zeros(1, 16, 5)
    hints[..., 1:] = 0.9  # wrong everywhere ...
    on_target = [0, 1, 4, 5]
    hints[0, on_target, 1:] = target  # ... but on the target
    hints[0, :, 0] = -20
    hints[0, on_target, 0] = 20
    inside, box = auxiliary_loss(hints, target)
    assert inside.item() == pytest.approx(0, abs=1e-4)
    assert box.item() == pytest.approx(0, abs=1e-6)


def test_a_flat_box_does_not_spoil_the_gradient():
    """Width and height of exactly 0 in a box that hardly overlaps: the aspect term does not count there."""
    predicted = torch.tensor([[0.3, 0.4, 0.5, 0.4], [0.2, 0.2, 0.6, 0.7]], requires_grad=True)
    ciou_loss(predicted, torch.tensor([[0.2, 0.2, 0.6, 0.6], [0.2, 0.2, 0.6, 0.6]])).backward()
    assert predicted.grad.isfinite().all()
    assert predicted.grad[:, 1::2].abs().min() > 0
