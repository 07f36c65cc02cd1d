"""The program in C++, built with the headers and libraries that OpenVINO's Python package has."""

import csv
import shutil
import subprocess
from pathlib import Path

import openvino
import pytest

from mixformer.video.demo import DEMO_BOX
from tests.helpers.other_programs import (
    EXAMPLES,
    assert_same,
    demo_frames,
    exported_model,
    frames_with_an_absence,
    library_rows,
)

pytest.importorskip("onnxruntime")
CMAKE = Path(openvino.__path__[0]) / "cmake"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool} (Debian: apt-get install cmake g++)")
    if not CMAKE.is_dir():
        pytest.skip("this package of OpenVINO has no files for CMake")
    build = tmp_path_factory.mktemp("build")
    for words in (
        ["cmake", "-S", EXAMPLES / "cpp", "-B", build, f"-DOpenVINO_DIR={CMAKE}"],
        ["cmake", "--build", build],
    ):
        made = subprocess.run(words, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
    return build / "track"


@pytest.mark.parametrize("frames_of", [demo_frames, frames_with_an_absence])
def test_the_program_gives_the_boxes_of_the_package(program, tmp_path, frames_of):
    model, frames = exported_model(tmp_path / "model"), frames_of()
    height, width = frames[0].shape[:2]
    pixels = b"".join(frame.tobytes() for frame in frames)
    words = [program, model, str(width), str(height), *map(str, DEMO_BOX)]
    done = subprocess.run(words, input=pixels, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert_same(list(csv.DictReader(done.stdout.decode().splitlines())), library_rows(model, frames))


def test_a_folder_without_a_model_is_named(program, tmp_path):
    done = subprocess.run([program, tmp_path, "64", "48", "1", "2", "3", "4"], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{tmp_path} has no config.json" in done.stderr
