"""How long a person waits for a frame in the page, over HTTP from `mixformer web`, and how fast the page tracks.

    python benchmarks/bench_web.py ten_minutes.mp4 --rounds 3
    python benchmarks/bench_web.py ten_minutes.mp4 --hour hour.mp4 --track short.mp4 --box 260,29,41,142

A seek asks for what the page asks for: the frame at the width of the screen, and a preview will do. `fresh` is right
after the start of a server with an empty cache folder, while previews are only being made; `made` is once they are
there, as on every later day. `near` is within ten seconds of the last frame. Each row gives the median over the rounds
of the median, the 95th percentile and the longest time. `--track` takes turns between the page and `mixformer track`.
The load of the machine is printed with each table, since other work counts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

TOKEN = "a-token-for-measuring-only"
WIDTH = 960


@dataclass
class Page:
    """A server in a process of its own, and its first video."""

    process: subprocess.Popen[str]
    address: str
    video: str = ""
    count: int = 0
    fps: float = 25.0

    def ask(self, path: str, content: Any = None, method: str | None = None) -> tuple[bytes, bool]:
        """Return the body of an answer, and whether it is a preview."""
        data = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read(), answer.headers.get("X-Preview") is not None

    def json(self, path: str, content: Any = None, method: str | None = None) -> Any:
        return json.loads(self.ask(path, content, method)[0])

    def frame(self, number: int, viewer: str = "one") -> tuple[float, bool]:
        """Seconds until a frame is there, and whether it is a preview."""
        begin = time.perf_counter()
        query = f"width={WIDTH}&viewer={viewer}&seek=true&quick=true"
        _, preview = self.ask(f"videos/{self.video}/frames/{number}?{query}")
        return time.perf_counter() - begin, preview

    def resident(self) -> float:
        """MB of memory in use; nan where the system does not tell."""
        status = Path(f"/proc/{self.process.pid}/status")
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
        return int(found[1]) / 1024 if found else float("nan")


@contextmanager
def page_of(clip: Path, cache: Path) -> Iterator[Page]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mixformer",
        "web",
        str(clip),
        "--no-browser",
        "--port",
        str(port),
        "--token",
        TOKEN,
    ]
    environment = {**os.environ, "MIXFORMER_CACHE": str(cache)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True)
    page = Page(process, f"http://127.0.0.1:{port}")
    try:
        while True:
            try:
                page.video = page.json("videos")["videos"][0]["id"]
                break
            except urllib.error.URLError:
                if process.poll() is not None:
                    raise SystemExit("the server ended") from None
                time.sleep(0.1)
        yield page
    finally:
        process.terminate()
        process.wait()


def first_frame(page: Page) -> float:
    begin = time.perf_counter()
    facts = page.json(f"videos/{page.video}")
    page.frame(0)
    seconds = time.perf_counter() - begin
    facts = page.json(f"videos/{page.video}?wait=true")
    page.count, page.fps = facts["frame_count"], facts["fps"] or 25.0
    return seconds


def seeks(
    page: Page, near: bool, times: int, seed: int, viewer: str = "one", pause: float = 0.0
) -> list[tuple[float, bool]]:
    chance = random.Random(seed)
    number, found = chance.randrange(page.count), []
    page.frame(number, viewer)
    for _ in range(times):
        reach = round(10 * page.fps)
        number = (
            chance.randint(max(0, number - reach), min(page.count - 1, number + reach))
            if near
            else chance.randrange(page.count)
        )
        found.append(page.frame(number, viewer))
        time.sleep(pause)
    return found


def together(page: Page, people: int, times: int, seed: int) -> list[tuple[float, bool]]:
    """Seeks of several people, each of whom looks for half a second at what came."""
    found: list[tuple[float, bool]] = []

    def one(person: int) -> None:
        found.extend(seeks(page, person % 2 == 0, times, seed + person, f"person{person}", 0.5))

    threads = [threading.Thread(target=one, args=(person,)) for person in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def wait_for_previews(page: Page, limit: float) -> float:
    """Wait until all previews are made; seconds that it took, or as long as one wants to wait."""
    begin = time.perf_counter()
    for number in range(0, page.count, 64):
        while not page.frame(number)[1] and time.perf_counter() - begin < limit:
            time.sleep(1)
    return time.perf_counter() - begin


def row(name: str, rounds: list[list[tuple[float, bool]]]) -> None:
    def ms(part: float) -> str:
        at = [sorted(time for time, _ in each)[min(len(each) - 1, int(part * len(each)))] for each in rounds]
        return f"{1000 * median(at):8.0f}"

    previews = [preview for each in rounds for _, preview in each]
    print(f"{name:28}{ms(0.5)}{ms(0.95)}{ms(1)}{sum(previews) / len(previews):10.0%}", flush=True)


def head(title: str) -> None:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(f"\n{title} ({load})\n{'milliseconds':28}{'p50':>8}{'p95':>8}{'longest':>8}{'previews':>10}", flush=True)


def measure(clip: Path, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if options.cache is not None:
            measure_made(clip, options.cache, options)
            return
        cache = Path(folder)
        firsts = []
        for number in range(options.rounds):
            with page_of(clip, cache / str(number)) as page:
                firsts.append([(first_frame(page), False)])
                if number == 0:
                    fresh = [(near, seeks(page, near, options.seeks, 1)) for near in (True, False)]
                    took = wait_for_previews(page, options.patience)
        head(f"{clip.name}, {page.count} frames")
        row("first frame", firsts)
        for near, found in fresh:
            row(f"fresh, {'near' if near else 'anywhere'}", [found])
        print(f"all previews made after {took:.0f} s" if took < options.patience else "not all previews were made")
        measure_made(clip, cache / "0", options)


def measure_made(clip: Path, cache: Path, options: argparse.Namespace) -> None:
    with page_of(clip, cache) as page:
        head(f"{clip.name}, previews made")
        row("made, first frame", [[(first_frame(page), False)]])
        for name, near in (("near", True), ("anywhere", False)):
            row(f"made, {name}", [seeks(page, near, options.seeks, 10 + each) for each in range(options.rounds)])
        crowds = [together(page, options.people, options.seeks // 4, 100 * each) for each in range(options.rounds)]
        row(f"made, {options.people} people at once", crowds)
        print(f"resident memory {page.resident():.0f} MB")


def rates(options: argparse.Namespace) -> None:
    """Frames per second of the page and of the command, in turns."""
    box = [float(value) for value in options.box.split(",")]
    found: dict[str, list[float]] = {"page": [], "command": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            clip = Path(folder) / f"{number}{options.track.suffix}"
            clip.write_bytes(options.track.read_bytes())
            with page_of(clip, Path(folder) / "cache") as page:
                found["page"].append(page_rate(page, box))
            command = [sys.executable, "-m", "mixformer", "track", str(clip), "--box", options.box]
            environment = {**os.environ, "MIXFORMER_CACHE": str(Path(folder) / "cache")}
            done = subprocess.run(
                [*command, "--json", str(clip.with_suffix(".jsonl"))],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            found["command"].append(command_rate(done.stdout + done.stderr))
    for name, each in found.items():
        print(f"{name:10}{median(each):8.1f} frames per second, of {', '.join(f'{rate:.1f}' for rate in each)}")
    print(f"page / command {median(found['page']) / median(found['command']):.0%}")


def page_rate(page: Page, box: list[float]) -> float:
    place = f"videos/{page.video}"
    count = page.json(f"{place}?wait=true")["frame_count"]
    edits = [{"edit": "add_target", "id": 1}, {"edit": "set_key", "id": 1, "frame": 0, "box": box}]
    page.json(f"{place}/edits", {"edit": {"edit": "together", "edits": edits}})
    page.json(f"{place}/tracking", {"way": "forward", "frame": 0, "ids": [1]})
    begin, first = 0.0, 0
    while jobs := page.json(f"{place}/tracking"):
        if not first and jobs[0]["done"]:
            begin, first = time.perf_counter(), jobs[0]["done"]
        time.sleep(0.05)
    return float((count - 1 - first) / (time.perf_counter() - begin))


def command_rate(text: str) -> float:
    found = re.search(r"(\d+) frames in ([\d.]+) s", text)
    if found is None:
        raise SystemExit(f"the command does not tell its rate:\n{text}")
    return int(found[1]) / float(found[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--hour", type=Path, help="a long clip, for its memory")
    parser.add_argument("--track", type=Path, help="a short clip to track in")
    parser.add_argument("--box", default="260,29,41,142")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeks", type=int, default=60)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--cache", type=Path, help="cache folder with previews of the clip: only `made` is measured")
    parser.add_argument("--patience", type=float, default=900, help="seconds to wait for the previews")
    options = parser.parse_args()
    for clip in (options.clip, options.hour):
        if clip is not None:
            measure(clip, options)
    if options.track is not None:
        rates(options)


if __name__ == "__main__":
    main()
