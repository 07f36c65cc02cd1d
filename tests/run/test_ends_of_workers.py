"""Worker processes end after their last task; one that does not is ended, so that the run does."""

import threading
import time

from mixformer.run import ProcessExecutor, process_executor
from mixformer.run.executor import Completed, Started


def test_a_worker_that_does_not_end_by_itself_is_ended(monkeypatch):
    """Its end was waited for without a limit, though all results were there."""
    monkeypatch.setattr(process_executor, "_PATIENCE", 0.5)
    begin = time.monotonic()
    events = list(ProcessExecutor(1).run(_make_with_a_thread, [("one", 1)]))
    assert [type(event) for event in events] == [Started, Completed]
    assert events[-1].result == 1
    assert time.monotonic() - begin < 40


def _make_with_a_thread(number):
    threading.Thread(target=time.sleep, args=(60,)).start()  # Python waits for it when it ends
    return lambda task, report: task
