"""Find the folders of raw results, and whether their files count pixels from 0 or from 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mixformer.data import DATASETS, detect_dataset
from mixformer.errors import ConfigError, SourceError
from mixformer.evaluation.ground_truth import GroundTruth
from mixformer.evaluation.manifest import MANIFEST, made_by_mixformer, read_manifest
from mixformer.files import path_kind
from mixformer.files.partial_names import real_path

_LAYOUT = "SEQUENCE.txt, DATASET/SEQUENCE.txt or TRACKER/DATASET/SEQUENCE.txt (or SEQUENCE/SEQUENCE_001.txt)"
_NOT_BOXES = ("_time.txt", "_score.txt", "_status.txt", "_confidence.value", "_all_boxes.txt")


@dataclass(frozen=True)
class ResultFolder:
    """The raw results of one tracker on one data set."""

    tracker: str  # name in tables and plots
    folder: Path  # holds a text file for each sequence
    prefix: str = ""  # start of the names of its files, if they are not found without it
    first_pixel: float = 0.0  # number of the left upper pixel in its files, 0 or 1

    def boxes_file(self, sequence: str) -> Path | None:
        """Find the file of boxes of a sequence, in the common or in GOT-10k's layout; None if there is none."""
        return self._first("{0}.txt", "{0}/{0}_001.txt", sequence)

    def side_file(self, sequence: str, kind: str) -> Path | None:
        """Find the file of "time", "score" or "status" of a sequence; None if there is none."""
        return self._first(f"{{0}}_{kind}.txt", f"{{0}}/{{0}}_{kind}.txt", sequence)

    def _first(self, flat: str, nested: str, sequence: str) -> Path | None:
        names = dict.fromkeys((sequence, self.prefix + sequence))
        candidates = (self.folder / form.format(name) for name in names for form in (flat, nested))
        return next((path for path in candidates if path.is_file()), None)


def find_results(words: Iterable[str], dataset: str) -> list[ResultFolder]:
    """Find the result folders that `words` name, in that order: `FOLDER` or `NAME=FOLDER`, as in `compare`.

    Raises SourceError if a folder is missing or holds no results, or two trackers have the same name.
    """
    found: list[ResultFolder] = []
    for word in words:
        name, path = _split(word)
        here = list(_inside(path, dataset))
        if not here:
            raise SourceError(f"{path} holds no results for {dataset}; looked for {_LAYOUT}")
        if name and len(here) > 1:
            inner = ", ".join(result.tracker for result in here)
            raise SourceError(
                f"{path} holds several trackers ({inner}); give each as NAME=FOLDER, or leave the name out"
            )
        found += [ResultFolder(name or result.tracker, result.folder) for result in here]
    for result in found:
        twins = [str(other.folder) for other in found if other.tracker == result.tracker]
        if len(twins) > 1:
            raise SourceError(f"two trackers are called {result.tracker} ({', '.join(twins)}); name them: NAME=FOLDER")
    return found


def guess_dataset(words: Iterable[str], root: str | Path | None) -> str:
    """Guess the data set of results: detect it in `root`, or read it from the `run.json` of `evaluate`.

    Raises ConfigError if it is unknown, or the results are of several data sets.
    """
    if root is not None:
        return detect_dataset(root) or real_path(Path(root)).name
    runs = (run for word in words for place in ("", "*/", "*/*/") for run in _split(word)[1].glob(place + MANIFEST))
    found = {real_path(run).parent.name for run in runs}
    if len(found) == 1:
        return found.pop()
    listed = f"these results are of several data sets ({', '.join(sorted(found))})" if found else "no run.json is there"
    raise ConfigError(f"{listed}; name the data set with --dataset, or give its folder with --root")


def settle_pixels(
    folders: list[ResultFolder], truth: GroundTruth, first_pixel: float | None = None
) -> list[ResultFolder]:
    """Set the first pixel of each folder, and the prefix of the data set's official result files.

    `first_pixel` is 0 or 1 for all folders; None decides for each. Results of this library count from 0, unless their
    `run.json` says `keep_one_based`; all others count as the data set's own files do.
    """
    if truth.dataset in DATASETS:
        folders = [replace(result, prefix=DATASETS[truth.dataset].prefix) for result in folders]
    if first_pixel is not None:
        return [replace(result, first_pixel=first_pixel) for result in folders]
    if truth.dataset not in DATASETS or not any(map(_counts_like_the_set, folders)):
        return folders
    first = truth.first_pixel()
    return [replace(each, first_pixel=first * _counts_like_the_set(each)) for each in folders]


def _counts_like_the_set(result: ResultFolder) -> bool:
    """Return whether pixels count as in the data set's own files, as in official results, and not from 0."""
    ours = made_by_mixformer(result.folder)
    return not ours or bool(read_manifest(result.folder)["settings"].get("keep_one_based"))


def _split(word: str) -> tuple[str, Path]:
    """Split NAME=FOLDER into name and folder; an existing folder may have an equals sign in its own name."""
    name, sign, rest = word.partition("=")
    name, path = (name, Path(rest)) if sign and not path_kind(word) else ("", Path(word))
    if path_kind(path) != "folder":
        raise SourceError(f"{path} is no folder; give a folder of results, as FOLDER or NAME=FOLDER")
    return name, path


def _inside(path: Path, dataset: str) -> Iterator[ResultFolder]:
    path = real_path(path)
    inner = _called(path, dataset)
    if inner is not None:
        yield ResultFolder(path.name, inner)
    elif _has_results(path):
        yield ResultFolder(path.parent.name if _same(path.name, dataset) else path.name, path)
    else:
        for tracker in sorted(child for child in path.iterdir() if child.is_dir()):
            inner = _called(tracker, dataset)
            if inner is not None:
                yield ResultFolder(tracker.name, inner)


def _called(path: Path, dataset: str) -> Path | None:
    """Return the folder named after the data set, if it holds results."""
    inner = [child for child in path.iterdir() if child.is_dir() and _same(child.name, dataset)]
    return next((child for child in inner if _has_results(child)), None)


def _has_results(path: Path) -> bool:
    if any(not child.name.endswith(_NOT_BOXES) for child in path.glob("*.txt")):
        return True
    return any(child.parent.name + "_001.txt" == child.name for child in path.glob("*/*_001.txt"))


def _same(one: str, other: str) -> bool:
    return one.lower().replace("-", "_") == other.lower().replace("-", "_")
