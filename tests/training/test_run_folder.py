"""A run folder is left as it was until a new run has made its first step (A1)."""

import json

import pytest

from mixformer.cli import main
from mixformer.errors import CheckpointError, DataError, OutputError
from mixformer.training import Recipe, train
from mixformer.training.tiny import toy_sequences
from mixformer.training.trainer import Trainer
from mixformer.weights.load_save import load_model

SMALL = {"depth": 1, "dim": 16, "heads": 2, "search_size": 64, "template_size": 32}
RECIPE = Recipe("mixformerv2_s", model_overrides=SMALL, max_steps=4, batch_size=2, precision="float32")
RECIPE = RECIPE.replace(data=RECIPE.data.replace(workers=0))


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def steps(folder):
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def run(tmp_path):
    train(RECIPE, tmp_path / "run", dry_run=True)
    return tmp_path / "run"


def broken(self, stream, metrics):
    raise DataError("the first batch cannot be read")


@pytest.mark.parametrize("resume", [True, False])
def test_a1_nothing_is_touched_before_the_first_step(run, monkeypatch, resume):
    before = content(run)
    monkeypatch.setattr(Trainer, "_step", broken)
    with pytest.raises(DataError):
        train(RECIPE.replace(max_steps=9), run, resume=resume, dry_run=True)
    assert content(run) == before


def test_a1_a_recipe_that_does_not_fit_leaves_the_earlier_run(run):
    before = content(run)
    with pytest.raises(CheckpointError):
        train(RECIPE.replace(model_overrides={**SMALL, "dim": 32}), run, dry_run=True)
    assert content(run) == before


def test_a1_a_fresh_run_that_is_stopped_leaves_nothing_of_the_earlier_one_to_resume(run):
    def stop(step, means):
        raise KeyboardInterrupt

    (run / "best").mkdir()  # of validations of the earlier run
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE.replace(max_steps=9), run, resume=False, dry_run=True, progress=stop)
    assert steps(run) == [1]
    assert not (run / "best").exists()
    seen = []
    train(RECIPE.replace(max_steps=9), run, dry_run=True, progress=lambda step, means: seen.append(step))
    assert seen == list(range(2, 10))
    assert steps(run) == list(range(1, 10))


def test_a1_a_run_that_cannot_begin_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "_step", broken)
    with pytest.raises(DataError):
        train(RECIPE, tmp_path / "new" / "run", dry_run=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "log.jsonl",
        "model/config.json",
        "config.json",
        "model.safetensors",
        "groundtruth.txt",
        "img/1.jpg",
        "other/recipe.json",
    ],
)
def test_a1_a_folder_of_something_else_gets_no_run(tmp_path, name, resume):
    """A data set, a model folder, or a folder of runs."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match="is not empty, and is not a training run; give a new folder"):
        train(RECIPE, tmp_path, resume=resume, dry_run=True)
    assert content(tmp_path) == {name: b"mine"}


def test_a1_the_verb_writes_nothing_into_a_model_folder(tiny_model, capsys):
    before = content(tiny_model)
    assert main(["train", "mixvit_stage1", "--out", str(tiny_model), "--dry-run", "--device", "cpu"]) != 0
    assert "is not a training run; give a new folder" in " ".join(capsys.readouterr().err.split())
    assert content(tiny_model) == before


def test_a1_what_a_person_keeps_beside_a_run_does_not_stop_it(tmp_path):
    """Its recipe, the log of the command, what a killed process left, and hidden files."""
    for name in ("mine.toml", "train.log", "run.lock", ".DS_Store"):
        (tmp_path / name).touch()
    train(RECIPE, tmp_path, dry_run=True)
    assert steps(tmp_path) == [1, 2, 3, 4]


def test_a1_fresh_on_the_command_line(run, tmp_path, capsys):
    before = content(run)
    (tmp_path / "recipe.toml").write_text('model = "mixformerv2_s"\ninit_from = "nowhere"\nmax_steps = 2\n')
    assert main(["train", str(tmp_path / "recipe.toml"), "--out", str(run), "--fresh", "--device", "cpu"]) != 0
    assert "error" in capsys.readouterr().err
    assert content(run) == before
    assert load_model(run / "model").config.dim == 16


def test_validation_data_that_cannot_be_tracked_are_noticed_before_the_work(tmp_path):
    """The first validation ended the run, hundreds of steps later."""
    root = toy_sequences(tmp_path / "data", count=2, frames=3)
    boxes = (root / "toy01" / "groundtruth.txt").read_text().splitlines()
    (root / "toy01" / "groundtruth.txt").write_text("\n".join(["nan,nan,nan,nan", *boxes[1:]]))
    with pytest.raises(DataError, match="toy01: the first frame has no box"):
        train(RECIPE.replace(val_data=str(root), val_interval=4), tmp_path / "run", dry_run=True)
    assert not (tmp_path / "run").exists()
