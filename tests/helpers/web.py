"""A server of the page inside the test, and one in a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from mixformer.annotation import WebSettings, create_app

TOKEN = "a token for tests only, long enough"
HOST = "127.0.0.1:8765"
BOX = [10, 30, 20, 20]
ROOT = Path(__file__).parents[2]


@contextmanager
def client_of(place, **settings):
    """A client that sends what our own page sends."""
    app = create_app(place, WebSettings(token=TOKEN, **settings))
    headers = {"authorization": f"Bearer {TOKEN}", "host": HOST, "sec-fetch-site": "same-origin"}
    with TestClient(app, base_url=f"http://{HOST}", headers=headers) as client:
        yield client


def only_video(client):
    """The address of the first video's requests."""
    return f"/api/videos/{client.get('/api/videos').json()['videos'][0]['id']}"


def add_box(client, video, frame=0, **more):
    """Draw `BOX` as a new target."""
    edits = [
        {"edit": "add_target", "id": 1, "label": "square"},
        {"edit": "set_key", "id": 1, "frame": frame, "box": BOX},
    ]
    return client.post(f"{video}/edits", json={"edit": {"edit": "together", "edits": edits}, **more})


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def bar_frame(number, height=96, width=160):
    """A picture that shows its number as 16 bits, black or white, in two rows of eight."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for bit in range(16):
        row, column = divmod(bit, 8)
        value = 235 if number >> bit & 1 else 20
        picture[8 + 40 * row : 40 + 40 * row, 4 + 19 * column : 20 + 19 * column] = value
    return picture


def bar_number(picture):
    """The number in a picture of `bar_frame`, at any size."""
    height, width = picture.shape[:2]
    number = 0
    for bit in range(16):
        row, column = divmod(bit, 8)
        y, x = int((24 + 40 * row) * height / 96), int((12 + 19 * column) * width / 160)
        number |= int(picture[y, x].mean() > 128) << bit
    return number


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as made:
        return made.getsockname()[1]


@contextmanager
def page_server(place, cache, port=None, *more):
    """`mixformer web` in a process of its own; yields the process and the address of the page."""
    port = port or free_port()
    environment = {**os.environ, "MIXFORMER_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mixformer", "web", str(place), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--token", TOKEN.replace(" ", "-").replace(",", ""), *more],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, _wait_for(process, port)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def _wait_for(process, port):
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            return f"http://127.0.0.1:{port}/#token={TOKEN.replace(' ', '-').replace(',', '')}"
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(process.communicate()[0] if process.poll() is not None else "the server does not answer")
