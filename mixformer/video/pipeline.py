"""Pass items through stages of work, each in its own thread: while one frame is drawn, the next is tracked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any

from mixformer.video.feed import End

_PATIENCE = 0.1  # seconds after which a waiting thread checks whether it should end


def pipelined(
    items: Iterable[Any],
    *stages: Callable[[Any], Any],
    ahead: int = 4,
    threads: bool = True,
    over: threading.Event | None = None,
) -> Generator[Any, None, None]:
    """Pass items through all stages, in order.

    The iterable and every stage have a thread each and work at the same time on different items. Bounded queues connect
    them. The results are the same as without threads.

    An exception of the iterable or of a stage reaches the caller after the items before it. Closing the generator, by
    leaving the loop early in a `with closing(...)` or by Ctrl-C, stops all threads before it returns: each finishes
    its current item, and waiting items are dropped. If the iterable is a generator, it is closed in its own thread.

    Args:
        items: the items, which the first thread takes.
        stages: functions of an item, called in order, each always by the same thread.
        ahead: number of items that may wait between two stages. More need more memory and increase the delay.
        threads: False does everything in the caller's thread, one item at a time.
        over: event that is set as soon as the caller leaves, so that `items` can stop waiting.

    Example:
        >>> from mixformer.video import pipelined
        >>> list(pipelined(range(4), lambda number: 10 * number, str))
        ['0', '10', '20', '30']
    """
    if not threads:
        yield from _in_turn(items, stages)
        return
    # 1. Start the threads, with a queue before each stage and one for the caller. `over` stops all threads.
    over = over or threading.Event()
    queues: list[queue.Queue[Any]] = [queue.Queue(ahead) for _ in range(len(stages) + 1)]
    work = [threading.Thread(target=_produce, args=(items, queues[0], over), name="items", daemon=True)]
    for number, stage in enumerate(stages):
        job = (stage, queues[number], queues[number + 1], over)
        work.append(threading.Thread(target=_serve, args=job, name=f"stage {number + 1}", daemon=True))
    for thread in work:
        thread.start()
    # 2. Hand out the results. The end, with or without an error, goes through all queues after the last item.
    try:
        while not isinstance(item := queues[-1].get(), End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        over.set()
        for thread in work:
            thread.join()


def _in_turn(items: Iterable[Any], stages: Iterable[Callable[[Any], Any]]) -> Generator[Any, None, None]:
    """Do the same in one thread."""
    try:
        for item in items:
            for stage in stages:
                item = stage(item)
            yield item
    finally:
        _close(items)


def _produce(items: Iterable[Any], after: queue.Queue[Any], over: threading.Event) -> None:
    """Put the items into the first queue, then the end or the error. This runs in the first thread."""
    end = End()
    try:
        for item in items:
            if not _put(after, item, over):
                break
    except BaseException as error:  # the caller gets every error
        end = End(error)
    finally:
        try:
            _close(items)
        except BaseException as error:
            end = End(end.error or error)
        _put(after, end, over)


def _serve(
    stage: Callable[[Any], Any], before: queue.Queue[Any], after: queue.Queue[Any], over: threading.Event
) -> None:
    """Run a stage, in its own thread."""
    item: Any = None
    while not over.is_set() and not isinstance(item, End):
        try:
            item = before.get(timeout=_PATIENCE)
        except queue.Empty:
            continue
        if not isinstance(item, End):
            try:
                item = stage(item)
            except BaseException as error:  # the caller gets every error
                item = End(error)
        _put(after, item, over)


def _put(after: queue.Queue[Any], item: Any, over: threading.Event) -> bool:
    """Put an item into a queue; return False if the work has ended."""
    while not over.is_set():
        with suppress(queue.Full):
            after.put(item, timeout=_PATIENCE)
            return True
    return False


def _close(items: Iterable[Any]) -> None:
    if isinstance(items, Generator):
        items.close()
