"""Precise RoI pooling against the official numbers, against numeric integration, and against its own laws."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mixformer.models.spm import precise_roi_pool

REFERENCE = Path(__file__).parent / "references" / "prroi_pool.npz"


def interpolate(features: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear interpolation of (C, H, W), pixel (i, j) at (i, j), zeros around, at all (y, x): (C, len y, len x)."""
    padded = np.pad(features, ((0, 0), (1, 1), (1, 1)))
    height, width = padded.shape[1:]

    def along(places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        places = np.clip(places + 1, 0, count - 1)  # from the outermost zeros on all is zero
        low = np.minimum(np.floor(places).astype(int), count - 2)
        return low, places - low

    (i, v), (j, u) = along(y, height), along(x, width)
    v = v[:, None]
    top, bottom = padded[:, i], padded[:, i + 1]
    upper = top[:, :, j] * (1 - u) + top[:, :, j + 1] * u
    lower = bottom[:, :, j] * (1 - u) + bottom[:, :, j + 1] * u
    return upper * (1 - v) + lower * v


def integrate(features: np.ndarray, box: list[float], size: int, samples: int = 96) -> np.ndarray:
    """Mean over each bin by the midpoint rule."""
    x1, y1, x2, y2 = box
    middle = (np.arange(size * samples) + 0.5) / (size * samples)
    values = interpolate(features, x1 + (x2 - x1) * middle, y1 + (y2 - y1) * middle)
    return values.reshape(-1, size, samples, size, samples).mean((2, 4))


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def boxes_of(*boxes: list[float]) -> Tensor:
    return torch.tensor(boxes, dtype=torch.float64)


def test_official_numbers() -> None:
    with np.load(REFERENCE) as arrays:
        rois = torch.from_numpy(arrays["rois"])
        features = torch.from_numpy(arrays["features"])[rois[:, 0].long()]
        got = precise_roi_pool(features, rois[:, 1:], 4)
        exact = precise_roi_pool(features.double(), rois[:, 1:].double(), 4)
        for pooled in (got, exact.float()):
            np.testing.assert_allclose(pooled, arrays["pooled_4x4"], rtol=0, atol=1e-5)
            np.testing.assert_allclose(pooled, arrays["official_kernel_4x4"], rtol=0, atol=2e-5)
        numeric = arrays["brute_force_first2ch_first7rois"]
        np.testing.assert_allclose(exact[:7, :2], numeric, rtol=0, atol=2e-5)


NAMED = {
    "inside": [2.3, 1.4, 7.9, 6.2],
    "integer corners": [2.0, 1.0, 6.0, 5.0],
    "bins on pixels": [1.0, 2.0, 4.0, 5.0],
    "half pixels": [0.5, 0.5, 3.5, 6.5],
    "left of the map": [-4.0, 2.2, 3.1, 6.0],
    "below the map": [3.0, 5.5, 8.0, 14.0],
    "around the map": [-3.3, -2.2, 13.7, 12.9],
    "the half pixel around": [-0.8, -0.9, 0.4, 0.3],
    "wholly outside": [12.0, 3.0, 15.0, 6.0],
    "touching from outside": [9.0, 2.0, 12.0, 5.0],
    "within one cell": [3.2, 4.1, 3.7, 4.6],
    "thin": [1.0, 3.21, 8.0, 3.22],
}


@pytest.mark.parametrize("box", NAMED.values(), ids=NAMED.keys())
@pytest.mark.parametrize("size", [1, 3, 4])
def test_numeric_integration(box: list[float], size: int) -> None:
    features = randn(1, 3, 8, 10)
    got = precise_roi_pool(features, boxes_of(box), size)
    np.testing.assert_allclose(got[0], integrate(features[0].numpy(), box, size), rtol=0, atol=3e-4)


def test_numeric_integration_of_random_boxes() -> None:
    random = np.random.default_rng(0)
    features = randn(1, 2, 7, 7)
    for _ in range(40):
        (x1, x2), (y1, y2) = np.sort(random.uniform(-4, 11, (2, 2)), 1).tolist()
        got = precise_roi_pool(features, boxes_of([x1, y1, x2, y2]), 4)
        np.testing.assert_allclose(got[0], integrate(features[0].numpy(), [x1, y1, x2, y2], 4), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "box", [[5, 2, 3, 6], [2, 6, 5, 3], [6, 6, 2, 2], [3.5, 2, 3.5, 6], [2, 4, 6, 4], [4, 4, 4, 4]]
)  # fmt: skip
def test_a_box_without_area_gives_exactly_zero(box: list[float]) -> None:
    boxes = boxes_of(box).requires_grad_()
    pooled = precise_roi_pool(randn(1, 3, 8, 8) + 5, boxes, 4)
    assert torch.equal(pooled, torch.zeros_like(pooled))
    pooled.sum().backward()
    assert boxes.grad is not None
    assert boxes.grad.isfinite().all()


def test_a_far_box_gives_exactly_zero() -> None:
    pooled = precise_roi_pool(torch.ones(2, 1, 4, 4), torch.tensor([[5.0, 0, 9, 3], [0, -9, 3, -1]]), 2)
    assert torch.equal(pooled, torch.zeros_like(pooled))


def test_a_tiny_box_is_the_interpolated_value_even_in_float32() -> None:
    features = randn(1, 2, 6, 6).float()
    point = interpolate(features[0].numpy(), np.array([2.25]), np.array([3.625]))
    for side in (1e-2, 1e-4, 1e-5):
        box = torch.tensor([[2.25, 3.625, 2.25 + side, 3.625 + side]])
        pooled = precise_roi_pool(features, box, 1)
        np.testing.assert_allclose(pooled[0], point, rtol=0, atol=1e-5 + 5 * side)


def test_a_constant_stays_constant_inside() -> None:
    pooled = precise_roi_pool(torch.full((1, 2, 9, 5), 3.5, dtype=torch.float64), boxes_of([0, 0, 4, 8]), 4)
    torch.testing.assert_close(pooled, torch.full_like(pooled, 3.5), rtol=0, atol=1e-14)


def test_a_ramp_gives_the_middles_of_the_bins() -> None:
    columns = torch.arange(9, dtype=torch.float64).expand(1, 1, 7, 9)
    pooled = precise_roi_pool(columns, boxes_of([1.3, 0.2, 7.3, 5.2]), 4)
    middles = torch.tensor([2.05, 3.55, 5.05, 6.55], dtype=torch.float64).expand(1, 1, 4, 4)
    torch.testing.assert_close(pooled, middles, rtol=0, atol=1e-13)  # columns along the last axis


def test_pooling_is_linear_and_items_do_not_mix() -> None:
    first, second = randn(2, 3, 6, 6), randn(2, 3, 6, 6, seed=1)
    boxes = boxes_of([0.4, 1.1, 4.7, 5.2], [-2, 0.3, 3.1, 9])
    mixed = precise_roi_pool(2 * first - 3 * second, boxes, 4)
    apart = 2 * precise_roi_pool(first, boxes, 4) - 3 * precise_roi_pool(second, boxes, 4)
    torch.testing.assert_close(mixed, apart, rtol=0, atol=1e-13)
    for item in range(2):
        alone = precise_roi_pool(first[item : item + 1], boxes[item : item + 1], 4)
        torch.testing.assert_close(precise_roi_pool(first, boxes, 4)[item : item + 1], alone, rtol=0, atol=1e-14)


def test_pooling_moves_with_the_map() -> None:
    features = torch.zeros(1, 2, 12, 14, dtype=torch.float64)
    features[:, :, 1:6, 1:6] = randn(1, 2, 5, 5)
    moved = features.roll((5, 7), (2, 3))
    box = boxes_of([0.7, 1.9, 5.3, 4.4])
    shift = boxes_of([7, 5, 7, 5])
    torch.testing.assert_close(
        precise_roi_pool(moved, box + shift, 4), precise_roi_pool(features, box, 4), rtol=0, atol=1e-13
    )


def test_coarse_bins_are_means_of_fine_ones() -> None:
    features, box = randn(1, 2, 8, 8), boxes_of([-0.6, 1.1, 6.3, 9.2])
    fine = precise_roi_pool(features, box, 8).unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5))
    torch.testing.assert_close(precise_roi_pool(features, box, 4), fine, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 5e-3), (torch.bfloat16, 4e-2)])
def test_half_precision_features_keep_their_type(dtype: torch.dtype, tolerance: float) -> None:
    features, boxes = randn(2, 3, 6, 6), boxes_of([0.4, 1.1, 4.7, 5.2], [-2, 0.3, 3.1, 9])
    pooled = precise_roi_pool(features.to(dtype), boxes.float(), 4)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.double(), precise_roi_pool(features, boxes, 4), rtol=0, atol=tolerance)
