"""Tables of ablations: their rows are those of the papers, they train and are measured, and the verdict is fair."""

import pickle
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixformer import training
from mixformer.cli import ablate, main
from mixformer.cli.parser import make_parser
from mixformer.data.annotated_folders import read_sequences
from mixformer.data.augmentation import CropSettings
from mixformer.data.sequence import VideoSequence
from mixformer.errors import ConfigError, DataError
from mixformer.evaluation import paper_ablations
from mixformer.training import (
    ABLATIONS,
    AblationResult,
    Recipe,
    ablation_figure,
    ablation_measures,
    ablation_report,
    ablation_runs,
    run_ablation,
)
from mixformer.training.ablation_tables import STEPS
from mixformer.training.route_runs import needed_steps, plan_steps
from mixformer.training.tiny import toy_sequences
from mixformer.weights.load_save import load_weights
from tests.helpers.networks import narrow_model


@pytest.mark.parametrize("key", ABLATIONS)
def test_every_row_has_its_published_number(key):
    table = ABLATIONS[key]
    numbers = {row.row for row in paper_ablations() if row.source == table.source}
    assert {row.number for row in table.rows} - {0} == numbers
    assert all(row.number or row.point[0] for row in table.rows)  # a figure has points without numbers
    assert (table.measures == "speed") == all(row.step is None for row in table.rows)


@pytest.mark.parametrize("scale", ["paper", "tiny"])
@pytest.mark.parametrize("key", [key for key, table in ABLATIONS.items() if table.measures == "accuracy"])
def test_rows_start_from_steps_that_fit(key, scale):
    """Each network is possible; its start and its teacher are steps before it, with the blocks that are named."""
    steps = needed_steps([row.step.name for row in ABLATIONS[key].rows], STEPS)
    made = {}
    for report in plan_steps(steps, Path("out"), scale=scale):
        if report.recipe is None:
            config = made[f"out/{report.step.source}/model"]
            left = {"depth": report.step.amount} if report.step.cut != "mlp_ratio" else {"mlp_ratio": 1.0}
            made[f"out/{report.step.name}"] = config.replace(**left)
            continue
        recipe = report.recipe
        config = recipe.network()
        start = recipe.init_from
        assert not start.startswith("runs/")
        if start.startswith("out/"):  # the very folder that the earlier step writes
            assert (made[start].depth, made[start].dim) == (config.depth, config.dim)
        if recipe.teacher.model:
            depth = made[recipe.teacher.model].mixing_depth
            assert all(block < depth for block in recipe.teacher.teacher_blocks)
            assert all(block < config.mixing_depth for block in recipe.teacher.student_blocks)
            assert not recipe.teacher.feature_weight or recipe.teacher.student_blocks
        made[f"out/{report.step.name}/model"] = config.replace(depth=config.depth - len(recipe.pruning.blocks))


def test_rows_of_a_table_differ_in_what_it_asks_alone():
    rows = [row.step.name for row in ABLATIONS["v2-3d"].rows]
    plans = {r.step.name: r.recipe for r in plan_steps(needed_steps(rows, STEPS), Path("out"), scale="tiny")}
    plain, logits, both = (plans[name] for name in rows)
    assert (plain.stage, logits.stage, both.stage) == ("box", "distill", "distill")
    assert logits.teacher.replace(feature_weight=both.teacher.feature_weight) == both.teacher
    assert plain.network() == logits.network() == both.network()
    assert (plain.init_from, plain.max_steps, plain.loss) == (both.init_from, both.max_steps, both.loss)
    assert plain.optimizer.replace(tokens_with_backbone=True) == both.optimizer  # they have no such tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mixvit_deit3_8", "mixvit_corner_8"),
        ("v1-7-deit3_21k", "v1-7-mae"),
        ("v1-7-mae_finetuned", "v1-7-mae"),
        ("v1-7-cvt_1k", "v1-7-cvt_22k"),
        ("mixvit_stage1", "mixvit_l_stage1"),
        ("v1-6-frozen", "v1-6-sincos"),
    ],
)
def test_rows_that_differ_in_an_image_model_are_one_at_tiny_scale(one, other):
    """docs/recipes.md names them."""
    first, second = (plan_steps([STEPS[name]], Path("out"), scale="tiny")[0].recipe for name in (one, other))
    assert first.network().replace(name="") == second.network().replace(name="")
    same = {"model": "", "model_overrides": {}}
    assert first.replace(**same) == second.replace(**same)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return toy_sequences(folder / "train", 3), toy_sequences(folder / "test", 2, 6, seed=1)


@pytest.mark.timeout(1800)
def test_a_table_is_trained_measured_and_kept(tmp_path, videos, capsys):
    words = ["ablate", "v2-3d", "--out", str(tmp_path), "--scale", "tiny", "--steps", "1", "--seeds", "1"]
    words += ["--data", str(videos[0]), "--test", str(videos[1]), "--device", "cpu"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.index("seed 1, mixvit_corner") < said.index("seed 1, logits: measured")
    assert "| logits and features | 62.9 |" in said
    assert (tmp_path / "v2-3d.md").read_text() in said
    place = tmp_path / "seed1"
    depths = {name: load_weights(place / name / "model").config.depth for name in ("mixvit_corner", "four_mae")}
    assert depths == {"mixvit_corner": 6, "four_mae": 2}
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*.safetensors")}
    # A measurement that is lost is made again, and nothing is trained again.
    (place / "measured" / "four_mae.json").unlink()
    result = run_ablation("v2-3d", tmp_path, seeds=[1], scale="tiny", data=videos[0], test=videos[1], steps=1)
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*.safetensors")} == before
    assert all(0 <= result.values[row][1]["value"] <= 1 for row in range(3))
    assert len(result.values[2][1]["sequences"]) == 2
    assert main([*words[:-2], "--device", "cpu", "--steps", "2"]) == 2  # other settings
    # What was measured on other sequences is not taken for what was asked for.
    with pytest.raises(ConfigError, match="measured on other held-out sequences"):
        run_ablation("v2-3d", tmp_path, seeds=[1], scale="tiny", data=videos[0], test=videos[0], steps=1)


@pytest.mark.timeout(1800)
def test_rows_with_settings_are_tracked(tmp_path, videos):
    result = run_ablation("v1-8", tmp_path, seeds=[1], scale="tiny", data=videos[0], test=videos[1], steps=1)
    assert not result.failures
    assert [len(found) for found in result.values.values()] == [1, 1, 1]
    for update in ("never", "interval", "score"):
        (run,) = (tmp_path / "seed1" / "measured").glob(f"mixcvt_score, update={update}/*/run.json")
        assert f'"update": "{update}"' in run.read_text()
        assert '"update_interval": 10' in run.read_text()
    assert "| by score | 69.2 |" in ablation_report(result)
    with pytest.raises(ConfigError, match="measured on other held-out sequences"):
        run_ablation("v1-8", tmp_path, seeds=[1], scale="tiny", data=videos[0], test=videos[0], steps=1)


def test_speeds_stand_beside_the_published_ones(tmp_path, monkeypatch):
    seen = []

    def measure(variant, changes, device):
        seen.append((variant, changes["depth"], changes["mlp_ratio"], changes["search_size"]))
        return {"value": 10.0 + len(seen), "cpu_seconds": 0.5, "parameters": 1.0, "device": device}

    monkeypatch.setattr(ablation_runs, "measure_speed", measure)
    text = ablation_report(run_ablation("v2-2", tmp_path, seeds=[1, 2]))
    assert len(set(seen)) == 12
    assert len(seen) == 24
    assert "| | paper, frames a second (CPU) | here, frames a second (CPU) | paper, times the first row |" in text
    busy = "0.500 ± 0.000"
    assert f"288 pixels | 21.0 | 17.0 ± 8.5 | 1.00 | 1.00 ± 0.00 | {busy} | 11.0, 23.0 | 1.0 |" in text
    assert f"| 12 blocks, MLP ratio 4, 224 pixels | 6.0 | 28.0 ± 8.5 | 0.29 | 1.74 ± 0.37 | {busy} |" in text
    for key, device, heading, first in (
        ("v2-2", "cuda", "paper, frames a second (GPU) | here, frames a second (GPU)", "262.0"),
        ("v2-1", "cpu", "paper, frames a second (GPU) | here, frames a second (CPU)", "90.0"),  # no others are printed
    ):
        found = {row: {1: {"value": 1.0, "device": device}} for row in range(len(ABLATIONS[key].rows))}
        text = ablation_report(AblationResult(ABLATIONS[key], "paper", (1,), found))
        assert heading in text
        assert f"| {first} | 1.0 | 1.00 | 1.00 | - |" in text


def test_the_curve_of_figure_7_shows_means_and_the_papers_numbers(tmp_path, monkeypatch, capsys):
    values = {row: {1: {"value": 0.1 * row}, 2: {"value": 0.1 * row + 0.02}} for row in range(5)}  # one row is missing
    result = AblationResult(ABLATIONS["v1-f7"], "tiny", (1, 2), values)
    ours, paper = ablation_figure(result).axes
    lines = {line.get_label(): line.get_xydata() for line in (*ours.lines, *paper.lines)}
    np.testing.assert_allclose(lines["DeiT III"], [[4, 1], [8, 11], [12, 21]])
    np.testing.assert_allclose(lines["MAE"], [[4, 31], [8, 41]])
    np.testing.assert_allclose(lines["DeiT III, paper (right)"], [[4, 63.4], [12, 67.7]])
    np.testing.assert_allclose(lines["MAE, paper (right)"], [[8, 65.9], [12, 68.5]])
    text = ablation_report(result)
    assert "| MAE, 8 blocks | 65.9 | 41.0 ± 1.4 |" in text
    assert "| MAE, 4 blocks | - | 31.0 ± 1.4 |" in text
    assert "- MAE, 4 blocks above" not in text  # no row of one's own
    with pytest.raises(DataError, match="no points"):
        ablation_figure(AblationResult(ABLATIONS["v1-8"], "tiny", (1,), {}))
    monkeypatch.setattr(training, "run_ablation", lambda *_, **__: result)
    assert main(["ablate", "v1-f7", "--out", str(tmp_path), "--device", "cpu"]) == 0
    assert Image.open(tmp_path / "v1-f7.png").width > 600
    assert (tmp_path / "v1-f7.md").read_text() in capsys.readouterr().out


def test_only_the_wanted_rows_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(ablation_runs, "measure_speed", lambda *_: {"value": 1.0, "cpu_seconds": 0.5})
    result = run_ablation("v2-1", tmp_path, seeds=[1], rows=["mixvit_corner"], only=[2])
    assert [len(found) for found in result.values.values()] == [0, 1, 0, 1]  # that of one's own too
    assert "| pyramidal corner head, score module | 90.0 | - |" in ablation_report(result)
    with pytest.raises(ConfigError, match="no row 4; this table has the rows 1 to 3"):
        run_ablation("v2-1", tmp_path, rows=["mixvit_corner"], only=[1, 4])


def test_the_speed_of_a_network_is_measured():
    small = {"depth": 2, "dim": 16, "heads": 2, "search_size": 64, "template_size": 32, "head": "corner"}
    found = ablation_measures.measure_speed("mixvit_stage1", small, "cpu")
    assert found["value"] > 1
    assert found["device"] == "cpu"
    assert 0 < found["cpu_seconds"] < 60
    assert 0 < found["parameters"] < 10


def test_tasks_can_be_sent_to_other_processes(tmp_path):
    shop = ablation_runs._shop(tmp_path, "paper", None, None, 0, "cpu")
    table = ABLATIONS["v2-3f"]
    levels = ablation_runs._levels(shop, table, [1, 2])
    assert [[name for name, _ in level] for level in levels] == [
        ["seed 1, mixvit_corner", "seed 2, mixvit_corner"],
        ["seed 1, four_fade", "seed 1, eight_fade", "seed 2, four_fade", "seed 2, eight_fade"],
        ["seed 1, four_by_eight", "seed 2, four_by_eight"],
    ]
    assert levels[0][1][1].report.recipe.seed == 2
    assert pickle.loads(pickle.dumps((partial(ablation_runs._make, shop), levels)))[1] == levels


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return narrow_model(tmp_path_factory.mktemp("narrow") / "model")


@pytest.mark.timeout(1800)
def test_rows_of_ones_own_stand_beside_those_of_the_paper(tmp_path, videos, narrow, capsys):
    """Workers train with loader processes of their own, from a narrow start, and give what one process gives."""
    (tmp_path / "mine.toml").write_text(
        'model = "mixvit_stage1"\nmodel_overrides = { head = "corner", attention = "symmetric" }\n'
        'init_from = "pretrained/mae_pretrain_vit_base.pth"\n'
    )
    words = ["ablate", "v2-3d", "--scale", "tiny", "--steps", "2", "--seeds", "1", "--device", "cpu"]
    words += ["--data", str(videos[0]), "--test", str(videos[1]), "--start", str(narrow)]
    words += ["--row", str(tmp_path / "mine.toml"), "--set", "batch_size=2"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    said = capsys.readouterr().out
    assert "| mine | - | " in said
    assert "- mine above no distillation: too few seeds" in said
    assert main([*words, "--set", "data.workers=1", "--workers", "2", "--out", str(tmp_path / "two")]) == 0
    assert (tmp_path / "two" / "v2-3d.md").read_text() == (tmp_path / "one" / "v2-3d.md").read_text()
    recipes = {path.parent.name: Recipe.from_file(path) for path in (tmp_path / "two" / "seed1").glob("*/recipe.json")}
    assert {recipe.batch_size for recipe in recipes.values()} == {2}
    assert {recipe.data.workers for recipe in recipes.values()} == {1}
    sizes = {name: recipe.network() for name, recipe in recipes.items()}
    assert {config.dim for config in sizes.values()} == {24}
    assert (sizes["mine"].attention, sizes["mine"].depth, sizes["mine"].position) == ("symmetric", 6, "sincos")
    before = load_weights(narrow).state["backbone.blocks.0.mlp.fc1.weight"]
    after = load_weights(tmp_path / "one" / "seed1" / "mine" / "model").state["backbone.blocks.0.mlp.fc1.weight"]
    assert 0 < (before - after).abs().max() < 0.01  # two steps from the start


def test_a_recipe_of_ones_own_may_build_on_steps(tmp_path):
    (tmp_path / "longer.toml").write_text(
        'model = "mixvit_stage1"\nmodel_overrides = { head = "corner" }\ninit_from = "runs/mixvit_corner/model"\n'
    )
    table = ablation_runs._with_rows(ABLATIONS["v1-6"], [tmp_path / "longer.toml", "mixvit_corner"])
    known = STEPS | {row.step.name: row.step for row in table.rows}
    assert [step.name for step in needed_steps(["longer"], known)] == ["mixvit_corner", "longer"]
    (plan,) = plan_steps([known["mixvit_corner"]], Path("out"))
    assert plan.recipe == plan_steps([STEPS["mixvit_corner"]], Path("out"))[0].recipe
    (tmp_path / "v2_t4.toml").write_text('model = "mixvit_stage1"\n')
    with pytest.raises(ConfigError, match="another name"):
        ablation_runs._with_rows(ABLATIONS["v1-6"], [tmp_path / "v2_t4.toml"])
    (speed,) = ablation_runs._with_rows(ABLATIONS["v2-1"], [tmp_path / "longer.toml"]).rows[-1:]
    assert speed.network == ("mixvit_stage1", {"head": "corner"})


def test_changes_given_in_several_options_all_count():
    parser = make_parser("Test.")
    ablate.add_options(parser)
    options = parser.parse_args(["--set", "a=1", "b=2", "--set", "c=3", "--row", "x", "--row", "y"])
    assert (options.set, options.row) == (["a=1", "b=2", "c=3"], ["x", "y"])
    assert parser.parse_args([]).set == []


def test_wrong_calls_say_what_is_missing(tmp_path, capsys):
    with pytest.raises(ConfigError, match="did you mean 'v2-3d'"):
        run_ablation("v2-3dd", tmp_path)
    with pytest.raises(ConfigError, match="one of held-out sequences"):
        run_ablation("v2-3d", tmp_path, scale="tiny", data=tmp_path)
    assert main(["ablate", "v2-3d"]) == 2
    assert main(["ablate", "--list"]) == 0
    said = capsys.readouterr().out
    assert "progressive depth pruning" in said
    assert max(map(len, said.splitlines())) < 80
    assert all(line == line.rstrip() for line in said.splitlines())
    assert main(["ablate", "v2-3z", "--list"]) == 2


def test_the_list_of_a_table_says_how_each_row_is_trained(tmp_path, capsys):
    measured = ablation_runs.measured_file(tmp_path, ABLATIONS["v2-3d"].rows[1], 2)
    measured.parent.mkdir(parents=True)
    measured.write_text("{}")
    assert main(["ablate", "v2-3d", "--list", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0::2] == [
        "1. no distillation, 0 of 3 seeds measured",
        "2. logits, 1 of 3 seeds measured",
        "3. logits and features, 0 of 3 seeds measured",
    ]
    # What is printed is a command of `mixformer train`, but for the names of steps in it.
    words = shlex.split(lines[3].split(": recipe ")[1])
    assert Recipe.from_toml(words[0], words[2:]) == plan_steps([STEPS["four_logits"]], Path("out"))[0].recipe
    assert main(["ablate", "v1-8", "--list"]) == 0
    assert "tracked with update=interval" in capsys.readouterr().out
    assert main(["ablate", "v2-1", "--list"]) == 0
    assert "network mixvit depth=8" in capsys.readouterr().out


def test_measured_crops_show_the_target_and_never_change(tmp_path):
    files = []
    for index in range(4):
        frame = np.zeros((60, 80, 3), np.uint8)
        frame[20:40, 10 + 5 * index : 30 + 5 * index] = 255
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(frame).save(files[-1])
    boxes = np.array([[10.0 + 5 * i, 20, 20, 20] for i in range(4)])
    boxes[2] = np.nan
    sequence, settings = VideoSequence("square", files, boxes), CropSettings(48, 24, 3.0, 1.5, 1)
    first, second = (ablation_measures.measured_crops(sequence, 0, settings) for _ in range(2))
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
        ([4.0, 5.0, 6.0], [4.0, 5.0, 6.0], "the same network (0.0 ± 0.0 in pairs)"),
        ([], [1.0, 2.0, 3.0], "not measured"),
    ],
)
def test_only_ranges_that_do_not_meet_decide(high, low, said):
    values = {
        row: {seed: {"value": value / 100} for seed, value in enumerate(found)} for row, found in ((1, high), (0, low))
    }
    text = ablation_report(AblationResult(ABLATIONS["v2-3f"], "tiny", (0, 1, 2), values))
    assert f"- 12 to 8 to 4 blocks above 12 to 4 blocks: {said}" in text


def test_the_part_of_crops_above_a_half_has_a_column_where_crops_are_measured():
    values = {1: {1: {"value": 0.5, "over_half": 0.25}, 2: {"value": 0.6, "over_half": 0.5}}}
    text = ablation_report(AblationResult(ABLATIONS["v2-3f"], "tiny", (1, 2), values))
    assert "| 12 to 8 to 4 blocks | 65.5 | 55.0 ± 7.1 | 50.0, 60.0 | 25.0, 50.0 | - |" in text
    assert "above 0.5" not in ablation_report(AblationResult(ABLATIONS["v1-8"], "tiny", (1, 2), values))


@pytest.mark.parametrize(
    ("key", "pairs"),
    [
        ("v1-6", [(2, 0), (2, 1), (3, 2)]),  # V1 and V2 have one number
        ("v2-s2e", [(1, 0), (2, 0)]),
        ("v1-f7", [(4, 0), (2, 4), (5, 2)]),  # two of its points have no number
    ],
)
def test_rows_of_one_published_number_are_all_compared_with_the_next(key, pairs):
    rows = ABLATIONS[key].rows
    values = {row: {1: {"value": 0.1 * row}} for row in range(len(rows))}
    text = ablation_report(AblationResult(ABLATIONS[key], "tiny", (1,), values))
    said = [line[2:].split(":")[0] for line in text.splitlines() if line.startswith("- ")]
    assert said == [f"{rows[better].label} above {rows[worse].label}" for better, worse in pairs]


def test_a_mean_without_some_sequences_is_no_measurement(tmp_path, tiny_model):
    """The mean of the sequences that could be tracked was kept as that of all."""
    root = toy_sequences(tmp_path / "data", count=2, frames=3)
    (root / "toy01" / "img" / "00000002.png").write_bytes(b"damaged")
    recipe = training.Recipe("mixformerv2_s")
    with pytest.raises(DataError, match=r"1 sequence failed.*toy01"):
        ablation_measures.measure_tracking_of(tiny_model, recipe, "", root, tmp_path / "out" / "row", {}, "cpu")


@pytest.mark.parametrize("visible", [0, 1])
def test_a_sequence_without_a_crop_to_measure_is_named(videos, visible):
    whole = read_sequences(videos[1])[0]
    boxes = np.where(np.arange(len(whole))[:, None] < visible, whole.boxes, np.nan)
    with pytest.raises(DataError, match="few: the target is visible in fewer than two frames"):
        ablation_measures.measured_crops(VideoSequence("few", whole.frames, boxes), 0, CropSettings(64, 32, 3, 1.5, 1))
