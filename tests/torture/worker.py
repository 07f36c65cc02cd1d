"""A process that tries inputs one after another: marks come in on standard input, verdicts go out as JSON lines."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path

from tests.torture.chance import draw
from tests.torture.room import Case, Room, WrongError
from tests.torture.surfaces import SURFACES
from tests.torture.watch import Watch

_ROOM_FOR_ONE = 3 << 30  # bytes of address space beyond what the process has when it begins
_LONGEST_MESSAGE = 4000


def judge(case: Case, watch: Watch) -> tuple[str, str]:
    """Try one input: "ok", "refused" with the message, or "failed" with the reason."""
    from mixformer.errors import MixFormerError

    printed, verdict, reason = io.StringIO(), "ok", ""
    watch.begin()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            case.run()
    except MixFormerError as error:
        verdict, reason = "refused", f"{type(error).__name__}: {error}"
        if not str(error).strip() or len(str(error)) > _LONGEST_MESSAGE:
            verdict, reason = "failed", f"a message of {len(str(error))} letters: {reason[:300]}"
    except WrongError as error:
        verdict, reason = "failed", str(error)
    except BaseException as error:
        verdict, reason = "failed", _untyped(error)
    finally:
        wrong = watch.end(printed.getvalue())
    return ("failed", "; ".join(wrong)) if wrong and verdict != "failed" else (verdict, reason)


def _untyped(error: BaseException) -> str:
    """The error and where it came from, innermost call of the package first."""
    calls = [call for call in traceback.extract_tb(error.__traceback__) if "/mixformer/" in call.filename]
    ours = [f"{call.filename.rpartition('/mixformer/')[2]}:{call.lineno}" for call in reversed(calls[-4:])]
    return f"{type(error).__name__}: {str(error)[:200]} ({' < '.join(ours)})"


def _warm(surface: str, room: Room) -> None:
    """Load what the inputs of a surface use, before the address space is limited."""
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    room.clear()
    SURFACES[surface].warm(room)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM_FOR_ONE, resource.RLIM_INFINITY))


def main() -> None:
    """Work until standard input ends."""
    seed, base, material = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()
    room = Room(base, material)
    room.build()
    watch, warm = Watch(room), set[str]()
    for line in sys.stdin:
        surface, index = line.rsplit(" ", 1)[0], int(line.rsplit(" ", 1)[1])
        if surface not in warm:
            _warm(surface, room)
            warm.add(surface)
            print(json.dumps({"warm": surface}), file=answers, flush=True)
        room.clear()
        case = SURFACES[surface].make(draw(seed, surface, index), room)
        begin = time.monotonic()
        faulthandler.dump_traceback_later(25)
        verdict, reason = judge(case, watch)
        faulthandler.cancel_dump_traceback_later()
        told = {"index": index, "verdict": verdict, "reason": reason[:3000], "told": case.told[:300]}
        print(json.dumps({**told, "seconds": time.monotonic() - begin}), file=answers, flush=True)
    os.chdir("/")
    shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
