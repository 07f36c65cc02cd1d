"""Model folders on the Hugging Face hub, or on a server of its kind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mixformer.errors import CheckpointError, MixFormerError, OutputError
from mixformer.optional import load
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE
from mixformer.weights.model_folder import find_folder, read_folder

# What a model folder consists of. Nothing else is fetched or sent: no pickle, no code.
_FILES = (CONFIG_FILE, WEIGHTS_FILE, "MODEL_CARD.md", "*.onnx", "*.xml", "graphs.bin")
_README = """---
library_name: mixformer
pipeline_tag: object-tracking
tags: [visual-object-tracking, mixformer]
---

# {name}

A tracker for [mixformer](https://pypi.org/project/mixformer/):

    from mixformer import Tracker
    from mixformer.weights import from_pretrained

    tracker = Tracker(from_pretrained("{name}"))
"""


def from_pretrained(name: str, *, revision: str | None = None, token: str | None = None) -> Path:
    """Fetch a model folder from the hub, once, and return it; every function that takes a model takes the folder.

    Files come from https://huggingface.co or the server that the variable HF_ENDPOINT names, and stay in the cache of
    huggingface_hub. Only weights, graphs and descriptions are fetched, and no code in them is executed.

    Args:
        name: "owner/model".
        revision: branch, tag or commit; None = the main branch. A commit always gives the same files.
        token: for a private model; None = that of `hf auth login`, if there is one.

    Raises:
        CheckpointError: if there is no such model, the server does not answer, or the files are not a model folder.
        MissingDependencyError: if huggingface_hub is not installed.

    Example:
        >>> from mixformer import MixFormerError
        >>> from mixformer.weights import from_pretrained
        >>> try:
        ...     from_pretrained("not a name")
        ... except MixFormerError:  # or huggingface_hub is not installed
        ...     print("no model")
        no model
    """
    hub = load("huggingface_hub", "from_pretrained()")
    with _explain(CheckpointError, f"cannot get {name!r} from the hub"):
        folder = Path(hub.snapshot_download(name, revision=revision, token=token, allow_patterns=list(_FILES)))
        for link in filter(Path.is_symlink, folder.iterdir()):
            _make_real(link)
    return read_folder(folder).path


def _make_real(link: Path) -> None:
    """Put the file in the place of a link to it: OpenVINO reads no weights that lie outside the graph's folder."""
    with tempfile.NamedTemporaryFile(dir=link.parent, prefix=".", delete=False) as place:
        pass
    shutil.copyfile(link, place.name)
    Path(place.name).replace(link)


def push_to_hub(
    model: str | Path, name: str, *, private: bool = True, token: str | None = None, message: str = "Upload the model"
) -> str:
    """Send a model folder to the hub, with its model card, for `from_pretrained`; return the commit's address.

    Args:
        model: name of an included model, or a model folder.
        name: "owner/model"; made if it is missing.
        private: whether a new one is for its owner alone.
        token: with the right to write; None = that of `hf auth login`.
        message: title of the commit.

    Raises:
        CheckpointError: if there is no such model.
        OutputError: if the server refuses it, or does not answer.
        MissingDependencyError: if huggingface_hub is not installed.

    Example:
        >>> from mixformer import MixFormerError
        >>> from mixformer.weights import push_to_hub
        >>> try:
        ...     push_to_hub("mixformerv2_dino_s8", "not a name")
        ... except MixFormerError:  # or huggingface_hub is not installed
        ...     print("not sent")
        not sent
    """
    hub = load("huggingface_hub", "push_to_hub()")
    folder = find_folder(model)
    if folder is None:
        raise CheckpointError(f"{model} is an official checkpoint; `mixformer convert` makes a model folder of it")
    with tempfile.TemporaryDirectory() as place, _explain(OutputError, f"cannot send {model} to the hub as {name!r}"):
        for file in (each for pattern in _FILES for each in folder.path.glob(pattern)):
            shutil.copyfile(file, Path(place) / file.name)
        card = folder.path / "MODEL_CARD.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        (Path(place) / "README.md").write_text(_README.format(name=name) + "\n" + text, encoding="utf-8")
        api = hub.HfApi(token=token)
        api.create_repo(name, private=private, exist_ok=True)
        done: Any = api.upload_folder(repo_id=name, folder_path=place, commit_message=message)
    return str(done.commit_url)


@contextmanager
def _explain(kind: type[MixFormerError], doing: str) -> Iterator[None]:
    try:
        yield
    except MixFormerError:
        raise
    except Exception as error:  # those of the hub and of its web client have no common base
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise kind(f"{doing}: {reason}; check the name, the network and `hf auth login`") from error
