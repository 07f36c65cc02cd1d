"""Every row of the ablation tool trains for two steps at a toy size, once, and the table says no more than it may."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mixformer.data.augmentation import CropSettings
from mixformer.data.sample_dataset import collate
from mixformer.data.sampling import Mixture
from mixformer.data.sequence import VideoSequence
from mixformer.training.dry_run import Shapes
from mixformer.weights.load_save import load_weights

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))  # its modules import each other by bare names
import ablation
from ablation_rows import PLANS, QUESTIONS
from ablation_table import table, verdict

NETWORK = ablation.NETWORK | {"dim": 16, "patch_size": 8, "search_size": 32, "template_size": 16, "head_dim": 8}
TRAINING = ablation.TRAINING | {
    "batch_size": 2,
    "precision": "float32",
    "masks": {"decoder_depth": 1, "decoder_dim": 16, "decoder_heads": 1},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The workshop after all rows of one seed, the results, and what a second start would still do."""
    shop = ablation.Workshop(tmp_path_factory.mktemp("ablation"), 2, NETWORK, TRAINING)
    mixture = Mixture([Shapes()], [1.0])
    recipe = shop.recipe(ablation.PLAN["corner_scratch"], 0)
    samples = ablation.mixture_dataset(mixture, recipe, recipe.network())
    crops = {"one": collate([samples[i] for i in range(2)]), "two": collate([samples[2]])}
    results = list(ablation.run_all(shop, list(PLANS), [7], mixture, crops))
    return shop, results, list(ablation.run_all(shop, list(PLANS), [7], mixture, crops))


def test_every_row_trains_once_and_is_measured(finished):
    shop, results, again = finished
    assert [line["plan"] for line in results] == [plan.name for plan in PLANS]
    assert ablation.read_results(shop.out) == json.loads(json.dumps(results))
    assert not again
    for line in results:
        assert np.isfinite(line["training"]["loss"])
        assert ("iou" in line) == (line["plan"] not in ("mae", "trackmae"))
        if "iou" in line:
            assert line["iou"] == pytest.approx(np.mean(list(line["sequences"].values())), abs=1e-4)


def test_students_have_the_blocks_that_stay(finished):
    shop = finished[0]
    depths = {plan.name: load_weights(shop.folder(plan.name, 7) / "model").config.depth for plan in PLANS}
    assert {name for name, depth in depths.items() if depth == 2} == {
        "mae_first", "first", "skip", "fade", "fade_42", "fade_long",
    }  # fmt: skip
    assert depths.pop("fade_4") == 4
    assert set(depths.values()) == {2, 6}


def test_a_cut_start_holds_the_teacher_s_blocks(finished):
    shop = finished[0]
    teacher = load_weights(shop.folder("corner", 7) / "model").state
    for name, kept in (("first", (0, 1)), ("skip", (2, 5))):
        start = load_weights(shop.folder(name, 7) / "start").state
        for new, old in enumerate(kept):
            keys = [key for key in teacher if key.startswith(f"backbone.blocks.{old}.")]
            assert keys
            assert all(start[key.replace(f".{old}.", f".{new}.", 1)].equal(teacher[key]) for key in keys)


def test_rows_of_a_question_differ_in_what_it_asks_alone(finished):
    shop = finished[0]
    skip, fade = (shop.recipe(ablation.PLAN[name], 7) for name in ("skip", "fade"))
    assert skip.teacher.model == fade.teacher.model
    assert skip.max_steps == fade.max_steps
    assert {p.name for p in PLANS} >= {name for q in QUESTIONS for name, _, _ in q.rows}
    assert all({better, worse} <= {row[0] for row in q.rows} for q in QUESTIONS for better, worse in q.claims)


def test_a_named_row_brings_what_it_needs():
    assert [plan.name for plan in ablation.needed(["sparse"])] == ["mae", "corner", "t4", "pyramid", "sparse"]
    assert ablation.needed([]) == list(PLANS)


def test_samples_are_made_once():
    shop = ablation.Workshop(Path("unused"), 2, NETWORK, TRAINING)
    recipe = shop.recipe(ablation.PLAN["corner_scratch"], 1)
    made = ablation.mixture_dataset(Mixture([Shapes()], [1.0]), recipe, recipe.network())
    kept = ablation.KeptSamples(made)
    assert kept[3] is kept[3]
    np.testing.assert_array_equal(kept[3].search, made[3].search)


def test_measured_crops_show_the_target_and_never_change(tmp_path):
    from PIL import Image

    files = []
    for index in range(4):
        frame = np.zeros((60, 80, 3), np.uint8)
        frame[20:40, 10 + 5 * index : 30 + 5 * index] = 255
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(frame).save(files[-1])
    boxes = np.array([[10.0 + 5 * i, 20, 20, 20] for i in range(4)])
    boxes[2] = np.nan
    settings = CropSettings(48, 24, 3.0, 1.5, 1)
    first, second = (ablation.held_out([VideoSequence("square", files, boxes)], settings)["square"] for _ in range(2))
    assert len(first.boxes) == 2
    assert first.search.equal(second.search)
    assert first.templates.shape[1] == 1
    for search, box in zip(first.search, first.boxes, strict=True):
        inside = search[:, :, 0] > 128
        x1, y1, x2, y2 = (box * 48).tolist()
        assert inside.sum() == pytest.approx((x2 - x1) * (y2 - y1), rel=0.2)
        assert inside[int((y1 + y2) / 2), int((x1 + x2) / 2)]


@pytest.mark.parametrize(
    ("high", "low", "said"),
    [
        ([3.0, 4.0, 5.0], [1.0, 2.0, 2.9], "confirmed"),
        ([1.0, 2.0, 2.9], [3.0, 4.0, 5.0], "reversed"),
        ([1.0, 4.0, 5.0], [0.5, 2.0, 2.9], "not decided"),
        ([4.0, 5.0], [1.0, 2.0], "too few seeds"),
        ([], [1.0, 2.0, 3.0], "not measured"),
    ],
)
def test_only_ranges_that_do_not_meet_decide(high, low, said):
    values = {"a": dict(enumerate(high)), "b": dict(enumerate(low))}
    assert f": {said}" in verdict({"a": "A", "b": "B"}, values, "a", "b")


def test_the_table_has_every_row(finished):
    text = table(finished[1])
    for question in QUESTIONS:
        assert question.title in text
        assert all(label in text for _, label, _ in question.rows)
