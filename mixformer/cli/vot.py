"""`mixformer vot`: the tracker under the official VOT toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import (
    CommandGroup,
    add_flag,
    add_model,
    add_option,
    add_runtime,
    runtime_from,
)

DESCRIPTION = """Run the tracker in VOT challenges, with the official toolkit.

  mixformer vot init workspace --stack vot2022/shorttermbox
  mixformer vot init workspace --stack vots2024/main --masks grabcut
  vot evaluate --workspace workspace MixFormer         (the toolkit, installed in an environment of its own)
  vot analysis --workspace workspace MixFormer

docs/vot.md says which version of the toolkit can run what.
"""
_INIT = """Write a workspace of the official VOT toolkit, or add this tracker to one of the same stack.

Writes config.yaml and trackers.ini; the toolkit downloads the data when it first runs.

  mixformer vot init workspace --stack vot2022/shorttermbox
  mixformer vot init workspace --stack vots2024/main --masks grabcut
"""
_RUN = """Talk to the VOT toolkit over standard input and output (TraX); trackers.ini names this command.

It waits for messages of the toolkit. If you start it by hand, it shows nothing.

  mixformer vot run --model mixformerv2_dino_s8
"""


def _add_tracker(made: ArgumentParser) -> None:
    masks = "report masks instead of boxes: grabcut, or module:factory for a refiner of your own (docs/masks.md)"
    channel = (
        "channel of the sequences to track in; depth maps become gray pictures (docs/vot.md); default: color, or depth "
        "if the stack has nothing else"
    )
    add_model(made)
    add_option(made, "--masks", str, masks, metavar="REFINER")
    add_option(made, "--channel", Literal["color", "depth"], channel)
    add_runtime(made)


def _add_init(made: ArgumentParser) -> None:
    made.add_argument("dir", type=Path, metavar="DIR", help="folder of the workspace, new or existing")
    preset = "published tracker settings; default: those for the challenge, if the model has some"
    protocol = (
        "python: the tracker runs in the toolkit's environment, which then needs mixformer too; trax: it runs in this "
        "environment; auto: python if toolkit 0.9.0 can run the whole stack, trax for stacks that need 0.7.4"
    )
    stack = "the toolkit's name of a challenge, or your own stack file, *.yaml"
    add_option(made, "--stack", str, stack, required=True)
    add_option(made, "--name", str, "name of the tracker in the toolkit", "MixFormer")
    _add_tracker(made)
    add_option(made, "--preset", str, preset)
    add_option(made, "--sequences", Path, "folder of data that you already have")
    add_option(made, "--protocol", Literal["auto", "python", "trax"], protocol, "auto")


def _init(options: Namespace) -> None:
    from mixformer.errors import ConfigError
    from mixformer.vot.session import load_refiner
    from mixformer.vot.stacks import find_stack, preset_for
    from mixformer.vot.workspace import Entry, write_workspace
    from mixformer.weights.catalog import find_weights

    stack = find_stack(options.stack)
    weights = find_weights(options.model)
    if options.masks is not None:
        load_refiner(options.masks)  # a wrong name fails here, not in the toolkit
    preset = options.preset or preset_for(stack, options.model)
    channel = options.channel or ("depth" if stack.channels == "depth" else "color")
    given = {"preset": preset, "masks": options.masks, **runtime_from(options).to_dict()}
    given |= {"channel": channel} if channel != "color" else {}
    settings = {key: str(value) for key, value in given.items() if value not in (None, "auto")}
    model = str(weights.resolve()) if Path(options.model).exists() else options.model
    plain = stack.runs == "once" and channel == "color"
    protocol = options.protocol if options.protocol != "auto" else "python" if plain else "trax"
    if protocol == "python" and channel == "depth":
        raise ConfigError("the python protocol cannot send depth maps of 16 bits; use --protocol trax")
    entry = Entry(options.name, protocol, model, settings, stack.multiobject)
    written = write_workspace(options.dir, stack, entry, options.sequences)
    console = make_console()
    for path in written:
        console.print(f"wrote {path.resolve()}")
    console.print(f"tracker {entry.name}: {protocol} protocol, settings: {settings.get('preset', 'of the model')}")
    if stack.runs != "once":
        old = "which toolkits 0.8 to 0.9.0 cannot run: use vot-toolkit 0.7.4"
        console.print(f"this stack has {stack.runs} experiments, {old}")
    console.print(f"next: vot evaluate --workspace {options.dir.resolve()} {entry.name}")


def _add_run(made: ArgumentParser) -> None:
    _add_tracker(made)
    add_option(made, "--preset", str, "published tracker settings for a benchmark")
    add_flag(made, "--multiobject", "track several targets")


def _run(options: Namespace) -> None:
    from mixformer.vot.session import open_session
    from mixformer.vot.trax import answer_toolkit, toolkit_streams

    with toolkit_streams() as (incoming, outgoing):
        runtime = runtime_from(options)
        session = open_session(options.model, preset=options.preset, masks=options.masks, runtime=runtime)
        answer_toolkit(session, incoming, outgoing, options.multiobject, options.channel or "color")


_GROUP = CommandGroup({"init": (_INIT, _add_init, _init), "run": (_RUN, _add_run, _run)})
add_options, run = _GROUP.add_options, _GROUP.run
