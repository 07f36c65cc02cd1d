"""A run that is asked to stop loses no step, and a second run stays out of its folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mixformer.training.signals import only_writer, stop_requests
from tests.helpers.training import RECIPE, make_trainer, same_state, stop_after

CHILD = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
from tests.helpers.training import RECIPE, make_trainer
recipe = RECIPE.replace(max_steps=100_000, save_interval=50_000)
recipe = recipe.replace(data=recipe.data.replace(workers=int(sys.argv[3])))
trainer = make_trainer(pathlib.Path(sys.argv[1]), recipe)
try:
    trainer.run(progress=lambda step, means: print(step, flush=True))
except KeyboardInterrupt:
    print("stopped at", trainer.step, flush=True)
"""


@pytest.fixture
def _ctrl_c():
    """Ctrl-C as in a terminal: jobs that a shell has put into the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")  # the child inherits it
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_step_that_was_being_made_is_saved(tmp_path, number, workers):
    """The signal goes to the whole group, loader processes included, as those of terminals and batch systems do."""
    words = [sys.executable, "-c", CHILD, str(tmp_path / "run"), str(Path(__file__).parents[2]), str(workers)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, process_group=0)
    process.stdout.readline()
    os.killpg(process.pid, number)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    step = int(rest.splitlines()[-1].removeprefix("stopped at "))
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["step"] == step
    fresh = make_trainer(tmp_path / "fresh", RECIPE.replace(max_steps=100_000))
    stop_after(fresh, step)
    fresh.save()
    stopped = make_trainer(tmp_path / "run", RECIPE.replace(max_steps=100_000))
    assert stopped.resume()
    assert stopped.step == step
    stopped.save()  # both files are now written by this process, with equal recipes
    assert same_state(stopped.checkpoint, fresh.checkpoint)


@pytest.mark.usefixtures("_ctrl_c")
def test_the_second_request_stops_at_once():
    with stop_requests() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_ignored_signals_stay_ignored_and_several_processes_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert not asked()
    finally:
        signal.signal(signal.SIGINT, before)
    with stop_requests(enabled=False):
        assert signal.getsignal(signal.SIGINT) == before


def test_one_writer(tmp_path):
    code = f"""
from pathlib import Path
from mixformer.errors import OutputError
from mixformer.training.signals import only_writer
try:
    with only_writer(Path({str(tmp_path)!r})):
        print("in")
except OutputError as error:
    print(error)
"""
    words = [sys.executable, "-c", code]
    with only_writer(tmp_path):
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        with only_writer(tmp_path, enabled=False):  # the other processes of the same run
            pass
    assert said.startswith(f"another process is training into {tmp_path}")
    assert "--out" in said
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "in\n"
