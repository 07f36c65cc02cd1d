"""Recipes of version 0.1.0: every old name is read, named in one warning, and gives the same run."""

import json
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mixformer.cli import main
from mixformer.data.annotated_folders import read_masked_objects, read_pictures, read_sequences, read_stills
from mixformer.data.augmentation import CropSettings
from mixformer.data.motion import Motion
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import Mixture, SequenceSamples
from mixformer.data.sequence import ImageCache
from mixformer.data.synthetic import CutOuts, SyntheticSamples
from mixformer.errors import ConfigError, DataError
from mixformer.training.build_data import build_dataset
from mixformer.training.recipe import Recipe
from mixformer.training.recipe_aliases import KEYS, VALUES, upgrade_recipe
from tests.helpers.training import RECIPE as TINY_RECIPE, make_trainer

# A value for each old key; numbers otherwise.
OLD_VALUES = {
    "start": "a/model", "changes": {"depth": 2}, "validate": "val", "optimiser": {"lr": 1e-3}, "data.moving": True,
    "data.crops": "device", "loss.overlap": "giou", "pruning.remove": [1], "pruning.form": "paper",
    "masks.normalise": False, "batch": 32, "accumulate": 2, "crops.motion_spread": 0.3,
}  # fmt: skip


def nested(key, value):
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def at(values, key):
    for part in key.split("."):
        values = values[part]
    return values


def new_name(old):
    return ".".join([*old.split(".")[:-1], KEYS[old]])


def quiet(values, changes=()):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return upgrade_recipe(values, changes)


@pytest.mark.parametrize("old", sorted(KEYS))
def test_every_old_key_is_read_in_files_and_changes(old):
    value = OLD_VALUES.get(old, 0.5 if "." in old and "every" not in old else 4)
    for call in (
        lambda: upgrade_recipe({"model": "m", **nested(old, value)}),
        lambda: upgrade_recipe({"model": "m"}, [f"{old}={json.dumps(value)}"]),
    ):
        with pytest.warns(DeprecationWarning, match=rf"{old} -> {new_name(old)}") as caught:
            found = call()
        assert len(caught) == 1
        assert at(found, new_name(old)) == value
        assert quiet(found) == found


def test_every_new_key_is_a_field():
    recipe = Recipe("m")
    for old in KEYS:
        *sections, last = new_name(old).split(".")
        owner = getattr(recipe, sections[0]) if sections else recipe
        assert last in {field.name for field in fields(owner)}


@pytest.mark.parametrize(("key", "old"), sorted(VALUES))
def test_every_old_value_is_read(key, old):
    values = {"data": {"sets": [{"name": old, "root": "a"}]}} if key == "data.sets.name" else nested(key, old)
    with pytest.warns(DeprecationWarning, match=f"{key} = '{old}' -> '{VALUES[key, old]}'"):
        found = upgrade_recipe({"model": "m", **values})
    assert VALUES[key, old] in json.dumps(found)
    Recipe.from_dict({"teacher": {"model": "t"}, **found})


def test_an_old_section_and_old_keys_below_it():
    with pytest.warns(DeprecationWarning, match="optimiser -> optimizer") as caught:
        recipe = Recipe.from_dict({"model": "m", "optimiser": {"schedule": "step", "drop_at": 0.5, "ema": 0}})
    assert len(caught) == 1
    assert (recipe.optimizer.schedule, recipe.optimizer.lr_drop_at, recipe.optimizer.ema_decay) == ("multistep", 0.5, 0)


def test_a_change_by_its_old_name_beats_the_new_one_in_the_file(tmp_path):
    (tmp_path / "recipe.toml").write_text('model = "m"\nmax_steps = 3\n[loss]\naux = 1.0\n')
    with pytest.warns(DeprecationWarning, match=r"steps -> max_steps, loss\.hints -> loss\.aux") as caught:
        recipe = Recipe.from_toml(tmp_path / "recipe.toml", ["steps=7", "loss.hints=0.5"])
    assert len(caught) == 1
    assert (recipe.max_steps, recipe.loss.aux) == (7, 0.5)
    with pytest.raises(ConfigError, match=r"loss\.aux twice"):
        upgrade_recipe({"model": "m", "loss": {"aux": 1.0, "hints": 1.0}})


def test_entries_of_lists_can_be_changed():
    values = {"model": "m", "data": {"sets": [{"root": "a"}, {"root": "b"}]}}
    assert quiet(values, ["data.sets.1.weight=2"])["data"]["sets"] == [{"root": "a"}, {"root": "b", "weight": 2}]
    with pytest.raises(ConfigError, match=r"data\.sets is not a section"):
        quiet(values, ["data.sets.2.weight=2"])


STILLS = ("tiny_coco", "imagenet_samples", "bsds500", "raccoon", "kangaroo", "camvid")


@pytest.fixture
def pack(tmp_path):
    """A folder as version 0.1.0 wanted it: sequences, and pictures by their names."""
    random = np.random.default_rng(0)

    def picture(path, mode="RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (60, 80, len(mode)), dtype=np.uint8)
        Image.fromarray(pixels, mode).save(path)

    for name, use in (("a", "train"), ("b", "val"), ("c", "train")):
        folder = tmp_path / "sequences" / name
        for index in range(6):
            picture(folder / "img" / f"{index}.png")
        np.savetxt(folder / "groundtruth.txt", [[20 + i, 15, 24, 20] for i in range(6)], delimiter=",")
        (folder / "meta.json").write_text(json.dumps({"dev_use": use}))
    for name in (*STILLS, "debian_wallpapers", "tuxpaint_stamps"):
        mode = "RGBA" if name == "tuxpaint_stamps" else "RGB"
        objects = [{"box": [10, 10, 30, 25]}]
        items = [{"file": f"{i}.png", "w": 80, "h": 60, "objects": objects} for i in range(2)]
        for item in items:
            picture(tmp_path / "images" / name / item["file"], mode)
        (tmp_path / "images" / name / "annotations.json").write_text(json.dumps({"items": items}))
    return tmp_path


OLD = """
model = "mixformerv2_s"
changes = { search_size = 64, template_size = 32 }
seed = 3
[data]
sequences = 0.8
stills = 0.6
synthetic = 0.7
lookalikes = 0.5
moving = true
negatives = 0.3
max_gap = 3
"""


def as_version_0_1_0_did(pack, recipe):
    """The samples of OLD, put together by hand."""
    cache = ImageCache(100)
    shares = dict(zip(STILLS, (3.0, 3.0, 1.0, 1.0, 1.0, 1.0), strict=True))
    images = pack / "images"
    sources = [(SequenceSamples(read_sequences(pack / "sequences", {"dev_use": "train"}), cache, 3), 0.8)]
    for name, share in shares.items():
        sources.append((SequenceSamples(read_stills(images / name), cache), 0.6 * share / 10.0))
    objects = [x for name in (*STILLS[:2], "tuxpaint_stamps") for x in read_masked_objects(images / name)]
    grounds = [x for name in ("imagenet_samples", "debian_wallpapers", "camvid") for x in read_pictures(images / name)]
    sources.append((SyntheticSamples(CutOuts(objects, cache), grounds, cache, Motion(), 0.5), 0.7))
    mixture = Mixture([source for source, _ in sources], [weight for _, weight in sources], 0.3)
    return SampleDataset(mixture, CropSettings(64, 32, 4.0, 2.0, 2), recipe.crops.augmentation, 3)


def test_the_old_weights_of_one_folder_give_the_same_samples(pack):
    (pack / "old.toml").write_text(OLD)
    with pytest.warns(DeprecationWarning, match=r"data\.stills -> an entry of data\.sets"):
        recipe = Recipe.from_toml(pack / "old.toml", [f"data.root={pack}"])
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    expected, found = as_version_0_1_0_did(pack, recipe), build_dataset(recipe, recipe.network())
    for number in range(60):
        one, other = expected[number], found[number]
        assert np.array_equal(one.templates, other.templates)
        assert np.array_equal(one.search, other.search)
        assert np.array_equal(one.box, other.box)
        assert one.present == other.present
    # without a root: where the sets of the recipe are
    with pytest.warns(DeprecationWarning, match="lookalikes"):
        recipe = Recipe.from_toml(pack / "old.toml", [f"data_root={pack}"])
    assert np.array_equal(build_dataset(recipe, recipe.network())[5].search, expected[5].search)


def test_old_weights_go_along_with_sets_and_samplers():
    values = {"model": "m", "data": {"sequences": 1.0, "root": "p/", "sampler": "causal", "stills": 0.0}}
    values["data"]["sets"] = [{"name": "own", "root": "mine"}]
    with pytest.warns(DeprecationWarning, match=r"data\.sequences"):
        data = Recipe.from_dict(values).data
    assert [(one.name, one.root, one.sampler, one.where) for one in data.sets] == [
        ("custom", "mine", "", {}),
        ("custom", "p/sequences", "near", {"dev_use": "train"}),
    ]
    assert data.negative_rule == "absent"
    with pytest.raises(ConfigError, match=r"data\.stills must be a number"):
        upgrade_recipe({"data": {"stills": "many"}})


def test_an_old_root_alone_is_the_data_root():
    with pytest.warns(DeprecationWarning, match=r"data\.root -> data_root"):
        assert Recipe.from_dict({"model": "m", "data": {"root": "there"}}).data_root == "there"


def test_old_run_folders_resume_to_the_same_bits(tmp_path):
    """A state names the auxiliary head by its old name, its recipe by old keys."""
    whole = make_trainer(tmp_path / "whole")
    whole.run()
    first = make_trainer(tmp_path / "old", TINY_RECIPE.replace(max_steps=4))
    first.run()
    state = {key.replace("/aux_head.", "/hints."): value for key, value in load_file(first.checkpoint).items()}
    assert any("hints" in key for key in state)
    from safetensors import safe_open

    with safe_open(first.checkpoint, "pt") as file:
        header = file.metadata()
    save_file(state, first.checkpoint, header)
    second = make_trainer(tmp_path / "old")
    assert second.resume()
    assert second.step == 4
    second.run()
    expected, found = load_file(whole.checkpoint), load_file(second.checkpoint)
    # a run of 4 steps decays within them, so only names are compared
    assert expected.keys() == found.keys()
    assert torch.isfinite(found["model/aux_head.1.weight"]).all()


def test_the_old_flag_is_read(tmp_path, recwarn):
    (tmp_path / "recipe.toml").write_text('model = "mixformerv2_s"\n')
    small = [f"model_overrides.{x}" for x in ("depth=1", "dim=16", "heads=2", "search_size=64", "template_size=32")]
    words = ["train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run"), "--device", "cpu", "--smoke"]
    assert main([*words, "--set", *small]) == 0
    assert any("--dry-run" in str(warning.message) for warning in recwarn)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"root": "a", "kind": "audio"}, "kind must be 'video' or 'images' or 'cutouts'"),
        ({"root": ["a", "b"]}, "a video set has one root"),
        ({"root": "a", "kind": "cutouts"}, "cut-outs need backgrounds"),
        ({"root": "a", "backgrounds": ["b"]}, "cut-outs need backgrounds"),
        ({"root": "a", "name": "lasot", "where": {"x": 1}}, "where is for your own"),
        ({"root": "a", "sampler": "best"}, "unknown sampler 'best'"),
        ({"root": "a", "weight": -1}, "weight must be 0 or more"),
    ],
)
def test_entries_are_checked(entry, said):
    with pytest.raises(ConfigError, match=said):
        Recipe.from_dict({"model": "m", "data": {"sets": [entry]}})


def test_folders_of_pictures_need_no_annotations(pack):
    """Backgrounds are any pictures; cut-outs any with an alpha channel."""
    for folder in ("tuxpaint_stamps", "camvid"):
        (pack / "images" / folder / "annotations.json").unlink()
    entry = {"kind": "cutouts", "root": "images/tuxpaint_stamps", "backgrounds": ["images/camvid"]}
    small = {"search_size": 64, "template_size": 32}
    recipe = Recipe.from_dict(
        {"model": "mixformerv2_s", "model_overrides": small, "data_root": str(pack), "data": {"sets": [entry]}}
    )
    assert build_dataset(recipe, recipe.network())[0].search.shape == (64, 64, 3)
    with pytest.raises(DataError, match="no pictures"):
        read_pictures(Path(pack, "sequences"))
    with pytest.raises(DataError, match="names no data"):
        build_dataset(recipe.replace(data=recipe.data.replace(sets=())), recipe.network())
