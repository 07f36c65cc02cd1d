"""What OpenVINO does to a whole process must not show: handlers of signals still run, and threads go on."""

import subprocess
import sys

import pytest

COME_AND_GO = """
import signal
from mixformer.engines.openvino_compiler import Compiler
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.weights.model_folder import find_folder

signal.signal(signal.{name}, lambda *_: print("handled"))
graphs = find_folder(DEFAULT_MODEL).graphs
first = Compiler(graphs, "float32", 1).remember((1, 2, 98, 98, 3))
second = Compiler(graphs, "float32", 1).remember((1, 2, 98, 98, 3))
del first
del second
signal.raise_signal(signal.{name})
print("alive")
"""

LOOK_AT_ONCE = """
import sys, threading
import openvino as ov
from mixformer.engines.openvino_compiler import core

core()
sys.setswitchinterval(1e-6)
constants = [ov.op.Constant(ov.Type.f32, ov.Shape([4]), [1.0, 2.0, 3.0, 4.0]) for _ in range(4)]
start = threading.Barrier(4)

def look(constant):
    start.wait()
    constant.data

threads = [threading.Thread(target=look, args=(constant,), daemon=True) for constant in constants]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("alive")
"""


def output_of(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
@pytest.mark.parametrize("name", ["SIGINT", "SIGUSR1"])
def test_handlers_run_after_graphs_that_end_in_the_order_they_began(name):
    assert output_of(COME_AND_GO.format(name=name)) == "handled\nalive\n"


def test_threads_may_look_at_numbers_at_once():
    assert output_of(LOOK_AT_ONCE) == "alive\n"
