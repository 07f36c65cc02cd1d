"""Heads and position tables."""

import copy
from typing import Any

import pytest
import torch

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.imaging.boxes import xyxy_to_cxcywh
from mixformer.models.build import build_box_head
from mixformer.models.corner import CornerHead, log_marginals
from mixformer.models.heads import FourMlpHead, QueryHead, TokenHead
from mixformer.models.layers import resize_table, sincos_table, soft_argmax
from tests.helpers.family import small


def corner_config(head: str, head_dim: int = 16) -> ModelConfig:
    return small(dim=12, head=head, prediction_tokens=0, score="none", head_dim=head_dim)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_soft_argmax_of_a_certain_bin_is_its_left_edge() -> None:
    logits = torch.full((3, 10), -1e4)
    logits[0, 0] = logits[1, 9] = logits[2, 4] = 1e4
    assert soft_argmax(logits).tolist() == pytest.approx([0.0, 0.9, 0.4])
    assert soft_argmax(torch.zeros(2, 5, 10)).flatten().tolist() == pytest.approx([0.45] * 10)


def test_soft_argmax_does_not_overflow() -> None:
    assert soft_argmax(torch.tensor([[3e38, 0.0, -3e38, 0.0]])).item() == 0.0


def test_token_head_maps_tokens_to_edges() -> None:
    head = TokenHead(8, 20).eval()
    tokens = torch.randn(2, 4, 8)
    corners, logits = head(tokens)
    left, right, top, bottom = soft_argmax(logits).unbind(1)
    torch.testing.assert_close(corners, torch.stack([left, top, right, bottom], 1))
    torch.testing.assert_close(logits.mean(-1), torch.zeros(2, 4), rtol=0, atol=1e-5)  # layer norm on the logits


@pytest.mark.parametrize(("head", "factor"), [("corner", 1), ("pyramid", 4)])
def test_corner_heads_expect_the_position_under_their_map(head: str, factor: int) -> None:
    module = build_box_head(corner_config(head)).eval()
    corners, logits = module(torch.randn(3, 12, 6, 6))
    side = 6 * factor
    assert logits.shape == (3, 2, side * side)
    weights = logits.softmax(-1).view(3, 2, side, side)
    places = torch.arange(side) / side
    column, row = (weights.sum(2) * places).sum(-1), (weights.sum(3) * places).sum(-1)
    expected = torch.stack([column[:, 0], row[:, 0], column[:, 1], row[:, 1]], 1)
    torch.testing.assert_close(corners, expected, rtol=0, atol=1e-6)


def test_corner_towers_are_two() -> None:
    module = build_box_head(corner_config("corner", 64)).eval()
    x = torch.randn(1, 12, 6, 6)
    before = module(x)[1]
    with torch.no_grad():
        module.br.conv1[0].weight.mul_(-1)
    after = module(x)[1]
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1], after[:, 1])


def test_log_marginals_sum_a_map_over_rows_and_columns() -> None:
    logits = torch.randn(2, 5, 7)
    weights = logits.flatten(1).softmax(-1).view(2, 5, 7)
    columns, rows = log_marginals(logits)
    torch.testing.assert_close(columns.softmax(-1), weights.sum(1))
    torch.testing.assert_close(rows.softmax(-1), weights.sum(2))


def test_impossible_corner_heads_are_refused() -> None:
    for width, words in ((0, "head_dim must be in 1"), (4, "multiple of 8"), (12, "multiple of 8")):
        with pytest.raises(ConfigError, match=words):
            build_box_head(corner_config("pyramid", width))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, TokenHead),
        ({"prediction_tokens": 1}, FourMlpHead),
        ({"prediction_tokens": 1, "head": "query"}, QueryHead),
        ({"prediction_tokens": 0, "head": "corner", "score": "none"}, CornerHead),
        ({"prediction_tokens": 0, "head": "pyramid", "score": "spm"}, CornerHead),
    ],
)
def test_every_head_is_built_at_the_width_of_the_tokens(changes: dict[str, Any], kind: type) -> None:
    for decoder, width in ((0, 24), (1, 16)):
        config = small(**changes, decoder_depth=decoder, decoder_dim=16, decoder_heads=2)
        head = build_box_head(config)
        assert type(head) is kind
        assert next(head.parameters()).shape[1] == width == config.final_dim


def test_single_token_head_is_four_heads() -> None:
    head = FourMlpHead(8, 20)
    tokens = torch.randn(2, 1, 8)
    corners, logits = head(tokens)
    assert logits.shape == (2, 4, 20)
    left, right, top, bottom = soft_argmax(logits).unbind(1)
    torch.testing.assert_close(corners, torch.stack([left, top, right, bottom], 1))
    for edge, place in enumerate((0, 2, 1, 3)):  # edges left, right, top, bottom; corners left, top, right, bottom
        other = copy.deepcopy(head)
        with torch.no_grad():
            other.edges[edge].bins.weight.mul_(-1)
        changed_corners, changed_logits = other(tokens)
        assert [i for i in range(4) if not torch.equal(logits[:, i], changed_logits[:, i])] == [edge]
        assert [i for i in range(4) if not torch.equal(corners[:, i], changed_corners[:, i])] == [place]


def test_single_token_head_with_equal_parts_is_the_shared_one() -> None:
    shared, single = TokenHead(8, 20), FourMlpHead(8, 20)
    for edge in single.edges:
        edge.load_state_dict(shared.state_dict())
    token = torch.randn(2, 1, 8)
    torch.testing.assert_close(single(token)[1], shared(token.expand(-1, 4, -1))[1])


def test_four_tokens_with_four_mlps_each_have_their_own() -> None:
    """MixFormerV2 supplement, table 2a, row 2, computed anew: edge i is what MLP i makes of token i alone."""
    head, tokens = FourMlpHead(8, 20).double(), torch.randn(2, 4, 8, dtype=torch.float64)
    state = {name: torch.randn_like(value) for name, value in head.state_dict().items()}
    head.load_state_dict(state)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    corners, logits = head(tokens)
    edges = []
    for edge in range(4):
        own = f"edges.{edge}."
        x = tokens[:, edge] @ state[f"{own}hidden.weight"].T + state[f"{own}hidden.bias"]
        x = norm(x, f"{own}hidden_norm").clamp(min=0)
        x = norm(x @ state[f"{own}bins.weight"].T + state[f"{own}bins.bias"], f"{own}bins_norm")
        torch.testing.assert_close(logits[:, edge], x)
        share = x.exp() / x.exp().sum(-1, keepdim=True)
        edges.append((share * torch.arange(20) / 20).sum(-1))
    left, right, top, bottom = edges
    torch.testing.assert_close(corners, torch.stack([left, top, right, bottom], 1))


def test_query_head_is_three_layers_and_a_sigmoid() -> None:
    head = QueryHead(8).double()
    token = torch.randn(5, 1, 8, dtype=torch.float64)
    corners, logits = head(token)
    assert logits is None
    assert len(head.layers) == 3
    x = token[:, 0]
    for layer in head.layers:
        x = x @ layer.weight.T + layer.bias
        if layer is not head.layers[-1]:
            x = x.clamp(min=0)
    torch.testing.assert_close(xyxy_to_cxcywh(corners), 1 / (1 + (-x).exp()), rtol=0, atol=1e-14)


def test_query_boxes_always_have_a_size() -> None:
    head = QueryHead(8)
    boxes = xyxy_to_cxcywh(head(20 * torch.randn(1000, 1, 8))[0])
    assert ((boxes > 0) & (boxes < 1)).all()


@pytest.mark.parametrize("kind", [TokenHead, FourMlpHead, QueryHead])
def test_boxes_are_never_in_half_precision_and_never_lose_double(kind: Any) -> None:
    head = kind(8) if kind is QueryHead else kind(8, 20)
    tokens = torch.randn(2, 4 if isinstance(head, TokenHead) else 1, 8)
    for dtype, expected in ((torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64,) * 2):
        assert copy.deepcopy(head).to(dtype)(tokens.to(dtype))[0].dtype == expected


def test_sincos_table_begins_with_the_column() -> None:
    table = sincos_table(16, 3)[0].view(3, 3, 16)
    assert table.shape == (3, 3, 16)
    assert torch.equal(table[0, 1, :8], table[2, 1, :8])  # first half: column
    assert torch.equal(table[1, 0, 8:], table[1, 2, 8:])  # second half: row
    assert torch.equal(table[1, 2, 8:], table[0, 1, :8])
    expected = [1.0 * 10000 ** (-i / 4) for i in range(4)]
    torch.testing.assert_close(table[0, 1, :4], torch.tensor(expected).sin())
    torch.testing.assert_close(table[0, 1, 4:8], torch.tensor(expected).cos())


def test_resize_table() -> None:
    table = torch.randn(1, 36, 8)
    same = resize_table(table, 6)
    assert torch.equal(same, table)
    assert same.data_ptr() != table.data_ptr()
    for grid in (3, 9):
        assert resize_table(table, grid).shape == (1, grid * grid, 8)
        torch.testing.assert_close(resize_table(torch.ones(1, 36, 8), grid), torch.ones(1, grid * grid, 8))
    ramp = torch.arange(6.0).repeat(6).view(1, 36, 1)  # grows along the columns
    bigger = resize_table(ramp, 12).view(12, 12)
    assert torch.allclose(bigger, bigger[:1].expand(12, 12), atol=1e-5)
    assert (bigger[0].diff() > 0).all()
