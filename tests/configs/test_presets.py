"""Published settings are those of the official tables, typed here a second time and in their shape."""

import runpy
from pathlib import Path

import pytest

from mixformer.configs.presets import DEFAULT_TRACKERS, PRESETS, tracker_config
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import ConfigError
from mixformer.weights.model_folder import find_folder

ROOT = Path(__file__).parents[2]
FORMS = ("mixcvt", "mixcvt_l", "mixvit", "mixvit_l", "mixvit_convmae", "mixvit_l_convmae")
STAGE1 = tuple(f"{form}_stage1" for form in FORMS)
V2 = ("mixformerv2_b", "mixformerv2_s", "mixformerv2_d12")
BENCHMARKS = ("lasot", "got10k", "trackingnet", "vot2020", "vot2020lt", "otb100", "uav123")

# Spec 1.3, row by row: update interval and most online templates.
SCHEDULES = {
    "mixcvt": [(200, 2), (10, 2), (25, 1), (10, 5), (200, 3), (6, 3), (200, 1)],
    "mixcvt@1k": [(200, 3), (10, 3), (25, 3), (7, 5), (200, 3), (6, 2), (200, 3)],
    "mixcvt@got": [(200, 3), (25, 3), (25, 3), (10, 3), (200, 3), (200, 3), (200, 3)],
    "mixcvt_l": [(200, 2), (200, 2), (25, 3), (10, 5), (200, 3), (6, 2), (25, 3)],
    "mixvit": [(200, 2), (200, 2), (25, 3), (6, 5), (200, 3), (6, 2), (20, 3)],
    "mixvit@got": [(200, 2), (200, 2), (25, 3), (6, 5), (200, 3), (6, 2), (200, 3)],
    "mixvit_l": [(200, 2), (200, 2), (25, 2), (10, 5), (200, 3), (12, 5), (25, 2)],
    "mixvit_convmae": [(200, 2), (200, 2), (25, 3), (6, 5), (200, 3), (6, 2), (18, 2)],
    "mixvit_convmae@got": [(200, 2), (200, 2), (25, 3), (6, 5), (200, 3), (6, 2), (200, 3)],
    "mixvit_l_convmae": [(200, 2), (200, 2), (20, 1), (10, 5), (200, 3), (10, 2), (20, 2)],
    "mixformerv2_b": [(200, 1), (10, 1), (25, 1), (10, 1), (200, 1), (200, 3), (200, 3)],
    "mixformerv2_s": [(200, 1), (15, 1), (25, 1), (10, 1), (200, 1), (200, 3), (200, 3)],
}
# Spec 1.2, the commands: LaSOT, TrackingNet, GOT-10k, UAV123, OTB100; None = the configuration's factor.
COMMANDS = {
    "mixcvt": (4.55, 4.5, 4.55, 4.5, 4.5),
    "mixcvt@1k": (4.5, 4.5, 4.55, 4.55, 4.5),
    "mixcvt@got": (None, None, 4.55, None, None),
    "mixcvt_l": (4.55, 4.5, None, 4.5, 4.55),
    "mixvit": (5.05, None, None, 4.7, 4.45),
    "mixvit_l": (4.55, 4.6, None, 4.7, 4.6),
    "mixvit_convmae": (4.8, None, None, 4.5, None),
    "mixvit_l_convmae": (4.5, 4.6, None, 4.55, 4.45),
    "mixformerv2_b": (5.0, 5.0, 5.0, None, None),
    "mixformerv2_s": (4.4, 4.55, 4.55, None, None),
}
DECAYED = {("mixcvt", "got10k"), ("mixcvt", "got10k@got"), ("mixcvt", "got10k@mmtracking"), ("mixcvt_l", "trackingnet")}


def settings(row, benchmark):
    model, _, weights = row.partition("@")
    return tracker_config(model, f"{benchmark}@{weights}" if weights else benchmark)


@pytest.mark.parametrize("row", SCHEDULES)
def test_schedules(row):
    for benchmark, (interval, templates) in zip(BENCHMARKS, SCHEDULES[row], strict=True):
        found = settings(row, benchmark)
        assert (found.update_interval, found.online_templates, found.update) == (interval, templates, "score"), (
            benchmark
        )


@pytest.mark.parametrize("row", SCHEDULES)
def test_search_factors(row):
    named = dict(
        zip(("lasot", "trackingnet", "got10k", "uav123", "otb100"), COMMANDS.get(row, [None] * 5), strict=True)
    )
    configured = 5.0 if row.startswith("mixcvt") else 4.5
    for benchmark in BENCHMARKS:
        assert settings(row, benchmark).search_factor == (named.get(benchmark) or configured), benchmark


def test_the_rest_is_the_same_everywhere():
    for preset in PRESETS:
        tracker = preset.tracker
        assert (tracker.template_factor, tracker.score_threshold, tracker.margin) == (2.0, 0.5, 10.0)
        assert tracker.score_decay == (0.98 if (preset.model, preset.name) in DECAYED else 1.0)
        assert preset.source


@pytest.mark.parametrize("model", ["mixformerv2_b", "mixformerv2_s"])
def test_more_benchmarks_of_v2(model):
    expected = {"vot2022stb": (4.5, 10, 3), "tnl2k": (4.5, 200, 3)}
    for benchmark, values in expected.items():
        found = tracker_config(model, benchmark)
        assert (found.search_factor, found.update_interval, found.online_templates) == values


def test_settings_of_the_mmtracking_port():
    found = {preset.benchmark: preset.tracker for preset in PRESETS if preset.weights == "mmtracking"}
    assert found == {
        "lasot": TrackerConfig(search_factor=4.55, update_interval=200, online_templates=2),
        "got10k": TrackerConfig(search_factor=4.55, update_interval=25, online_templates=2, score_decay=0.98),
        "trackingnet": TrackerConfig(search_factor=4.5, update_interval=25, online_templates=1),
    }


@pytest.mark.parametrize("model", STAGE1)
def test_forms_without_score(model):
    found = {preset.benchmark: preset.tracker for preset in PRESETS if preset.model == model and not preset.weights}
    assert {name: tracker.update_interval for name, tracker in found.items()} == {
        "lasot": 200, "got10k": 200, "trackingnet": 25, "vot2020": 10, "vot2020lt": 200, "otb100": 200, "uav123": 200,
        "vot2022stb": 10,
    }  # fmt: skip
    factor = 4.5 if model in ("mixvit_stage1", "mixvit_convmae_stage1") else 5.0
    for tracker in found.values():
        assert (tracker.search_factor, tracker.online_templates, tracker.update) == (factor, 1, "interval")


@pytest.mark.parametrize("model", ["mixvit_stage1", "mixvit_convmae_stage1"])
def test_got_configurations_without_score_have_no_intervals_of_their_own(model):
    for benchmark in BENCHMARKS:
        expected = TrackerConfig(search_factor=4.5, update_interval=200, update="interval")
        assert tracker_config(model, f"{benchmark}@got") == expected
        assert tracker_config("mixcvt_stage1", f"{benchmark}@got") == tracker_config("mixcvt_stage1", benchmark)


def test_a_v2_model_without_score_never_updates():
    for benchmark in (*BENCHMARKS, "vot2022stb", "tnl2k"):
        found = tracker_config("mixformerv2_d12", benchmark)
        assert (found.search_factor, found.update, found.online_templates) == (4.5, "never", 1)


def test_every_model_has_every_benchmark_once():
    assert len({(preset.model, preset.name) for preset in PRESETS}) == len(PRESETS)
    assert {preset.model for preset in PRESETS} == {*FORMS, *STAGE1, *V2}
    assert {preset.weights for preset in PRESETS} == {"", "1k", "got", "mmtracking"}
    for model in (*FORMS, *STAGE1, *V2):
        found = {preset.benchmark for preset in PRESETS if preset.model == model and not preset.weights}
        assert found == {*BENCHMARKS, "vot2022stb", *(("tnl2k",) if model in V2 else ())}


@pytest.mark.parametrize("row", [*(row for row in SCHEDULES if row.startswith("mix") and "v2" not in row), *STAGE1])
def test_the_first_models_run_vot2022_as_vot2020(row):
    assert settings(row, "vot2022stb") == settings(row, "vot2020")
    (source,) = {preset.source for preset in PRESETS if preset.model not in V2 and preset.benchmark == "vot2022stb"}
    assert "none is published" in source


def test_names():
    assert tracker_config("mixcvt", "LaSOT@1K") == tracker_config("mixcvt", "lasot@1k")
    with pytest.raises(
        ConfigError, match=r"no preset 'davis' for mixcvt.*lasot, lasot@1k, lasot@got, lasot@mmtracking"
    ):
        tracker_config("mixcvt", "davis")
    with pytest.raises(ConfigError, match=r"no preset 'lasot@1k' for mixvit.*lasot@got"):
        tracker_config("mixvit", "lasot@1k")
    for model in ("mixformerv2_dino_s8", "my own"):
        with pytest.raises(ConfigError, match="it has none"):
            tracker_config(model, "lasot")


def test_defaults():
    for model in (*FORMS, *STAGE1):
        assert tracker_config(model) == tracker_config(model, "lasot")
    own = TrackerConfig(search_factor=4.0, update_interval=25, margin=2.0, rules="careful", lost_after=2)
    own = own.replace(lost_below=0.5, sure_above=0.65, found_above=0.6)
    preset = own.replace(likeness_weight=10.0, likeness_interval=32)
    assert tracker_config("mixformerv2_dino_s8") == preset
    # Programs outside Python read the settings beside the weights.
    assert find_folder("mixformerv2_dino_s8").tracker == preset
    assert set(DEFAULT_TRACKERS) == {*FORMS, *STAGE1, "mixformerv2_dino_s8"}
    for model in (*V2, "my own"):
        assert tracker_config(model) == TrackerConfig()


@pytest.mark.parametrize("name", ["presets", "models"])
def test_the_documented_tables_are_current(name):
    page = runpy.run_path(str(ROOT / "tools" / f"write_{name}.py"))["render"]()
    assert (ROOT / "docs" / f"{name}.md").read_text() == page, f"run python tools/write_{name}.py"
