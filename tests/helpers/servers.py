"""Local servers that behave like bad cameras: they stall, crawl, cut and lie."""

import socket
import threading
import time
from contextlib import contextmanager, suppress


@contextmanager
def server(*behaviors):
    """A TCP server; each behavior is a function of a connection, one for each client in turn (the last goes on).

    Yields the port. Connections are closed when their behavior returns, and all at the end.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    held, over = [], threading.Event()

    def accept():
        count = 0
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            behave = behaviors[min(count, len(behaviors) - 1)]
            count += 1
            threading.Thread(target=serve, args=(behave, connection), daemon=True).start()

    def serve(behave, connection):
        with suppress(OSError):
            behave(connection, over)
        connection.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.close()
        for connection in held:
            connection.close()


def stall(content, header=b""):
    """Send this much and then nothing more."""

    def behave(connection, over):
        if header:
            connection.recv(4096)
        connection.sendall(header + content)
        over.wait(60)

    return behave


def crawl(content, rate=500):
    """Send some bytes a second."""

    def behave(connection, over):
        for place in range(0, len(content), rate // 10):
            connection.sendall(content[place : place + rate // 10])
            if over.wait(0.1):
                return

    return behave


def cut(content, header=b""):
    """Send this much and close."""

    def behave(connection, over):
        if header:
            connection.recv(4096)
        connection.sendall(header + content)

    return behave


def paced(content, seconds):
    """Send everything evenly over some seconds, then close."""

    def behave(connection, over):
        begin, step = time.monotonic(), max(1, len(content) // 200)
        for place in range(0, len(content), step):
            connection.sendall(content[place : place + step])
            time.sleep(max(0.0, begin + seconds * place / len(content) - time.monotonic()))

    return behave


HTTP = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n"
