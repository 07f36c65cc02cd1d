"""Nothing calls home, and nothing is written but results and caches (A3)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mixformer.engines.cudagraph_engine import _require_compiler
from mixformer.errors import ConfigError
from mixformer.optional import installed

ROOT = Path(__file__).parents[1]
# Runs in every child before anything else: a look-up or a connection is noted and fails.
GUARD = """
import os, sys

def guard(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto") or (
        event == "socket.connect" and not isinstance(args[1], (str, bytes))
    ):
        with open(os.environ["CALLS"], "a") as file:
            file.write(f"{event} {args[1:]!r}\\n")
        raise OSError("the network is blocked")

sys.addaudithook(guard)
"""
TRACK = """
import mixformer
from mixformer import Runtime
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

def run(model, engine, precision="auto"):
    runtime = Runtime(engine=engine, precision=precision)
    print(*mixformer.track(DEMO_CLIP, DEMO_BOX, model=model, runtime=runtime, stop=2))
"""
EXPORT = """
import contextlib, sys, mixformer
from mixformer.errors import ExportError

with contextlib.suppress(ExportError):  # random weights do not stand 8 bits
    mixformer.export_model(sys.argv[1], "exported", to={to!r}, precision={precision!r})
"""
PLOTS = """
from mixformer.evaluation.report.figures import new_figure, with_style

@with_style
def draw():
    figure, axes = new_figure(2.0)
    axes.set_title("title")
    axes.plot([0, 1], [0, 1])
    figure.savefig("plot.png")

draw()
"""
IMPORTS = "import mixformer, openvino, onnxruntime, nncf"


def can_compile():
    try:
        _require_compiler()
    except ConfigError:
        return False
    return True


def needs(*packages):
    lacking = [package for package in packages if not installed(package)]
    return pytest.mark.skipif(bool(lacking), reason=f"needs {', '.join(lacking)}")


CASES = [
    pytest.param(TRACK + "run('mixformerv2_dino_s8', 'openvino')", id="openvino"),
    pytest.param(TRACK + "run('mixformerv2_dino_s8', 'onnx')", id="onnx", marks=needs("onnxruntime")),
    pytest.param(TRACK + "import sys; run(sys.argv[1], 'torch')", id="torch"),
    pytest.param(
        TRACK + "import sys; run(sys.argv[1], 'compile')",
        id="compile",
        marks=pytest.mark.skipif(not can_compile(), reason="needs a C++ compiler"),
    ),
    pytest.param(EXPORT.format(to="onnx", precision="float32"), id="export", marks=needs("onnxscript")),
    pytest.param(EXPORT.format(to="openvino", precision="int8"), id="int8", marks=needs("onnxscript", "nncf")),
    pytest.param(PLOTS, id="plots", marks=needs("matplotlib")),
    pytest.param(IMPORTS, id="imports", marks=needs("onnxruntime", "nncf")),
]


def environment(tmp_path, **more):
    """Of a child: an empty home, a guard on the network, and none of the settings of this process."""
    for name in ("home", "guard", "cache", "work", "tmp"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ}
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "guard"), str(ROOT)]),
        "CALLS": str(tmp_path / "calls"),
        "TMPDIR": str(tmp_path / "tmp"),
        "MIXFORMER_CACHE": str(tmp_path / "cache"),
        **more,
    }


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def traced(command, tmp_path):
    """The command under strace where that works, which also sees what native code connects to."""
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(tmp_path / "trace")]
    tried = (
        shutil.which("strace") and subprocess.run([*trace, "true"], capture_output=True, check=False).returncode == 0
    )
    return [*trace, *command] if tried else command


@pytest.mark.skipif(sys.platform == "win32", reason="HOME as on Unix")
@pytest.mark.parametrize("code", CASES)
def test_a3_no_network_and_nothing_in_the_home_folder(code, tmp_path, tiny_model):
    """A3: `import openvino` looked up an analytics host and left files in the home folder; ONNX Runtime left others."""
    command = traced([sys.executable, "-c", code, str(tiny_model)], tmp_path)
    variables = environment(tmp_path)
    done = subprocess.run(
        command, cwd=tmp_path / "work", env=variables, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "calls").exists(), (tmp_path / "calls").read_text()
    assert files_in(tmp_path / "home") == []
    left = files_in(tmp_path / "tmp")
    if "'compile'" in code:  # torch.compile keeps precompiled headers there, whatever its cache folder is
        left = [name for name in left if not name.startswith("torchinductor")]
    assert left == []
    assert {name.split("/")[0] for name in files_in(tmp_path / "work")} <= {"exported", "plot.png"}
    if (tmp_path / "trace").exists():
        assert not re.search(r"AF_INET6?\b", (tmp_path / "trace").read_text())


@needs("matplotlib")
@pytest.mark.skipif(sys.platform == "win32", reason="HOME as on Unix")
def test_a3_folders_that_a_user_has_chosen_stay(tmp_path):
    show = (
        "import os; from mixformer.optional import keep_in_cache; keep_in_cache('matplotlib', 'inductor');"
        "names = 'MPLCONFIGDIR', 'TORCHINDUCTOR_CACHE_DIR', 'ORT_DISABLE_TELEMETRY';"
        "print(*map(os.environ.get, names))"
    )

    def shown(**more):
        done = subprocess.run(
            [sys.executable, "-c", show], env=environment(tmp_path, **more), capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    cache = tmp_path / "cache"
    assert shown() == [str(cache / "matplotlib"), str(cache / "inductor"), "1"]
    chosen = {"MPLCONFIGDIR": "/mine", "TORCHINDUCTOR_CACHE_DIR": "/other", "ORT_DISABLE_TELEMETRY": "0"}
    assert shown(**chosen) == list(chosen.values())
    (tmp_path / "home" / ".config" / "matplotlib").mkdir(parents=True)  # with settings, which must go on to count
    assert shown()[0] == "None"
