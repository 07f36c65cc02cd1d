"""The pictures show what the numbers say, at the right place."""

import errno

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from mixformer.errors import ConfigError, MissingDependencyError, OutputError
from mixformer.inspection import (
    PAIRS,
    BlockAttention,
    FrameInspection,
    Grid,
    average_attention,
    inspect_attention,
    plot_attention,
    plot_crops,
    plot_distributions,
    write_inspection,
)
from mixformer.inspection.attention_maps import average_queries, select_places
from mixformer.inspection.contact_sheet import new_sheet
from mixformer.inspection.inspection_plots import _draw_map
from tests.helpers.networks import KINDS, network


def pixels_of(figure):
    """The figure as it is drawn, RGB (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


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
        assert pixels.shape[2] == 4
        assert pixels.std() > 20
    with np.load(written[-1]) as arrays:
        assert arrays["box"].tolist() == pytest.approx(seen.result.box)
        assert ("edges" in arrays) == (kind != "query")
        np.testing.assert_array_equal(
            arrays["S0-B1/search_to_search" if kind != "cvt" else "S2-B1/search_to_search"],
            seen.result.blocks[1].maps["search_to_search"],
        )


@pytest.mark.parametrize(
    ("grid", "key", "place"),
    [(Grid(8, 8), 21, (5.5 / 8, 2.5 / 8)), (Grid(16, 8), 21, (10.5 / 16, 4.5 / 16)), (Grid(1, 1), 0, (0.5, 0.5))],
)
def test_a_peak_appears_at_its_place(grid, key, place):
    """Keys of a strided convolution stand at every second token."""
    values = np.zeros(grid.keys**2)
    values[key] = 0.3
    axes = new_sheet(2, 2).add_subplot()
    _draw_map(axes, values.reshape(grid.keys, grid.keys), grid, np.zeros((32, 32, 3), np.uint8), None)
    left, right, bottom, top = axes.images[1].get_extent()
    row, column = divmod(key, grid.keys)
    step = (right - left) / grid.keys, (bottom - top) / grid.keys
    assert (left + (column + 0.5) * step[0], top + (row + 0.5) * step[1]) == pytest.approx(place)
    assert axes.get_xlim() == (0, 1)
    assert axes.get_ylim() == (1, 0)


def test_the_sheet_shows_the_weights():
    figure = plot_attention(one_peak(7), "search_to_template")
    heat = [image.get_array() for axes in figure.axes for image in axes.images if image.get_array().ndim == 2]
    assert len(heat) == 1
    assert heat[0][1, 1] == 1
    assert heat[0].sum() == 1


def test_even_attention_stays_dark():
    axes = new_sheet(2, 2).add_subplot()
    _draw_map(axes, np.full((4, 4), 0.2), Grid(4, 4), np.zeros((32, 32, 3), np.uint8), None)
    assert axes.images[1].norm.vmax == pytest.approx(0.8)


@pytest.mark.parametrize(("kind", "online"), [("token", 3), ("token", 1), ("query", 1), ("cvt", 1)])
def test_nothing_is_cut(kind, online):
    """The sheet of a network of two blocks is the narrowest; its title is as long as any other."""
    seen = seen_frame(kind, online)
    there = {pair for block in seen.result.blocks for pair in block.maps}
    sheets = [plot_attention(seen, pair) for pair in PAIRS if pair in there]
    for figure in [*sheets, plot_distributions(seen), plot_crops(seen)]:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -0.02


def test_without_matplotlib_the_install_command_is_given_and_arrays_are_there(monkeypatch, tmp_path):
    seen = seen_frame("query")
    monkeypatch.setattr("mixformer.optional.installed", lambda package: False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mixformer\[plots\]'"):
        write_inspection(seen, tmp_path / "seen")
    assert "search" in seen.arrays()
    assert not list(tmp_path.iterdir())


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
    center, every = (average_attention(seen, "search_to_search", query)["S0-B0"] for query in ("center", "all"))
    assert center.shape == every.shape
    assert not np.allclose(center, every)
    with pytest.raises(ConfigError, match="query"):
        plot_attention(seen, "search_to_search", "middle")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="online to search"):
        plot_attention(seen, "online_to_search")


def test_edges_are_drawn_where_they_are_expected():
    """A sure left edge: its curve stands above its place on the crop."""
    seen = seen_frame("token")
    edges = np.full((4, 16), 1e-6, np.float32)
    edges[[0, 1, 2, 3], [4, 12, 2, 10]] = 1
    result = type(seen.result)([], type(seen.result.distributions)(edges, None), seen.result.prediction)
    figure = plot_distributions(FrameInspection(seen.search, seen.templates, 2.0, result))
    _, above, beside = figure.axes
    left, right = (line.get_xydata() for line in above.lines if len(line.get_xdata()) == 16)
    assert (left[left[:, 1].argmax(), 0], right[right[:, 1].argmax(), 0]) == (4 / 16, 12 / 16)
    top, bottom = (line.get_xydata() for line in beside.lines if len(line.get_xdata()) == 16)
    assert (top[top[:, 0].argmax(), 1], bottom[bottom[:, 0].argmax(), 1]) == (2 / 16, 10 / 16)


@pytest.mark.parametrize("kind", KINDS)
def test_distributions_of_every_kind(kind):
    assert pixels_of(plot_distributions(seen_frame(kind))).std() > 20


def test_a_box_turned_inside_out_is_drawn():
    """Token heads may predict a right edge left of the left one."""
    seen = seen_frame("token")
    boxes = torch.tensor([[0.5, 0.5, -0.2, 0.1]])
    prediction = type(seen.result.prediction)(boxes, None, None, seen.result.prediction.tokens)
    result = type(seen.result)(seen.result.blocks, seen.result.distributions, prediction)
    turned = FrameInspection(seen.search, seen.templates, 2.0, result)
    for pair in ("search_to_template", "template_to_online"):
        assert pixels_of(plot_attention(turned, pair)).std() > 20


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(OutputError, match="a file where a folder is expected"):
        write_inspection(seen_frame("query"), tmp_path / "file" / "seen")
    (tmp_path / "seen" / "crops.png").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"crops\.png"):
        write_inspection(seen_frame("query"), tmp_path / "seen")


def test_a_failed_picture_leaves_no_folder(tmp_path, monkeypatch):
    """It left an empty folder, or a part of the pictures, which was then no folder of an inspection."""
    seen = seen_frame("query")

    def fails(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(OutputError, match="the disk is full"):
        write_inspection(seen, tmp_path / "new" / "seen")
    assert not list(tmp_path.iterdir())
