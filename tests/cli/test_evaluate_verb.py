"""`mixformer evaluate` and `mixformer submit` as a person uses them."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from mixformer.cli import main
from mixformer.configs.flops import frame_flops
from mixformer.engines.torch_engine import TorchEngine
from mixformer.evaluation import compare
from mixformer.imaging.crop import crop_target
from mixformer.types import Box
from mixformer.weights.tracker_settings import stored_config
from tests.helpers.clips import hear_interrupts, moving_square


def write_sequence(folder, frames, boxes, pictures="img", ending="png"):
    (folder / pictures).mkdir(parents=True)
    for index, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(folder / pictures / f"{index:08d}.{ending}")
    np.savetxt(folder / "groundtruth.txt", boxes, delimiter=",", fmt="%.2f")


@pytest.fixture
def squares(tmp_path):
    """A user's own folder with three short sequences."""
    for number in range(3):
        frames, boxes = moving_square(4 + number)
        write_sequence(tmp_path / "squares" / f"clip_{number}", frames, boxes)
    return tmp_path / "squares"


@pytest.fixture
def evaluate(squares, tiny_model, tmp_path, capsys):
    """Run the verb; gives the exit code, and what was printed with single spaces."""

    def run(*words, root=squares):
        usual = {
            "--root": root,
            "--model": tiny_model,
            "--out": tmp_path / "results",
            "--workers": 0,
            "--device": "cpu",
        }
        code = main(["evaluate", *(str(word) for pair in usual.items() for word in pair), *map(str, words)])
        return code, " ".join("".join(capsys.readouterr()).split())

    return run


def test_a_folder_of_ones_own(evaluate, tmp_path):
    code, printed = evaluate("--name", "ours")
    assert code == 0
    assert "3 sequences tracked" in printed
    assert "AUC" in printed
    assert "0.952" in printed  # the table says its convention
    folder = tmp_path / "results" / "ours" / "squares"
    assert len((folder / "clip_2.txt").read_text().splitlines()) == 6
    assert (folder / "run.json").is_file()
    before = (folder / "clip_2.txt").stat().st_mtime_ns
    code, printed = evaluate("--name", "ours")
    assert code == 0
    assert "0 sequences tracked, 3 were complete" in printed
    assert (folder / "clip_2.txt").stat().st_mtime_ns == before


def test_absent_targets_get_tables_of_their_own(evaluate, squares, tmp_path, capsys):
    frames, boxes = moving_square(8)
    away = np.array(boxes, float)
    away[3:6] = np.nan
    write_sequence(squares / "gone", frames, away)
    code, printed = evaluate("--name", "ours")
    assert code == 0
    assert "squares: Long-term (VOT-LT)" in printed
    assert "NRE DRE ADQ MaxGM lost after found after false finds" in printed
    folder = tmp_path / "results" / "ours" / "squares"
    words = (folder / "gone_status.txt").read_text().split()
    assert len(words) == 8
    assert set(words) <= {"tracking", "uncertain", "lost"}
    saved = json.loads((folder / "metrics.json").read_text())
    assert list(saved["conventions"]) == ["pytracking", "longterm", "presence"]
    assert 0 <= saved["calibration_error"] <= 1
    # The same numbers again from the folder, and from one of before there were statuses.
    rows = saved["conventions"]["presence"]["per_sequence"]["gone"]
    assert rows["adq"] is None  # three absent frames are too few
    assert set(rows) == set(saved["conventions"]["presence"]["summary"])
    for name in ("gone", *(f"clip_{number}" for number in range(3))):
        (folder / f"{name}_status.txt").unlink()
    assert (
        main(["report", f"ours={folder}", "--root", str(squares), "--out", str(tmp_path / "page"), "--no-plots"]) == 0
    )
    assert "lost after" in capsys.readouterr().out
    assert "presence_sequences.csv" in {path.name for path in (tmp_path / "page").iterdir()}


def test_only_some_sequences(evaluate, tmp_path):
    code, printed = evaluate("--sequences", "clip_0, clip_2", "--quiet")
    assert (code, printed) == (0, "")
    found = sorted(path.name for path in (tmp_path / "results" / "tiny" / "squares").glob("clip_?.txt"))
    assert found == ["clip_0.txt", "clip_2.txt"]


def test_a_failed_sequence_is_reported_and_the_exit_code_is_1(evaluate, squares, tmp_path):
    (squares / "clip_1" / "img" / "00000003.png").write_bytes(b"broken")
    code, printed = evaluate()
    assert code == 1
    assert "2 sequences tracked" in printed
    assert "AUC" in printed
    assert "1 sequence failed" in printed
    assert "00000003.png" in printed
    failures = tmp_path / "results" / "tiny" / "squares" / "failures"
    assert "Traceback" in (failures / "clip_1.txt").read_text()


def test_a_half_downloaded_sequence_stops_none_of_the_others(evaluate, squares):
    (squares / "clip_1" / "img" / "00000003.png").unlink()
    code, printed = evaluate()
    assert code == 1
    assert "2 sequences tracked" in printed
    assert "AUC" in printed
    assert "1 sequence failed" in printed
    assert "2 of 3 sequences; 1 of the data set are missing" in printed
    assert "4 pictures in img/ but 5 boxes in groundtruth.txt" in printed


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--root", "nowhere"], 2, "nowhere is not there"),
        (["--dataset", "imagenet"], 2, "no data set called 'imagenet'"),
        (["--dataset", "lasot"], 2, "lasot"),
        (["--sequences", "clip_7"], 2, "no sequence clip_7"),
        (["--model", "nothing"], 5, "no model"),
        (["--preset", "paper"], 2, "no preset 'squares' for tiny"),
        (["--name", "a/b"], 2, "becomes a folder"),
        (["--workers", "-1"], 2, "--workers must be 0 or more"),
        (["--convention", "mine"], 2, "mine"),
    ],
)
def test_what_goes_wrong_is_said_once(evaluate, words, code, message):
    found, printed = evaluate(*words)
    assert message in printed
    assert printed.count("error:") == 1
    assert found == code


def test_without_ray_the_install_command_is_said(evaluate, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, printed = evaluate("--executor", "ray", "--workers", "1")
    assert code == 1
    assert "pip install 'mixformer[ray]'" in printed


def test_a_test_split_without_truth_is_packed(evaluate, tmp_path, capsys):
    root = tmp_path / "GOT-10k"
    for number in (1, 2):
        frames, boxes = moving_square(4)
        name = f"GOT-10k_Test_{number:06d}"
        write_sequence(root / "test" / name, frames, boxes[:1], pictures=".", ending="jpg")
    (root / "test" / "list.txt").write_text("GOT-10k_Test_000001\nGOT-10k_Test_000002\n")
    code, printed = evaluate("--dataset", "got10k", root=root)
    assert code == 0
    assert "mixformer submit got10k" in printed
    folder, out = tmp_path / "results" / "tiny" / "got10k", tmp_path / "out.zip"
    words = ["submit", "got10k", str(folder), str(out), "--overwrite"]
    assert main(words) == 2
    errors = " ".join(capsys.readouterr().err.split())
    assert "GOT-10k_Test_000003.txt is missing" in errors
    assert not out.exists()
    for more in ([], ["--root", str(root)]):
        assert main([*words, "--part", *more]) == 0
        with zipfile.ZipFile(out) as archive:
            assert len(archive.namelist()) == 4
            lines = archive.read("GOT-10k_Test_000002/GOT-10k_Test_000002_001.txt").decode().splitlines()
        assert len(lines) == 4
    shorter = (folder / "GOT-10k_Test_000002.txt").read_text().splitlines()[:3]
    (folder / "GOT-10k_Test_000002.txt").write_text("\n".join(shorter))
    assert main([*words, "--part"]) == 2
    assert "3 lines for 4 frames" in capsys.readouterr().err
    assert main([*words, "--split", "train"]) == 2
    assert "no list of the split 'train'; choose from val, test" in capsys.readouterr().err
    assert main(["submit", "got10k", str(tmp_path), str(out), "--part", "--overwrite"]) == 2
    assert "holds no result" in capsys.readouterr().err


def test_ctrl_c_then_the_same_command_goes_on(squares, tiny_model, tmp_path):
    frames, boxes = moving_square(30, width=200)
    write_sequence(squares / "long", frames * 40, boxes * 40)
    words = ["evaluate", "--root", squares, "--model", tiny_model, "--device", "cpu", "--out", tmp_path, "--name", "x"]
    command = [sys.executable, "-m", "mixformer", *map(str, words)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_interrupts
    )
    folder = tmp_path / "x" / "squares"
    for _ in range(600):
        if (folder / "clip_2.txt").exists():
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert sorted(path.name for path in folder.glob("*.txt") if "_" not in path.stem[5:]) == [
        "clip_0.txt",
        "clip_1.txt",
        "clip_2.txt",
    ]
    assert '"long"' in (folder / "run.json").read_text()


def test_report_finds_the_data_set_as_evaluate_does(evaluate, squares, tiny_model, tmp_path, capsys):
    """D: evaluate guessed a format, and report demanded --dataset."""
    assert evaluate("--name", "ours", "--update", "never")[0] == 0
    manifest = json.loads((tmp_path / "results" / "ours" / "squares" / "run.json").read_text())
    assert manifest["settings"]["rules"]["update"] == "never"
    config = stored_config(tiny_model)
    assert manifest["environment"]["gflops"] == frame_flops(config) / 1e9 > 0
    assert compare(tmp_path / "results").entries[0].gflops == frame_flops(config) / 1e9
    for words in ([], ["--root", str(squares)]):
        assert main(["report", str(tmp_path / "results"), *words]) == 0
        assert "0.952" in capsys.readouterr().out
    (tmp_path / "results" / "ours" / "others").mkdir()
    (tmp_path / "results" / "ours" / "others" / "run.json").write_text("{}")
    assert main(["report", str(tmp_path / "results")]) == 2
    assert "several data sets (others, squares); name the data set with --dataset" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "no run.json is there; name the data set" in capsys.readouterr().err


def test_the_three_rows_of_table_8_differ_in_their_templates_by_one_flag(evaluate, monkeypatch, tmp_path):
    """Journal table 8: no update, one at a fixed interval, and one by score."""
    remembered = []
    remember = TorchEngine.remember
    monkeypatch.setattr(TorchEngine, "remember", lambda self, given: remembered.append(given) or remember(self, given))
    usual = ["--sequences", "clip_2", "--engine", "torch", "--update-interval", "2", "--score-threshold", "0"]
    seen = {}
    for update in ("never", "interval", "score"):
        remembered.clear()
        assert evaluate("--name", update, "--update", update, *usual, "--rules", "official")[0] == 0
        seen[update] = list(remembered)
        boxes = np.loadtxt(tmp_path / "results" / update / "squares" / "clip_2.txt", delimiter=",")
        scores = np.loadtxt(tmp_path / "results" / update / "squares" / "clip_2_score.txt")
        frames = {"never": [], "interval": [2, 4], "score": [1 + scores[1:3].argmax(), 3 + scores[3:5].argmax()]}
        picture = [np.asarray(Image.open(tmp_path / f"squares/clip_2/img/{n + 1:08d}.png")) for n in range(6)]
        crops = [crop_target(picture[n], Box(*boxes[n]), 2.0, 32)[0] for n in [0, *frames[update]]]
        assert len(seen[update]) == len(crops)
        for templates, crop in zip(seen[update], crops, strict=True):
            np.testing.assert_array_equal(templates[0, 0], crops[0])
            np.testing.assert_allclose(templates[0, 1].astype(float), crop, atol=2)  # boxes of the file are rounded
    assert len(seen["interval"]) == len(seen["score"]) == 3
