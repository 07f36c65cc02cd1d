"""Results are safe: rows A1, A2, A4, A5, C8 and the outputs' part of D in the findings on 0.1.0."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer.cli import main
from mixformer.errors import OutputError
from mixformer.video import open_results, open_video, open_writer
from mixformer.video.drafts import Draft, FolderDraft
from tests.helpers.clips import hear_interrupts, moving_square, write_clip
from tests.helpers.small_disk import need_small_disks, small_disk

BOX = ["--box", "10", "30", "20", "20"]
KINDS = {"out": "out.mp4", "json": "r.jsonl", "csv": "r.csv", "mot": "r.txt"}
PICTURE = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture
def words(tiny_model):
    return ["--model", str(tiny_model), "--engine", "torch", "--device", "cpu"]


def options(folder):
    return [word for kind, name in KINDS.items() for word in (f"--{kind}", str(folder / name))]


@pytest.mark.parametrize("why", [["--box", "900", "30", "20", "20"], [*BOX, "--start", "999"], [*BOX, "--show"]])
def test_a1_what_exists_is_untouched_before_a_run_can_begin(clip, words, tmp_path, monkeypatch, why):
    monkeypatch.delenv("DISPLAY", raising=False)
    out = tmp_path / "out"
    out.mkdir()
    for name in KINDS.values():
        (out / name).write_text(f"yesterday's {name}")
    assert main(["track", str(clip), *why, *options(out), "--overwrite", *words]) != 0
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        name: f"yesterday's {name}" for name in KINDS.values()
    }


def test_a1_a_run_that_cannot_begin_leaves_nothing(clip, words, tmp_path):
    assert main(["track", str(clip), "--box", "900", "30", "20", "20", *options(tmp_path / "new" / "er"), *words]) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", [*KINDS, "masks"])
def test_a1_a_result_is_replaced_only_when_asked(clip, words, tmp_path, capsys, kind):
    if kind == "masks":
        pytest.importorskip("cv2", reason="masks need OpenCV")
    place = tmp_path / KINDS.get(kind, "masks")
    command = ["track", str(clip), *BOX, f"--{kind}", str(place), "--json", str(tmp_path / "j.jsonl"), "--stop", "3"]
    assert main([*command, *words]) == 0
    assert main([*command, *words, "--model", "no such model"]) == 4  # before the model is looked for
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, *words, "--overwrite"]) == 0
    assert not list(tmp_path.glob("*partial*"))


def test_a1_the_default_name_is_a_free_one(clip, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["track", str(clip), *BOX, "--stop", "2", *words]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "clip_tracked.mp4", "clip_tracked_2.mp4"}


def test_a1_an_incomplete_result_never_replaces_one(tmp_path):
    with open_results(tmp_path / "r.csv", "csv"):
        pass
    before = (tmp_path / "r.csv").read_text()
    writer = open_results(tmp_path / "r.csv", "csv", overwrite=True)
    writer.write(mixformer.TrackResult(mixformer.Box(1, 2, 3, 4), 1.0, 0))
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert (tmp_path / "r.csv").read_text() == before
    assert (tmp_path / "r.partial.csv").read_text().count("\n") == 2


FULL = """
import resource, signal, sys
import numpy as np
from mixformer.cli import main
size = int(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [
        ("out", "a.mp4", 9000),
        ("out", "a.mkv", 9000),
        ("out", "a.avi", 90_000),
        ("json", "a.jsonl", 900),
        ("csv", "a.csv", 300),
        ("mot", "a.txt", 500),
    ],
)
def test_a2_a_full_disk_is_no_success(words, tmp_path, kind, name, size):
    noise = np.random.default_rng(0).integers(0, 255, (30, 90, 120, 3), dtype=np.uint8)
    write_clip(tmp_path / "clip.mp4", list(noise))
    command = ["track", tmp_path / "clip.mp4", *BOX, f"--{kind}", tmp_path / name, *words]
    run = subprocess.run([sys.executable, "-c", FULL, str(size), *map(str, command)], capture_output=True, text=True)
    assert run.returncode == 4, run.stderr
    assert "cannot write" in run.stderr
    assert "ulimit -f" in run.stderr
    text = (tmp_path / name).read_bytes()
    assert 0 < len(text) <= size
    if kind != "out":
        assert text.endswith(b"\n")


WRITTEN = {f"a.{ending}": "out" for ending in ("mp4", "mov", "mkv", "avi", "webm", "gif")} | {
    "frames": "out",
    "a.jsonl": "json",
    "a.csv": "csv",
    "a.txt": "mot",
}


@pytest.mark.parametrize(("name", "kind"), WRITTEN.items())
def test_a2_a_small_disk_is_no_success(words, tmp_path, capsys, name, kind):
    need_small_disks()
    write_clip(tmp_path / "clip.mp4", moving_square(150, step=0)[0])
    command = ["track", str(tmp_path / "clip.mp4"), *BOX, *words, f"--{kind}"]
    assert main([*command, str(tmp_path / name)]) == 0
    capsys.readouterr()
    files = list((tmp_path / name).rglob("*")) or [tmp_path / name]
    size = sum(-(-path.stat().st_size // 4096) * 4 for path in files)
    (tmp_path / "disk").mkdir()
    for room in (size // 2 // 4 * 4, size - 4):
        with small_disk(tmp_path / "disk", room):
            assert main([*command, str(tmp_path / "disk" / name)]) == 4
        told = capsys.readouterr()
        assert "No space left" in told.err
        assert "free some space and run the same command again" in told.err
        assert "wrote" not in told.out


@pytest.mark.parametrize("name", [name for name, kind in WRITTEN.items() if kind == "out" and "." in name])
def test_a2_a_video_is_whole_or_an_error_wherever_the_disk_ends(tmp_path, name):
    """A2, for the last bytes too: the index and the end of a file."""
    need_small_disks()
    frames = moving_square(30, step=0)[0]

    def write(path):
        with open_writer(path) as writer:
            for frame in frames:
                writer.write(frame)

    write(tmp_path / name)
    pages = -(-(tmp_path / name).stat().st_size // 4096)
    (tmp_path / "disk").mkdir()
    ends = []
    for room in range(1, pages + 2):
        with small_disk(tmp_path / "disk", 4 * room):
            try:
                write(tmp_path / "disk" / name)
            except OutputError:
                ends.append(room)
                continue
            with open_video(tmp_path / "disk" / name) as video:
                assert len(list(video)) == 30
    assert ends == list(range(1, pages))


@pytest.mark.parametrize("name", ["a.jsonl", "a.mp4", "frames"])
def test_a2_a_disk_that_tells_it_at_the_end_is_no_success(tmp_path, monkeypatch, name):
    """A2, for disks that take what they have no room for and say so when it is synced."""

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = open_results(tmp_path / name, "json") if name == "a.jsonl" else open_writer(tmp_path / name)
    if name != "a.jsonl":
        writer.write(PICTURE)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        writer.__exit__(None, None, None)
    assert not (tmp_path / name).exists()


def test_a2_what_is_gone_is_noticed(tmp_path):
    texts, pictures = open_results(tmp_path / "a.csv", "csv"), open_writer(tmp_path / "frames")
    texts.write(mixformer.TrackResult(mixformer.Box(1, 2, 3, 4), 1.0, 0))
    os.truncate(tmp_path / "a.partial.csv", 3)
    with pytest.raises(OutputError, match="only 3 of"):
        texts.__exit__(None, None, None)
    for _ in range(2):
        pictures.write(PICTURE)
    (tmp_path / "frames.partial" / "00000001.png").unlink()
    with pytest.raises(OutputError, match="only 1 of 2 pictures"):
        pictures.__exit__(None, None, None)


def test_a2_every_frame_is_counted(tmp_path):
    writer = open_writer(tmp_path / "a.mkv")
    for _ in range(3):
        writer.write(PICTURE)
    writer._count += 1  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="only 3 of 4 frames"):
        writer.__exit__(None, None, None)


def test_a4_a_result_has_one_writer(clip, words, tmp_path, capsys):
    with open_writer(tmp_path / "a.mp4") as first, open_writer(tmp_path / "frames") as second:
        first.write(PICTURE)
        second.write(PICTURE)
        for name in ("a.mp4", "frames"):
            assert main(["track", str(clip), *BOX, "--out", str(tmp_path / name), *words]) == 4
            assert "another process" in " ".join(capsys.readouterr().err.split())
    assert len(list((tmp_path / "frames").iterdir())) == 1


def test_a4_the_lock_of_a_dead_process_is_free(tmp_path):
    code = f"from mixformer.video.drafts import *; import os; d = Draft(Path({str(tmp_path / 'a.txt')!r}));"
    code += f"f = FolderDraft(Path({str(tmp_path / 'f')!r})); d.write(b'x'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code])
    assert (tmp_path / "a.partial.txt").read_text() == "x"
    Draft(tmp_path / "a.txt").drop()
    FolderDraft(tmp_path / "f").drop()
    assert not list(tmp_path.iterdir())


def _until(process, path, lines):
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "mov"])
def test_a5_a_stopped_run_leaves_what_it_tracked(words, tmp_path, number, code, ending):
    write_clip(tmp_path / "long.mp4", moving_square(1500, step=0)[0])
    command = ["track", tmp_path / "long.mp4", *BOX, "--out", tmp_path / f"a.{ending}", "--json", tmp_path / "a.jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mixformer", *map(str, [*command, *words])], preexec_fn=hear_interrupts
    )
    _until(process, tmp_path / "a.partial.jsonl", 60)
    process.send_signal(number)
    assert process.wait(60) == code
    part = "" if code > 0 else ".partial"
    rows = [json.loads(line) for line in (tmp_path / f"a{part}.jsonl").read_text().splitlines()]
    with open_video(tmp_path / f"a{part}.{ending}") as video:
        frames = len(list(video))
    assert 60 <= len(rows) < 1500
    assert len(rows) - (1 if code > 0 else 25) <= frames <= len(rows) + 1
    if code < 0:  # the same command goes on, and leaves nothing beside
        assert main([*map(str, command), *words, "--stop", "5"]) == 0
        assert {path.name for path in tmp_path.iterdir()} == {"long.mp4", f"a.{ending}", "a.jsonl"}


@pytest.mark.parametrize("name", ["a.mp3", "a.ogv", "a.txt", "a.png", "a.wmv"])
def test_c8_what_cannot_be_written_is_said_before_the_model_is_loaded(clip, tmp_path, capsys, name):
    assert main(["track", str(clip), *BOX, "--out", str(tmp_path / name), "--model", "none"]) == 4
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "mp4, m4v, mov, mkv, avi, webm, gif" in error


def test_c8_old_pictures_do_not_stay_among_new_ones(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(PICTURE).save(folder / f"{number:08d}.png")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        open_writer(folder)
    with open_writer(folder, overwrite=True) as writer:
        writer.write(PICTURE + 9)
    assert sorted(path.name for path in folder.iterdir()) == ["00000000.png", "notes.txt"]
    assert np.asarray(Image.open(folder / "00000000.png")).max() == 9


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_d_an_unwritable_folder_is_said_first(clip, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main(["track", str(clip), *BOX, "--out", str(tmp_path / "locked" / "a.mp4"), "--model", "none"]) == 4


def test_d_a_result_can_go_to_standard_output(clip, words):
    command = ["track", clip, *BOX, "--json", "/dev/stdout", "--stop", "3", "--quiet", *words]
    run = subprocess.run([sys.executable, "-m", "mixformer", *map(str, command)], capture_output=True, text=True)
    assert [json.loads(line)["frame"] for line in run.stdout.splitlines()] == [0, 1, 2], run.stderr
