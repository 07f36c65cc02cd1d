"""Video files with damage, and files that only look like videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.torture.mutate import damage
from tests.torture.room import Case, Room
from tests.torture.surfaces.base import CHEAP, TARGET, Surface, command, track_once, track_words


def _playlist(random: Random, room: Room) -> bytes:
    """Text that makes a demuxer open other files."""
    other = f"{random.choice(('../../secret', room.secret))}/canary.{random.choice(('mp4', 'ts'))}"
    forms = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{other}'\n",
        f"ffconcat version 1.0\nfile '{Path(other).name}'\noption safe 0\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1S">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1">'
        f"<BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9999 RTP/AVP 96\na=control:{other}\n",
        f"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{other}\"\n#EXTINF:1,\n{other}\n",
    )  # fmt: skip
    return random.choice(forms).encode()


def videos(random: Random, room: Room) -> Case:
    """Read to the end, in Python or by the command line."""
    source = random.choice(sorted((room.material / "clips").iterdir()))
    data, kind = source.read_bytes(), random.choice(("bytes",) * 8 + ("cut", "cut", "list", "list", "other"))
    if kind == "bytes":
        data = damage(random, data, head=random.choice((64, 1024, len(data))))
        if random.random() < 0.3:  # the index of an MP4 lies at its end
            data = data[:-1500] + damage(random, data[-1500:], head=1500)
    elif kind == "cut":
        data = data[: random.randrange(len(data))]
    elif kind == "list":
        data = _playlist(random, room)
    else:
        data = random.choice(
            (b"", bytes(100_000), b"RIFF" + bytes(100), random.randbytes(3000), b"\x1aE\xdf\xa3" + bytes(50))
        )
    odd = ("a.m3u8", "a.ffconcat", "a.mpd", "a.sdp", "a.m3u8", "a.webm", "a.gif", "a.txt", "a")
    name = source.name if random.random() < (0.3 if kind == "list" else 0.9) else random.choice(odd)
    file = room.given / name
    file.write_bytes(data)
    start, stop = random.choice(((0, None), (0, None), (2, None), (0, 3), (3, 5), (5, 50), (10**6, None)))
    return Case(
        f"{name} {kind} {start} {stop}",
        _by_command(random, room, file) if random.random() < 0.3 else _reader(file, start, stop),
    )


def _reader(file: Path, start: int, stop: int | None) -> Callable[[], None]:
    def run() -> None:
        from mixformer import open_video

        with open_video(file, start, stop) as video:
            for _ in video:
                pass

    return run


def _by_command(random: Random, room: Room, file: Path) -> Callable[[], None]:
    words = [*track_words(room, file), *TARGET]
    if random.random() < 0.5:
        words += ["--out", random.choice(("a.mp4", "a.mkv", "a.avi", "frames"))]
    return lambda: [command(*words)].clear()


def outputs(random: Random, room: Room) -> Case:
    """Odd names for results: refused before anything is loaded, or written where they say."""
    endings = ("mp4", "mkv", "avi", "mov", "webm", "gif", "mp3", "ogv", "wav", "m3u8", "ts", "mpd", "null", "", "png",
               "jpg", "srt",
               "rtp", "MP4", "%03d.png", "mp4 ", "h264", "ffmeta", "tee", "concat", "mxf", "flv", "3gp", "y4m",
               "dv")  # fmt: skip
    stems = (
        "a",
        "a b",
        "[red]",
        "é",
        "日本",
        "-x",
        "x" * 240,
        "a%d",
        "a:b",
        "pipe:1",
        ".hidden",
        "no/such/a",
        "\udcff",
    )
    name = f"{random.choice(stems)}.{random.choice(endings)}".rstrip(".")
    kind = random.choice(("--out", "--out", "--json", "--csv", "--mot"))
    words = [
        "track",
        str(room.material / "clips" / "clip.mp4"),
        "--model",
        str(room.material / "model"),
        *CHEAP,
        "--quiet",
        *TARGET,
    ]
    return Case(f"{kind} {name!r:.90}", lambda: [command(*words, f"{kind}={name}")].clear())


SURFACES = [
    Surface("videos", videos, ("clips", "model"), 2600, 3, track_once),
    Surface("outputs", outputs, ("clips", "model"), 350, 1, track_once),
]
