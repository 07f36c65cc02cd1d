"""Section D of the findings: what a person gets wrong, and what the command line says to do next."""

from __future__ import annotations

import re
import shlex

import pytest
from PIL import Image

from mixformer.cli import main
from mixformer.data import DATASETS
from tests.helpers.clips import moving_square, write_clip

TRACK = "track {clip} --model {model} --engine torch --device cpu --quiet"
BOX = "--box 10 30 20 20"
CASES = [
    # command line, exit code, what the last words must hold
    ("trak a.mp4", 2, "did you mean 'track'"),
    ("--trak", 2, "see: mixformer --help"),
    ("--verison", 2, "did you mean '--version'"),
    ("track", 2, "SOURCE must be given"),
    (f"track nope.mp4 {BOX}", 3, "no file or folder nope.mp4; check the name"),
    (f"track clpi.mp4 {BOX}", 3, "did you mean 'clip.mp4'"),
    (f"track notes.txt {BOX}", 3, "give a video file such as MP4"),
    (f"track empty.mp4 {BOX}", 3, "give a video file such as MP4"),
    (f"track list.m3u8 {BOX}", 3, "a list of other files; give one of these"),
    (f"track empty {BOX}", 3, "holds no pictures (.bmp"),
    (f"track '*.jpg' {BOX}", 3, "give the folder of the pictures"),
    (f"track img_%05d.jpg {BOX}", 3, "give the folder of the pictures"),
    (f"track - {BOX}", 3, "mkfifo"),
    (f"track '' {BOX}", 3, "the source is empty; give"),
    (f"track http://127.0.0.1:1/x {BOX}", 3, "check the address"),
    (f"track 97 {BOX}", 3, "no camera"),
    (TRACK, 2, "give the target in the first frame as --box"),
    (f"{TRACK} --box 1 2 30", 2, "--box needs 4 values"),
    (f"{TRACK} --box 1 2 30 40 50", 2, "one word too many"),
    (f"{TRACK} --box a b c d", 2, "takes a number, not 'a'"),
    (f"{TRACK} --box 0.1 0.2 0.3 0.4", 2, "multiply x and width"),
    (f"{TRACK} --box 900 900 10 10", 2, "give the top left corner"),
    (f"{TRACK} --box 10 30 0 20", 2, "width and height must be above 0"),
    (f"{TRACK} --box 10 30 20 {'9' * 400}", 2, "give a shorter one"),
    (f"{TRACK} --box nan 30 20 20", 2, "takes a number, not 'nan'"),
    (f"{TRACK} --bx 1 2 30 40", 2, "did you mean '--box'"),
    (f"track clip.mp4 {BOX} --model mixformerv2_dino_s9", 5, "did you mean 'mixformerv2_dino_s8'"),
    (f"track clip.mp4 {BOX} --model empty", 5, "make one with `mixformer convert`"),
    (f"track clip.mp4 {BOX} --model notes.txt", 5, "not a PyTorch checkpoint; download it again"),
    (f"track clip.mp4 {BOX} --model ''", 5, "`mixformer models` lists"),
    (f"track clip.mp4 {BOX} --model {'x' * 300}", 5, "`mixformer models` lists"),
    (f"{TRACK} {BOX} --out x.mp3", 4, "there are mp4, m4v, mov"),
    (f"{TRACK} {BOX} --json empty", 4, "give the name of a file"),
    (f"{TRACK} {BOX} --json notes.txt", 4, "--overwrite"),
    (f"{TRACK} {BOX} --json notes.txt/a.jsonl", 4, "give another name"),
    (f"{TRACK} {BOX} --out clip.mp4 --overwrite", 4, "the source itself; give the result another name"),
    (f"{TRACK} {BOX} --json a.jsonl --csv a.jsonl", 4, "give"),
    (f"track clip.mp4 {BOX} --engine tensort", 2, "there are: auto"),
    (f"{TRACK} {BOX} --precision fp16", 2, "there are: auto"),
    (f"{TRACK} {BOX} --start 5000", 3, "choose a smaller --start"),
    (f"{TRACK} {BOX} --start -1", 3, "from -1 to the end: start at 0"),
    (f"{TRACK} {BOX} --start 5 --stop 2", 3, "stop after the start"),
    (f"{TRACK} {BOX} --timeout 0", 2, "number of seconds above 0"),
    (f"{TRACK} {BOX} --search-factor 0", 2, "search_factor must be above 0"),
    (f"{TRACK} {BOX} --threads 18446744073709551616", 2, "threads"),
    (f"{TRACK} {BOX} --update sometimes", 2, "takes score or interval or never"),
    (f"{TRACK} {BOX} --preset laost", 2, "leave the preset out"),
    (f"{TRACK} {BOX} --preset paper", 2, "no preset 'paper'"),
    (f"{TRACK} --targets nope.csv", 2, "No such file"),
    (f"{TRACK} --targets notes.txt", 2, "a line is x,y,w,h"),
    (f"{TRACK} {BOX} --targets notes.txt", 2, "give one of them"),
    ("track-all nope.csv --out t", 2, "No such file"),
    ("track-all clip.mp4 --out t", 2, "no text in UTF-8; check the name"),
    ("track-all bad.csv --out t", 2, "columns are source, box"),
    ("track-all bad.json --out t", 2, "not readable JSON"),
    ("track-all jobs.csv --out notes.txt", 4, "give another one"),
    ("track-all jobs.csv --out t --write viedo", 2, "there are: video"),
    ("track-all jobs.csv --out t --workers -1", 2, "0 or more"),
    ("track-all jobs.csv --out t --address head:6379", 2, "give --executor ray too"),
    ("models --jsn", 2, "did you mean '--json'"),
    ("info nope", 2, "one word too many"),
    ("convert nope.pth --out m", 5, "`mixformer models` lists"),
    ("convert {model} --to offical --out m", 2, "did you mean 'official'"),
    ("export {model} --to tensorrt --out m", 2, "takes onnx or openvino"),
    ("prune {model} --out p --remove 0,1", 2, "with spaces between"),
    ("prune {model} --out p --remove 0 1", 2, "leave at least one"),
    ("train nope.toml --out r", 2, "give a TOML file such as those in recipes/"),
    ("train bad.toml --out r", 2, "not a readable TOML file"),
    ("train typo.toml --out r", 2, "did you mean 'model'"),
    ("train typo.toml --out r --set steps", 2, "write key=value"),
    ("data", 2, "see: mixformer data --help"),
    ("data chek x", 2, "did you mean 'check'"),
    ("data check nope", 2, "check the path"),
    ("data check empty", 2, "your own: NAME/img"),
    ("data check notes.txt", 2, "give one of these"),
    ("data check empty --set lasto", 2, "did you mean 'lasot'"),
    ("data import cvta a.xml out", 2, "did you mean 'cvat'"),
    ("data import cvat notes.txt out", 2, "export it from CVAT again"),
    ("evaluate --root nope", 2, "check the path"),
    ("evaluate --data lasto --root empty", 2, "did you mean 'lasot'"),
    ("evaluate --root empty --workers -1", 2, "0 or more"),
    ("evaluate --root empty --gpus 0.5", 2, "give --executor ray too"),
    ("evaluate --root empty --threads null", 2, "your own: NAME/img"),
    ("ablate v2-2 --list --seeds 0", 2, "1 or more"),
    ("pipeline mixvit --out r --steps 5", 2, "steps: only at scale tiny"),
    ("ablate v2-3d --out r --start empty", 2, "start: only at scale tiny"),
    ("ablate v2-3d --out r --test empty", 2, "test is for scale tiny"),
    ("bench --device gpu", 2, "use auto, cpu, cuda"),
    ("bench --device cuda:77", 2, "there is no device 'cuda:77'"),
    ("report nope", 3, "give a folder of results"),
    ("report empty", 2, "name the data set with --dataset"),
    ("report empty --worst -1", 2, "0 or more"),
    ("submit got10 empty a.zip", 2, "did you mean 'got10k'"),
    ("vot rnu", 2, "did you mean 'run'"),
    ("bench trak", 2, "trak"),
    ("vot", 2, "see: mixformer vot --help"),
    ("inspect clip.mp4", 2, "must be given"),
    ("demo --out x.mp3", 4, "there are mp4"),
]
# Words of a program, not of a person. Class names of settings may stand before a field.
INTERNAL = re.compile(r"Errno|Traceback|NoneType|<class|object at 0x|\bnull\b|(Key|Value|Type)Error|codec can't")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the usual mistakes in it."""
    folder = tmp_path_factory.mktemp("wrong")
    write_clip(folder / "clip.mp4", moving_square()[0], sound=True)
    (folder / "empty").mkdir()
    (folder / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "pictures" / "a.png")
    for name, text in {
        "notes.txt": "hello\n", "empty.mp4": "", "list.m3u8": "#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "bad.json": '{"a":',
        "bad.csv": "sorce,box\na.mp4,1 2 3 4\n", "jobs.csv": "source,box\nclip.mp4,10 30 20 20\n",
        "bad.toml": "stage = boxes\n", "typo.toml": 'stage = "boxes"\nmodle = "x"\n',
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(("line", "code", "advice"), CASES, ids=[case[0][:60] for case in CASES])
def test_a_mistake_is_answered_with_what_to_do(line, code, advice, place, tiny_model, capsys, monkeypatch):
    """D: one sentence in plain words, the documented exit code, nothing written."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    words = shlex.split(line.format(clip="clip.mp4", model=tiny_model))
    try:
        got = main(words)
    except SystemExit as stop:
        got = stop.code
    said = capsys.readouterr().err
    assert got == code, said
    assert advice in " ".join(said.split()), said
    assert not INTERNAL.search(said), said
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


@pytest.mark.parametrize("name", list(DATASETS)[:3])
def test_a_data_set_that_is_not_there_says_what_was_looked_for(name, place, capsys, monkeypatch):
    """D: the layout, not a traceback."""
    monkeypatch.chdir(place)
    assert main(["evaluate", "--data", name, "--root", "empty"]) == 2
    assert "looked for" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["help"], ["help", "track"]])
def test_help_as_a_verb(words, capsys):
    """D: the first word that many try."""
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    assert code == 0
    assert "usage: mixformer" in capsys.readouterr().out
