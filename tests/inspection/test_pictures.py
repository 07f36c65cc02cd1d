"""The pictures show what the numbers say, at the right place."""

import numpy as np
import pytest
import torch
from PIL import Image

from mixformer.errors import ConfigError, OutputError
from mixformer.inspection import (
    PAIRS,
    BlockAttention,
    FrameInspection,
    Grid,
    attention_sheet,
    distributions_picture,
    inspect_attention,
    write_inspection,
)
from mixformer.inspection.attention_pictures import average_queries, select_places
from mixformer.inspection.contact_sheet import PANEL
from mixformer.inspection.heatmap import colors, overlay, scaled, spread
from tests.helpers.networks import KINDS, network


def seen_frame(kind, online=1):
    model, templates, search = network(kind, online)
    pixels = np.random.default_rng(0)
    t, s = model.config.template_size, model.config.search_size
    crops = (
        pixels.integers(0, 256, (s, s, 3), dtype=np.uint8),
        pixels.integers(0, 256, (1 + online, t, t, 3), dtype=np.uint8),
    )
    return FrameInspection(*crops, 2.0, inspect_attention(model, templates, search))


def one_peak(key):
    """A frame with black crops and one block, all of whose attention falls on one key."""
    seen = seen_frame("token")
    weights = np.zeros((16, 36), np.float32)
    weights[:, key] = 1
    block = BlockAttention("S0-B0", Grid(6, 6), Grid(4, 4), {"search_to_template": weights})
    result = type(seen.result)([block], seen.result.distributions, seen.result.prediction)
    return FrameInspection(seen.search * 0, seen.templates * 0, 2.0, result)


def lightest(picture):
    """Center (x, y) of the yellow pixels."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    rows, columns = np.nonzero((red > 220) & (green > 180) & (blue < 180))
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("kind", ["token", "single", "query", "pyramid", "cvt", "symmetric"])
@pytest.mark.parametrize("online", [1, 3])
def test_every_picture_is_written(kind, online, tmp_path):
    seen = seen_frame(kind, online)
    written = write_inspection(seen, tmp_path / "deep" / "seen")
    pairs = [pair for pair in PAIRS if pair in seen.result.blocks[0].maps]
    assert len(pairs) == {"pyramid": 5, "cvt": 5, "symmetric": 10}.get(kind, 8)
    assert [path.name for path in written] == [
        "crops.png",
        "distributions.png",
        *(f"attention_{pair}.png" for pair in pairs),
        "inspection.npz",
    ]
    for path in written[:-1]:
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
        assert pixels.shape[2] == 3
        assert pixels.std() > 20
    with np.load(written[-1]) as arrays:
        assert arrays["box"].tolist() == pytest.approx(seen.result.box)
        assert ("edges" in arrays) == (kind != "query")
        np.testing.assert_array_equal(
            arrays["S0-B1/search_to_search" if kind != "cvt" else "S2-B1/search_to_search"],
            seen.result.blocks[1].maps["search_to_search"],
        )


def test_a_peak_appears_at_its_key():
    """Moved by one key to the right and two down, the lightest spot moves as far on the sheet."""
    first, second = (lightest(attention_sheet(one_peak(key), "search_to_template")) for key in (7, 20))
    np.testing.assert_allclose(second - first, [PANEL / 6, 2 * PANEL / 6], atol=1.01)


@pytest.mark.parametrize(("grid", "place"), [(Grid(8, 8), (5.5 / 8, 2.5 / 8)), (Grid(16, 8), (10.5 / 16, 4.5 / 16))])
def test_a_peak_appears_at_its_pixel(grid, place):
    """Keys of a strided convolution stand at every second token."""
    values = np.zeros((8, 8))
    values[2, 5] = 0.3
    picture = overlay(np.zeros((PANEL, PANEL, 3), np.uint8), spread(scaled(values), grid.key_centers(), PANEL))
    row, column = np.unravel_index(picture.sum(2).argmax(), picture.shape[:2])
    assert ((column + 0.5) / PANEL, (row + 0.5) / PANEL) == pytest.approx(place, abs=1 / PANEL)


def test_heat_is_dark_where_there_is_none_and_where_all_is_even():
    gray = np.full((8, 8, 3), 200, np.uint8)
    np.testing.assert_allclose(overlay(gray, np.zeros((8, 8))), 100, atol=3)
    assert scaled(np.full((4, 4), 0.2)).max() == pytest.approx(0.25)
    assert scaled(np.eye(16)).max() == 1
    assert (np.diff(colors(np.linspace(0, 1, 50)).astype(float) @ (0.2126, 0.7152, 0.0722)) > 0).all()


def test_queries_are_those_in_the_box():
    inside = select_places(4, (0.2, 0.5, 0.7, 0.9), "target").reshape(4, 4)
    assert np.argwhere(inside).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]
    assert np.flatnonzero(select_places(4, (0.2, 0.5, 0.7, 0.9), "center")).tolist() == [9]
    assert np.flatnonzero(select_places(4, (0.9, 0.9, 0.91, 0.91), "target")).tolist() == [15]  # between the places
    assert np.flatnonzero(select_places(4, (-2, 3, -1, 4), "target")).tolist() == [12]  # outside of the crop
    assert select_places(4, (0, 0, 0, 0), "all").all()


def test_average_over_queries():
    weights = np.random.default_rng(0).random((3, 4, 9)).astype(np.float32)
    block = BlockAttention("S0-B0", Grid(2, 3), Grid(4, 4), {"online_to_template": weights})
    mean = average_queries(block, "online_to_template", np.array([True, False, False, True]))
    np.testing.assert_allclose(mean[2, 0], ((weights[2, 0] + weights[2, 3]) / 2).reshape(3, 3), rtol=1e-6)
    assert mean.shape == (3, 1, 3, 3)
    tokens = np.random.default_rng(1).random((4, 3, 9)).astype(np.float32)
    block = BlockAttention("S0-B0", Grid(2, 3), Grid(4, 4), {"tokens_to_online": tokens})
    np.testing.assert_allclose(average_queries(block, "tokens_to_online", None), tokens.reshape(4, 3, 3, 3))


def test_the_query_changes_the_picture():
    seen = seen_frame("token")
    pictures = {query: attention_sheet(seen, "search_to_search", query) for query in ("target", "center", "all")}
    assert not np.array_equal(pictures["center"], pictures["all"])
    with pytest.raises(ConfigError, match="query"):
        attention_sheet(seen, "search_to_search", "middle")
    with pytest.raises(ConfigError, match="online to search"):
        attention_sheet(seen, "online_to_search")


def test_edges_are_drawn_where_they_are_expected():
    """A sure left edge: its curve stands above its place on the crop, in its color."""
    seen = seen_frame("token")
    edges = np.full((4, 16), 1e-6, np.float32)
    edges[[0, 1, 2, 3], [4, 12, 2, 10]] = 1
    result = type(seen.result)([], type(seen.result.distributions)(edges, None), seen.result.prediction)
    picture = distributions_picture(FrameInspection(seen.search, seen.templates, 2.0, result))
    blue, orange = ((picture == color).all(-1) for color in ((0, 114, 178), (213, 94, 0)))
    above = slice(48, 120)
    middles = [np.nonzero(mask[above].any(0))[0].mean() for mask in (blue, orange)]
    assert middles[1] - middles[0] == pytest.approx(400 * 8 / 16, abs=2)


@pytest.mark.parametrize("kind", KINDS)
def test_distributions_of_every_kind(kind):
    picture = distributions_picture(seen_frame(kind))
    assert picture.dtype == np.uint8
    assert picture.std() > 20


def test_a_box_turned_inside_out_is_drawn():
    """Token heads may predict a right edge left of the left one."""
    seen = seen_frame("token")
    boxes = torch.tensor([[0.5, 0.5, -0.2, 0.1]])
    prediction = type(seen.result.prediction)(boxes, None, None, seen.result.prediction.tokens)
    result = type(seen.result)(seen.result.blocks, seen.result.distributions, prediction)
    turned = FrameInspection(seen.search, seen.templates, 2.0, result)
    for pair in ("search_to_template", "template_to_online"):
        assert attention_sheet(turned, pair).std() > 20


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(OutputError, match="give another"):
        write_inspection(seen_frame("query"), tmp_path / "file" / "seen")
    (tmp_path / "seen" / "crops.png").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"crops\.png"):
        write_inspection(seen_frame("query"), tmp_path / "seen")
