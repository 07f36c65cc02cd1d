"""TraX: messages and regions as text, and whole conversations over pipes and a socket."""

import io
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixformer.engines import Runtime
from mixformer.errors import BoxError, DataError
from mixformer.imaging import read_depth
from mixformer.tracking import Tracker
from mixformer.types import Box
from mixformer.vot.regions import Polygon
from mixformer.vot.session import Session
from mixformer.vot.trax import Message, answer_toolkit, format_region, parse_region, toolkit_streams
from tests.helpers.clips import moving_square

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp('a folder = of "frames"')
    paths = []
    for index, frame in enumerate(moving_square(5)[0]):
        paths.append(folder / f"{index:08d}.png")
        Image.fromarray(frame).save(paths[-1])
    return paths


@pytest.fixture
def tracker(tiny_model):
    return Tracker(tiny_model, runtime=Runtime(device="cpu"))


def lines(*messages):
    return io.BytesIO(b"".join(message.encode() for message in messages))


def start(region):
    return Message("initialize", (region,))


def frame(path):
    return Message("frame", (f"file://{path}",))


def talk(session, *messages, multiobject=False):
    out = io.BytesIO()
    try:
        answer_toolkit(session, lines(*messages), out, multiobject)
    finally:
        said = [Message.decode(line) for line in out.getvalue().decode().splitlines()]
    return [message for message in said if message is not None]


@pytest.mark.parametrize(
    "message",
    [
        Message("quit"),
        Message("frame", ('file:///a b/c=d/e"f\\g\nh/1.jpg',), {}),
        Message("state", ("mask:0,0,2,1,0,2",), {"confidence": "0.5", "a.b_c": "x=y z"}),
        Message("hello", (), {"trax.version": "4", "trax.name": ""}),
    ],
)
def test_messages_survive_the_wire(message):
    text = message.encode().decode()
    assert text.startswith("\n@@TRAX:")
    assert text.endswith("\n")
    assert text.strip().count("\n") == 0
    read = Message.decode(text.strip())
    assert (read.name, read.arguments, read.properties) == (message.name, message.arguments, message.properties or {})


def test_what_the_reference_client_sends_is_read():
    """Lines of vot-trax 4.0.2."""
    read = Message.decode(r'@@TRAX:frame "file:///tmp/a b\"c\\d/00001.jpg" "p=q" ')
    assert read == Message("frame", ('file:///tmp/a b"c\\d/00001.jpg',), {"p": "q"})
    assert Message.decode("@@TRAX:initialize ") == Message("initialize", (), {})
    assert Message.decode("loading the model") is None


@pytest.mark.parametrize("line", ["@@TRAX:", '@@TRAX:frame "unclosed', "@@TRAX:12 3"])
def test_malformed_messages_are_refused(line):
    with pytest.raises(DataError, match="no TraX message"):
        Message.decode(line)


def test_regions_as_text():
    assert parse_region("1.5,2,30,40", 50, 60) == Box(1.5, 2, 30, 40)
    assert format_region(Box(1.5, 2, 30, 40)) == "1.5000,2.0000,30.0000,40.0000"
    polygon = parse_region("0,0,5,0,5,6.25", 50, 60)
    assert isinstance(polygon, Polygon)
    assert polygon.points.tolist() == [[0, 0], [5, 0], [5, 6.25]]
    assert parse_region(format_region(polygon), 50, 60).points.tolist() == polygon.points.tolist()
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3:6] = True
    mask[3, 4] = False
    assert np.array_equal(parse_region("mask:0,0,8,6,19,3,5,1,1,1", 6, 8), mask)  # as vot-trax writes it
    assert format_region(mask) == "mask:3,2,3,2,0,4,1,1"
    assert format_region(np.zeros((6, 8), bool)) == "mask:0,0,0,0,0"


@pytest.mark.parametrize("text", ["0", "1,2,3", "1,2,3,4,5", "a,b,c,d", "mask:1,2", ""])
def test_regions_that_are_none(text):
    with pytest.raises(DataError):
        parse_region(text, 50, 60)


def test_one_target_is_followed_like_by_the_tracker(tracker, frames):
    said = talk(Session(tracker), start("10,30,20,20"), *map(frame, frames), Message("quit"))
    assert said[0].name == "hello"
    assert said[0].properties["trax.version"] == "4"
    assert "trax.multiobject" not in said[0].properties
    images = [np.asarray(Image.open(path)) for path in frames]
    results = [tracker.init(images[0], (10, 30, 20, 20)), *(tracker.update(image) for image in images[1:])]
    assert [message.name for message in said[1:]] == ["state"] * 5
    for message, result in zip(said[1:], results, strict=True):
        assert np.allclose(parse_region(message.arguments[0], 90, 120), result.box, atol=1e-4)
        assert float(message.properties["confidence"]) == pytest.approx(result.score, abs=1e-6)


def test_a_new_start_forgets_the_old_target(tracker, frames):
    first = [start("10,30,20,20"), frame(frames[0]), frame(frames[1])]
    again = [Message("initialize"), start("60,10,30,30"), frame(frames[2]), frame(frames[3]), Message("quit")]
    alone = talk(Session(tracker), *again)
    assert talk(Session(tracker), *first, *again)[3:] == alone[1:]
    without_reset = talk(Session(tracker), *first, *again[1:])  # one target only: a region replaces it
    assert without_reset[3:] == alone[1:]


def test_targets_may_join(tracker, frames):
    said = talk(
        Session(tracker),
        start("10,30,20,20"),
        frame(frames[0]),
        start("60,10,30,30"),
        start("0,0,120,90"),
        frame(frames[1]),
        frame(frames[2]),
        multiobject=True,
    )
    assert said[0].properties["trax.multiobject"] == "1"
    assert len(said) == 1 + 1 + 3 + 3
    assert said[3].arguments[0] == "60.0000,10.0000,30.0000,30.0000"
    alone = talk(Session(tracker), start("10,30,20,20"), *map(frame, frames[:3]))
    assert [said[1], said[2], said[5]] == alone[1:]  # the others change nothing


def test_masks_start_and_answer(tracker, frames):
    def refiner(image, box):
        mask = np.zeros(image.shape[:2], bool)
        mask[int(box.y) : int(box.y + box.h), int(box.x) : int(box.x + box.w)] = True
        return mask

    text = "mask:10,30,20,20,0,400"
    said = talk(Session(tracker, refiner), start(text), frame(frames[0]), frame(frames[1]))
    assert said[1].arguments[0] == text  # w = x1 - x0 + 1
    assert re.fullmatch(r"mask:(\d+,)+\d+", said[2].arguments[0])


@pytest.mark.parametrize(
    ("messages", "error", "reason"),
    [
        ([start("10,30,20,20"), Message("frame", ("file:///nowhere/1.jpg",))], DataError, "nowhere/1.jpg"),
        ([Message("dance")], DataError, "'dance'"),
        ([Message("frame")], DataError, "'frame'"),
    ],
)
def test_the_toolkit_is_told_why(tracker, messages, error, reason):
    out = io.BytesIO()
    with pytest.raises(error, match=reason):
        answer_toolkit(Session(tracker), lines(*messages), out)
    last = Message.decode(out.getvalue().decode().strip().splitlines()[-1])
    assert last.name == "quit"
    assert reason in last.properties["trax.reason"]


def test_an_empty_mask_cannot_be_followed(tracker, frames):
    with pytest.raises(BoxError, match="the mask to start from is empty"):
        answer_toolkit(Session(tracker), lines(start("mask:0,0,0,0,0"), frame(frames[0])), io.BytesIO())


def test_the_process_that_the_toolkit_starts(tiny_model, frames, tmp_path):
    """Standard input and output, in another folder, with much printed by others in between."""
    (tmp_path / "noisy.py").write_text(
        "print('half a line', end='')\n"
        "def make():\n"
        "    def refiner(image, box):\n"
        "        print('noise', end='', flush=True)\n"
        "        return image[..., 0] > 200\n"
        "    return refiner\n"
    )
    command = [sys.executable, "-m", "mixformer", "vot", "run", "--model", str(tiny_model), "--device", "cpu"]
    done = subprocess.run(
        [*command, "--masks", "noisy:make"],
        input=lines(start("10,30,20,20"), *map(frame, frames[:2]), Message("quit")).read(),
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        check=True,
    )
    said = [Message.decode(line) for line in done.stdout.decode().splitlines() if line]
    assert [message.name for message in said] == ["hello", "state", "state"]
    assert said[1].arguments[0] == "mask:10,30,20,20,0,400"
    assert b"noise" in done.stderr


def test_a_socket_instead(tracker, frames, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        monkeypatch.setenv("TRAX_SOCKET", str(server.getsockname()[1]))
        toolkit = pool.submit(converse, server, lines(start("10,30,20,20"), frame(frames[0]), Message("quit")).read())
        with toolkit_streams() as (incoming, outgoing):
            answer_toolkit(Session(tracker), incoming, outgoing)
        assert [message.name for message in toolkit.result()] == ["hello", "state"]


def converse(server, text):
    server.settimeout(30)
    connection, _ = server.accept()
    with connection, connection.makefile("rwb") as stream:
        stream.write(text)
        stream.flush()
        said = [Message.decode(line.decode().strip()) for line in stream]
    return [message for message in said if message]


@pytest.mark.parametrize("port", ["1", "port"])
def test_a_socket_where_nobody_listens(monkeypatch, port):
    monkeypatch.setenv("TRAX_SOCKET", port)
    with pytest.raises(DataError, match=f"TRAX_SOCKET is '{port}'"), toolkit_streams():
        pass


def test_depth_maps_instead_of_pictures(tracker, tmp_path):
    """A square that is nearer than its background, which color would not show."""
    maps, boxes = [], []
    for index in range(4):
        far = np.full((90, 120), 4000, np.uint16)
        far[30:50, 10 + 4 * index : 30 + 4 * index] = 1500
        maps.append(tmp_path / f"{index:08d}.png")
        boxes.append(Box(10.0 + 4 * index, 30, 20, 20))
        Image.fromarray(far).save(maps[-1])
    out = io.BytesIO()
    sent = lines(start("10,30,20,20"), *map(frame, maps), Message("quit"))
    answer_toolkit(Session(tracker), sent, out, channel="depth")
    said = [message for line in out.getvalue().decode().splitlines() if (message := Message.decode(line))]
    assert said[0].properties["trax.channels"] == "depth;"
    expected = [tracker.init(read_depth(maps[0]), boxes[0]), *(tracker.update(read_depth(path)) for path in maps[1:])]
    for answer, result in zip(said[1:], expected, strict=True):
        assert parse_region(answer.arguments[0], 90, 120) == pytest.approx(result.box, abs=1e-3)
