"""`mixformer web`."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_flag, add_model, add_option
from mixformer.optional import load

DESCRIPTION = """Annotate videos in the browser: draw a box, track it, correct it where it is uncertain, export it.

  mixformer web clip.mp4      one video
  mixformer web clips         all videos under a folder; the page can add more

Every step is saved beside the video: for clip.mp4, in clip.mp4.mixformer.json. Stop with Ctrl-C, and continue at any
time. Only you, on this machine, can open the page. To share it, give an address and a token of 16 letters or more.
Nothing is encrypted: share it only with people and on a network that you trust.

  mixformer web clips --host 192.168.1.20 --token SOME-LONG-SECRET

Needs mixformer[web]: pip install 'mixformer[web]'. docs/web.md explains the page.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("place", nargs="?", type=Path, default=Path("."), help="video, or folder with videos; default: .")
    add_model(made)
    add_option(made, "--workers", int, "number of videos tracked at the same time; others wait", 1)
    add_option(made, "--host", str, "address to listen on", "127.0.0.1")
    add_option(made, "--port", int, "port to listen on; if it is in use, one of the next; 0: any", 8765)
    add_option(made, "--token", str, "secret in the address; default: a random one")
    add_flag(made, "--no-browser", "print the address and open no browser")


def run(options: Namespace) -> None:
    """Serve until Ctrl-C."""
    load("fastapi", "mixformer web")
    from mixformer.annotation import WebSettings, serve

    settings = WebSettings(options.host, options.model, options.workers, token=options.token)
    console = make_console()

    def say(address: str) -> None:
        console.print("The page is at")
        console.print(address)
        console.print("The address contains the secret token: do not share it. Ctrl-C ends; everything is saved.")

    serve(options.place, settings, port=options.port, browser=not options.no_browser, say=say)
