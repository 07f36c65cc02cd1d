"""Names, links, folders and streams that nobody expects."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from mixformer import __main__ as entry
from mixformer.cli import main
from mixformer.errors import OutputError
from mixformer.files import write_files, write_text
from mixformer.files.partial_names import beside, own_places, real_path
from mixformer.files.places import claimed_folder, require_place
from mixformer.run.outputs import check_outputs
from mixformer.run.resume_places import resume_path
from mixformer.video import open_results, open_video, open_writer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.video.video_formats import require_video

BOX = ["--box", *map(str, map(int, DEMO_BOX))]


@pytest.fixture
def circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    return tmp_path / "a"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["track", DEMO_CLIP, *BOX, "--json", "{}"], 4),
        (["track", DEMO_CLIP, *BOX, "--json", "{}/r.jsonl", "--overwrite"], 4),
        (["track", "{}", *BOX], 3),
        (["track-all", "{}"], 2),
        (["convert", "mixformerv2_dino_s8", "--out", "{}"], 4),
        (["export", "mixformerv2_dino_s8", "--out", "{}"], 4),
        (["evaluate", "--root", "{}"], 2),
        (["report", "{}"], 3),
        (["data", "check", "{}"], 2),
    ],
)
def test_links_in_a_circle_are_an_error_with_a_sentence(circle, capsys, words, code):
    """`Path.resolve` raises a RuntimeError there."""
    assert main([str(word).format(circle) for word in words]) == code
    assert "error: " in capsys.readouterr().err
    assert circle.is_symlink()


@pytest.mark.parametrize("name", ["r" * 249 + ".jsonl", "я" * 127, "x." + "y" * 250])
def test_names_of_the_greatest_length_work(tmp_path, name):
    """The draft, the lock and the resume file have longer names."""
    path = tmp_path / name
    places = {*own_places(path), resume_path({"json": path}), beside(path, ".", ".lock")}
    assert len(places) == 5
    assert all(len(os.fsencode(place.name)) <= 255 for place in places)
    with open_results(path, "json"):
        pass
    write_files({path: lambda part: part.write_text("new")})
    assert (path.read_text(), [item.name for item in tmp_path.iterdir()]) == ("new", [name])
    with claimed_folder(tmp_path / ("m" * 255), "config.json", "model folder", overwrite=False):
        pass


def test_shortened_names_differ(tmp_path):
    one, other = (tmp_path / ("x" * 250 + end) for end in ("a", "b"))
    assert beside(one, ".", ".resume") != beside(other, ".", ".resume")


def test_a_name_that_is_too_long_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(OutputError, match="give another name"):
        check_outputs({"json": tmp_path / ("x" * 256)}, [])
    with pytest.raises(OutputError, match="give another name"):
        open_writer(tmp_path / ("x" * 252 + ".mp4"))
    assert list(tmp_path.iterdir()) == []


def test_the_root_folder_is_no_result(capsys):
    assert main(["track", str(DEMO_CLIP), *BOX, "--json", os.path.abspath(os.sep)]) == 4
    assert "Traceback" not in capsys.readouterr().err


def test_an_ending_alone_is_no_name(tmp_path):
    """As of `--out "$NAME.mp4"` where NAME is empty: a folder named `.mp4` was filled with pictures."""
    with pytest.raises(OutputError, match="an ending without a name"):
        require_video(tmp_path / ".mp4")


def test_a_circle_stays_as_it_is(circle):
    assert real_path(circle).name in ("a", "b")


def run(words, **options):
    return subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -m mixformer {words}'], check=False, text=True, timeout=120, **options
    )


@pytest.mark.skipif(os.name == "nt", reason="closes streams by the words of a shell")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("models <&- >&- 2>&-", 0),
        ("models --json >&-", 0),
        ("track nothing.mp4 2>&-", 3),
        ("nonsense 2>&-", 2),
        ("nonsense 2>/dev/full", 2),
        ("track nothing.mp4 2>/dev/full", 3),
    ],
)
def test_closed_or_full_streams_change_no_exit_code(tmp_path, words, code):
    if "/dev/full" in words and not os.path.exists("/dev/full"):
        pytest.skip("there is no such device")
    assert run(words, cwd=tmp_path, stdout=subprocess.DEVNULL).returncode == code


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
@pytest.mark.parametrize("words", ["models", "track a.mp4 --box 1 1 9 9", "convert mixformerv2_dino_s8 --out m"])
def test_a_current_folder_that_is_gone_is_told(tmp_path, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(f"{words} 2>&1", cwd=gone, stdout=subprocess.PIPE, preexec_fn=gone.rmdir)
    assert done.returncode == 1
    assert "the current folder does not exist any more" in done.stdout


def test_printing_to_a_reader_that_has_gone_fails_no_run(tmp_path):
    """A warning to a closed pipe ended the run with exit code 0."""
    from mixformer.cli.console import make_console

    read, write = os.pipe()
    os.close(read)
    console = make_console(stderr=True)
    console.file = os.fdopen(write, "w")
    console.print("one")
    console.print("two")
    console.file.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your share of the disk"),
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (OSError(errno.ESTALE, "Stale file handle"), "check the path"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_every_error_of_the_system_is_a_sentence(monkeypatch, capsys, error, said):
    def fail(options):
        raise error

    monkeypatch.setattr("mixformer.cli.models.run", fail)
    assert main(["models"]) in (1, 4)
    assert said in capsys.readouterr().err


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    """In a container, the number of a user may have no name: `Path.home` raises a RuntimeError."""
    from mixformer.optional import cache_folder

    for variable in ("MIXFORMER_CACHE", "HOME", "USERPROFILE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache_folder() is None


def test_a_graph_is_compiled_where_no_temporary_folder_is(monkeypatch, tmp_path):
    """A read-only container without /tmp, and a full one: in memory, or else an error that says what to do."""
    passes = pytest.importorskip("mixformer.engines.openvino_passes")
    import openvino as ov

    from mixformer.engines.openvino_compiler import core

    one = ov.opset13.parameter([1, 4], np.float32)
    model = ov.Model([ov.opset13.add(one, one)], [one], "sum")
    monkeypatch.setattr(passes, "work_places", lambda: iter([tmp_path / "none", tmp_path]))
    assert passes.keep_exact(core(), model, set()) is not None
    monkeypatch.setattr(passes, "work_places", lambda: iter([tmp_path / "none"]))
    with pytest.raises(OutputError, match="set TMPDIR"):
        passes.keep_exact(core(), model, set())


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_a_draft_that_somebody_removes_is_written_again(tmp_path):
    """`rm -r results` while an hour was being tracked lost the hour."""
    import shutil

    folder = tmp_path / "results"
    with open_writer(folder / "v.mp4", 25) as video, open_results(folder / "r.csv", "csv"):
        video.write(np.zeros((16, 16, 3), np.uint8))
        shutil.rmtree(folder)
        video.write(np.zeros((16, 16, 3), np.uint8))
    assert sorted(item.name for item in folder.iterdir()) == ["r.csv", "v.mp4"]
    with open_video(folder / "v.mp4") as read:
        assert len(list(read)) == 2


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_a_draft_of_somebody_else_is_not_taken(tmp_path):
    def write():
        with open_results(tmp_path / "r.csv", "csv"):
            (tmp_path / "r.partial.csv").unlink()
            (tmp_path / "r.partial.csv").write_text("theirs")

    with pytest.raises(OutputError, match="another file by now"):
        write()
    assert (tmp_path / "r.partial.csv").read_text() == "theirs"


def test_ctrl_c_while_python_imports_is_quiet(monkeypatch):
    class Importing:
        @property
        def main(self):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "mixformer.cli", Importing())
    assert entry.run() == 130


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_no_file_takes_the_place_of_a_pipe_or_a_link(tmp_path):
    """`annotate --project /dev/null` made a usual file of the null device, if root gave the command."""
    pipe, link, target = tmp_path / "pipe", tmp_path / "link.json", tmp_path / "far" / "real.json"
    os.mkfifo(pipe)
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        write_text(link, "new")
        assert os.read(reader, 99) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["far", "link.json", "pipe", "real.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such device")
def test_results_in_standard_output_follow_what_was_printed_there(tmp_path):
    """A stream that leads to a file was opened again, and written from the start of the file."""
    code = "from mixformer.files import write_text; from pathlib import Path; write_text(Path('/dev/stdout'), 'b\\n')"
    with (tmp_path / "said").open("wb") as file:
        for words in (["echo", "a"], [sys.executable, "-c", code], ["echo", "c"]):
            subprocess.run(words, stdout=file, check=True)
    assert (tmp_path / "said").read_text() == "a\nb\nc\n"


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no such folder")
def test_results_in_the_folder_of_shared_memory_are_safe_too():
    """They were taken for devices, and replaced without being asked."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder, "r.jsonl")
        path.write_text("yesterday")
        with pytest.raises(OutputError, match="exists already"):
            require_place(path)
        with pytest.raises(OutputError, match="not empty"):
            require_place(Path(folder))
