"""`mixformer vot init`: the files, read as the toolkit reads them, and what is refused."""

import configparser
import shlex
import sys

import pytest

from mixformer.cli import main
from mixformer.cli.main import build_parser
from mixformer.configs.presets import PRESETS
from mixformer.vot.stacks import STACKS, find_stack, preset_for


def read(folder):
    """Sections of trackers.ini with the reader that the toolkit uses, interpolation included."""
    parser = configparser.ConfigParser()
    parser.read(folder / "trackers.ini")
    return {name: dict(parser[name]) for name in parser.sections()}


def init(folder, *words):
    return main(["vot", "init", str(folder), *words])


def test_a_new_workspace(tmp_path, capsys):
    folder = tmp_path / "new" / "workspace"
    assert init(folder, "--stack", "vots2024/main") == 0
    assert (folder / "config.yaml").read_text() == 'stack: "vots2024/main"\nregistry:\n- ./trackers.ini\n'
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "trackers.ini", "sequences", "results"}
    assert read(folder) == {
        "MixFormer": {
            "label": "MixFormer",
            "protocol": "python",
            "timeout": "300",
            "command": "mixformer.vot:VotTracker",
            "convert": "rectangle",
            "arg_model": "mixformerv2_dino_s8",
        }
    }
    said = capsys.readouterr().out
    assert str(folder / "trackers.ini") in said
    assert f"vot evaluate --workspace {folder} MixFormer" in said
    assert "0.7.4" not in said


def test_stacks_that_toolkit_09_cannot_run_get_the_other_protocol(tmp_path, capsys, tiny_model):
    words = ["--stack", "vot2022/shorttermbox", "--model", str(tiny_model), "--device", "cpu", "--precision", "float32"]
    assert init(tmp_path, *words) == 0
    entry = read(tmp_path)["MixFormer"]
    assert entry["protocol"] == "trax"
    command = shlex.split(entry["command"])
    assert command[:5] == [sys.executable, "-m", "mixformer", "vot", "run"]
    assert command[5:] == ["--model", str(tiny_model), "--device", "cpu", "--precision", "float32"]
    assert "0.7.4" in capsys.readouterr().out


def test_per_cent_signs_survive(tmp_path, tiny_model):
    odd = tmp_path / "50% of a model"
    odd.mkdir()
    for path in tiny_model.iterdir():
        (odd / path.name).write_bytes(path.read_bytes())
    for protocol in ("python", "trax"):
        words = ["--stack", "otb50", "--model", str(odd), "--name", protocol, "--protocol", protocol]
        assert init(tmp_path / "w", *words) == 0
    entries = read(tmp_path / "w")
    assert entries["python"]["arg_model"] == str(odd)
    assert str(odd) in shlex.split(entries["trax"]["command"])


def test_more_trackers_join(tmp_path):
    assert init(tmp_path, "--stack", "vots2023") == 0
    pytest.importorskip("cv2", reason="GrabCut needs OpenCV: pip install 'mixformer[masks]'")
    assert init(tmp_path, "--stack", "vots2023", "--name", "MixFormer-masks", "--masks", "grabcut") == 0
    entries = read(tmp_path)
    assert list(entries) == ["MixFormer", "MixFormer-masks"]
    assert entries["MixFormer-masks"]["arg_masks"] == "grabcut"


def test_a_stack_and_data_of_ones_own(tmp_path):
    stack, data = tmp_path / "mine.yaml", tmp_path / "data"
    data.mkdir()
    stack.write_text("experiments:\n  a:\n    type: multistart\n    multiobject: True\n")
    assert init(tmp_path / "w", "--stack", str(stack), "--sequences", str(data)) == 0
    assert f'stack: "{stack}"' in (tmp_path / "w" / "config.yaml").read_text()
    assert f'sequences: "{data}"' in (tmp_path / "w" / "config.yaml").read_text()
    entry = read(tmp_path / "w")["MixFormer"]
    assert entry["protocol"] == "trax"
    assert entry["command"].endswith(" --multiobject")


def test_a_workspace_that_the_toolkit_wrote(tmp_path):
    (tmp_path / "config.yaml").write_text("registry:\n- ./trackers.ini\nstack: otb100\n")
    (tmp_path / "trackers.ini").write_text("")
    assert init(tmp_path, "--stack", "otb100") == 0
    assert list(read(tmp_path)) == ["MixFormer"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--stack", "vot2099"], 2, "no VOT stack 'vot2099'; there are: vot2013"),
        (["--stack", "nowhere.yaml"], 2, "cannot read nowhere.yaml"),
        (["--stack", "otb100", "--name", "a b"], 2, "letters, digits, - and _"),
        (["--stack", "otb100", "--model", "none"], 5, "none"),
        (["--stack", "otb100", "--masks", "sam"], 2, "no mask refiner 'sam'"),
    ],
)
def test_what_is_refused(tmp_path, capsys, words, code, message):
    assert init(tmp_path / "w", *words) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_another_workspace_is_left_alone(tmp_path, capsys):
    assert init(tmp_path, "--stack", "otb100") == 0
    before = {path: path.read_text() for path in tmp_path.glob("*.*")}
    assert init(tmp_path, "--stack", "otb50", "--name", "b") == 4
    assert "is already a workspace of otb100, not of otb50" in capsys.readouterr().err
    assert init(tmp_path, "--stack", "otb100") == 2
    assert "has a tracker MixFormer already; give another --name" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("stack:\n  title: inline\n")
    assert init(tmp_path, "--stack", "otb100", "--name", "b") == 4
    (tmp_path / "config.yaml").write_text(before[tmp_path / "config.yaml"])
    assert {path: path.read_text() for path in tmp_path.glob("*.*")} == before


def test_unusable_folders_and_files(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert init(tmp_path / "file", "--stack", "otb100") == 4
    assert "cannot write the workspace" in capsys.readouterr().err
    (tmp_path / "trackers.ini").write_text("no section = 1\n")
    assert init(tmp_path, "--stack", "otb100") == 2
    assert "trackers.ini" in capsys.readouterr().err


def test_published_settings_follow_the_challenge():
    assert preset_for(STACKS["vot2022/shorttermbox"], "mixformerv2_b") == "vot2022stb"
    assert preset_for(STACKS["vot2022/shorttermbox"], "mixcvt") == "vot2022stb"
    assert preset_for(STACKS["vot2022/longterm"], "mixformerv2_b") == "vot2020lt"
    assert preset_for(STACKS["vots2023"], "mixcvt") is None
    assert preset_for(STACKS["vot2020/shortterm"], "a folder") is None
    assert {stack.benchmark for stack in STACKS.values()} - {""} <= {entry.benchmark for entry in PRESETS}


def test_the_table_of_stacks():
    assert find_stack("vot2020/shortterm").runs == "multistart"
    assert find_stack("vot2020/shortterm").masks
    assert not find_stack("vot2022/shorttermbox").masks
    assert find_stack("vots2025/realtime").runs == "realtime"
    assert {stack.runs for stack in STACKS.values()} == {"once", "multistart", "restarts", "realtime"}


def test_stacks_with_depth(tmp_path, capsys):
    """Color where there is color, unless depth is asked for; toolkit 0.9.0 gives depth maps of 8 bits in Python."""
    for stack, words, channel in (
        ("vot2022/depth", [], "depth"),
        ("vot2022/rgbd", ["--channel", "depth"], "depth"),
        ("vot2022/rgbd", [], None),
    ):
        folder = tmp_path / f"{stack}{channel}"
        assert init(folder, "--stack", stack, *words) == 0
        entry = read(folder)["MixFormer"]
        assert entry["protocol"] == "trax"
        command = shlex.split(entry["command"])
        assert (command[command.index("--channel") + 1] if "--channel" in command else None) == channel
        options = build_parser("vot").parse_args(command[3:])["vot"]["run"]
        assert options.channel == channel
    assert init(tmp_path / "w", "--stack", "vot2021/rgbd") == 0
    assert read(tmp_path / "w")["MixFormer"]["protocol"] == "python"
    assert init(tmp_path / "v", "--stack", "vot2021/rgbd", "--channel", "depth", "--protocol", "python") == 2
    assert "use --protocol trax" in capsys.readouterr().err
    assert {name for name, stack in STACKS.items() if stack.channels != "color"} == {
        *("vot2019/rgbd", "vot2020/rgbd", "vot2021/rgbd", "vot2022/rgbd", "vot2022/depth")
    }


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("kind", ["missing", "file", "circle"])
def test_data_that_is_no_folder_is_refused(tmp_path, capsys, kind):
    """It was written into the workspace; a circle of links was a RuntimeError."""
    data = tmp_path / "data"
    if kind == "file":
        data.write_text("")
    elif kind == "circle":
        data.symlink_to("other")
        (tmp_path / "other").symlink_to("data")
    assert init(tmp_path / "w", "--stack", "tests/basic", "--sequences", str(data)) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()
