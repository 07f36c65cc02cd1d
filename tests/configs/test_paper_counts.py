"""The papers' counts of operations, explained to the digit where the papers show their sums."""

import pytest

from mixformer.configs import model_config
from mixformer.configs.flops import _head_flops, locate_flops, remember_flops

# MixFormerV2 supplement S.2: multiply-adds of both heads for a map of 18 x 18 tokens of width 768.
PYRAMID, TOKENS = 3_902_587_776, 2_580_480
SIDE = 2 * 9 * (768 - 384) * (192 + 96) * 18**2  # two side layers, in both towers, of half the width
LAST = 2 * (9 - 1) * 48 * 72**2  # the last 1x1 layer as a 3x3 layer, in both towers


def eight_layers(**changes):
    return model_config("mixformerv2_b").replace(name="eight", **changes)


def linear_gmacs(config, templates=1):
    """Multiply-adds (1e9) of everything but the products of attention, each token in each block."""
    whole = locate_flops(config, templates - 1, full=True) + remember_flops(config, templates - 1, full=True)
    kept, asking = templates * config.template_grid**2, config.search_grid**2 + config.prediction_tokens
    products = config.depth * 2 * config.dim * (kept**2 + asking * (kept + asking))
    return (whole / 2 - products) / 1e9


def test_the_heads_of_the_supplement():
    dense = model_config("mixvit_stage1")
    assert _head_flops(dense) // 2 - SIDE + LAST == PYRAMID
    assert SIDE - LAST == 640_991_232
    assert _head_flops(model_config("mixformerv2_d12")) // 2 == TOKENS  # 72 bins


@pytest.mark.parametrize(
    ("changes", "missing", "published"),
    [({"score": "none"}, 0, 22.5), ({"head": "pyramid", "prediction_tokens": 0, "score": "none"}, SIDE - LAST, 26.2)],
)
def test_table_1_counts_linear_layers_with_one_template(changes, missing, published):
    found = linear_gmacs(eight_layers(**changes))
    assert found - missing / 1e9 == pytest.approx(published, abs=0.105)
    assert linear_gmacs(eight_layers(**changes), templates=2) > published + 3


def test_the_score_module_of_table_1_is_not_explained():
    """1.0 G are published for it, whose layers need a tenth."""
    changes = {"head": "pyramid", "prediction_tokens": 0}
    module = linear_gmacs(eight_layers(**changes, score="spm")) - linear_gmacs(eight_layers(**changes, score="none"))
    assert module == pytest.approx(0.1, abs=0.01)
