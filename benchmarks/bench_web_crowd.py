"""How long several people at once wait for a frame in the page, while copies of the frames are only being made.

    python benchmarks/bench_web_crowd.py --people 8 1 --keys 250 48

The clip has ten minutes of 1920 x 1080 in H.264, made with the command `ffmpeg` and kept in `--folder`. Each round
starts `mixformer web` with an empty cache folder. Each person begins at another place, does what the page does (asks
for the frame, after 50 ms also for the key frame before it, and then for six frames ahead), looks at the picture, and
goes on: mostly within ten seconds of the last frame, one time in five anywhere. Rows: the exact frame after a jump
within ten seconds and anywhere, and the first picture (that frame, or the key frame).

Columns: the wait in milliseconds of the clock, which other work on the machine prolongs; and in milliseconds of
processor time of the server during the wait, for all that it does meanwhile. This divided by the number of cores is the
wait on a machine without other work, if the server uses all of them.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from bench_web import WIDTH, Page, first_frame, page_of

FRAMES, AHEAD, GLANCE = 15_000, 6, 0.05
Wait = tuple[float, float]
"""Seconds of the clock, and of the server's processor time."""


def make_clip(folder: Path, keys: int) -> Path:
    """Make the clip with a key frame every `keys` frames, unless it is there. Some 50 s are encoded, and repeated."""
    path = folder / f"crowd_{keys}.mp4"
    if not path.exists():
        part, draft = folder / f"part_{keys}.mp4", folder / f"draft_{keys}.mp4"
        ffmpeg = ["ffmpeg", "-v", "error", "-y"]
        noise = "noise=alls=4:allf=t,format=yuv420p"  # codespell:ignore alls
        source = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25", "-vf", noise]
        groups = ["-g", str(keys), "-keyint_min", str(keys), "-sc_threshold", "0", "-bf", "3"]
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", *groups]
        subprocess.run([*ffmpeg, *source, "-frames:v", str(1250 // keys * keys), *codec, str(part)], check=True)
        again = ["-stream_loop", "-1", "-i", str(part), "-c", "copy", "-frames:v", str(FRAMES)]
        subprocess.run([*ffmpeg, *again, str(draft)], check=True)
        part.unlink()
        draft.rename(path)
    return path


class Person:
    """Somebody who seeks, with the waits so far."""

    def __init__(self, page: Page, number: int, people: int, pause: float) -> None:
        self.page, self.name, self.pause = page, f"person{number}", pause
        self.chance = random.Random(number)
        self.frame = FRAMES * number // people + 100
        self.near: list[Wait] = []
        self.far: list[Wait] = []
        self.first: list[Wait] = []

    def seek(self, near: bool) -> None:
        reach, last = round(10 * self.page.fps), self.frame
        first, stop = (last - reach, last + reach) if near else (0, FRAMES)
        self.frame = self.chance.randint(max(0, first), min(FRAMES - 1, stop))
        begin, clock = time.perf_counter(), self.clock()
        seen: list[Wait] = []
        there = threading.Event()

        def picture() -> None:
            seen.append((time.perf_counter() - begin, self.clock() - clock))

        def glance() -> None:
            if not there.wait(GLANCE):
                self.page.ask(f"videos/{self.page.video}/frames/{self.frame}?near=true&width={WIDTH}")
                picture()

        looking = threading.Thread(target=glance)
        looking.start()
        self.page.frame(self.frame, self.name)
        picture()
        there.set()
        (self.near if near else self.far).append(seen[-1])
        looking.join()
        self.first.append(min(seen))
        way = 1 if self.frame >= last else -1
        for number in range(self.frame + way, self.frame + way * (AHEAD + 1), way):
            if 0 <= number < FRAMES:
                query = f"width={WIDTH}&viewer={self.name}&quick=true"
                self.page.ask(f"videos/{self.page.video}/frames/{number}?{query}")
        time.sleep(self.pause)

    def clock(self) -> float:
        """Processor time of the server in seconds (Linux)."""
        return time.clock_gettime(~self.page.process.pid << 3 | 2)

    def work(self, seeks: int) -> None:
        for _ in range(seeks):
            self.seek(self.chance.random() < 0.8)


def row(name: str, waits: list[Wait]) -> None:
    def at(part: float, which: int) -> float:
        return 1000 * sorted(wait[which] for wait in waits)[min(len(waits) - 1, int(part * len(waits)))]

    numbers = "".join(f"{at(part, which):9.0f}" for which in (0, 1) for part in (0.5, 0.95, 1))
    print(f"  {name:26}{len(waits):5}{numbers}", flush=True)


def measure(clip: Path, people: int, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as cache, page_of(clip, Path("off" if options.no_copies else cache)) as page:
        first_frame(page)
        crowd = [Person(page, number, people, options.pause) for number in range(people)]
        before = crowd[0].clock()
        threads = [threading.Thread(target=person.work, args=(options.seeks,)) for person in crowd]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        used = crowd[0].clock() - before
    each = 1000 * used / people / options.seeks
    print(f"\n{clip.name}, {people} at once, {used:.1f} s of processor time, {each:.0f} ms a seek")
    print(f"  {'':31}{'clock: p50, p95, longest':>27}{'server: p50, p95, longest':>27}")
    row("within 10 s", [wait for person in crowd for wait in person.near])
    row("anywhere", [wait for person in crowd for wait in person.far])
    row("first picture", [wait for person in crowd for wait in person.first])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="for the clips")
    parser.add_argument("--people", type=int, nargs="+", default=[8])
    parser.add_argument("--keys", type=int, nargs="+", default=[250, 48], help="frames from key frame to key frame")
    parser.add_argument("--seeks", type=int, default=20, help="of each person")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds to look at a picture")
    parser.add_argument("--no-copies", action="store_true", help="let the server make no copies at all")
    options = parser.parse_args()
    for keys in options.keys:
        for people in options.people:
            measure(make_clip(options.folder, keys), people, options)


if __name__ == "__main__":
    main()
