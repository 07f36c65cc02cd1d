"""Run the server of the page, and open a browser."""

from __future__ import annotations

import secrets
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mixformer.annotation.web.web_app import WebSettings, create_app
from mixformer.errors import ConfigError, OutputError
from mixformer.optional import cache_folder

_LOCAL = ("127.0.0.1", "localhost")
_NEXT_PORTS = 20


def serve(
    place: str | Path,
    settings: WebSettings | None = None,
    *,
    port: int = 8765,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        place: a video, or a folder with videos.
        settings: settings of the server. Without a token, the last one is used, so that open pages work after a
            restart. An address other than 127.0.0.1 needs a token.
        port: port to listen on; if it is taken, one of the next ones is used. 0 takes any.
        browser: open the page in the browser.
        say: function to call with the address.

    Raises:
        ConfigError: if the address is not this machine's alone and there is no token, or a value is out of range.
        OutputError: if no port is free.
        SourceError: if there is no such video or folder.

    Example:
        >>> from mixformer.annotation import WebSettings, serve
        >>> serve("clip.mp4", WebSettings(host="0.0.0.0"))
        Traceback (most recent call last):
        mixformer.errors.ConfigError: on 0.0.0.0 others can reach this server, so choose a token: ...
    """
    import uvicorn

    settings = settings or WebSettings()
    if not 0 <= port < 2**16:
        raise ConfigError(f"a port must be a number from 0 to 65535, not {port}")
    if not 1 <= settings.workers <= 64:
        raise ConfigError(f"the number of workers must be 1 to 64, not {settings.workers}")
    if ":" in settings.host:
        raise ConfigError("addresses of version 6 are not served; use 127.0.0.1, or an address of version 4")
    if settings.host not in _LOCAL and len(settings.token or "") < 16:
        raise ConfigError(
            f"on {settings.host} others can reach this server, so choose a token: --token with 16 letters or more, for "
            f"example {secrets.token_urlsafe(18)}"
        )
    if (token := settings.token) and not (token.isascii() and token.isprintable() and token == token.strip()):
        raise ConfigError("a token must be of letters, digits and signs of ASCII; browsers send no others")
    settings = replace(settings, token=settings.token or _kept_token())
    listener = _listen(settings.host, port)
    app = create_app(place, settings)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws_max_size=2**16,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    host = "127.0.0.1" if settings.host in ("0.0.0.0", *_LOCAL) else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}/#token={quote(settings.token or '', safe='')}"
    say(address)
    if browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        uvicorn.Server(config).run([listener])  # Ctrl-C ends it, and then the command
    finally:
        listener.close()
        app.state.room.close()


def _listen(host: str, port: int) -> Any:
    """Open a socket on the port, or on one of the next ports."""
    import socket

    problem: OSError | None = None
    for number in [0] if port == 0 else range(port, min(port + _NEXT_PORTS, 2**16)):
        made = socket.socket()
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, number))
        except OSError as error:
            made.close()
            problem = error
            continue
        return made
    raise OutputError(f"cannot listen on {host}, port {port} and the next ones: {problem}; choose another --port")


def _kept_token() -> str:
    """Return the token of this user's last server, or a new one."""
    folder = cache_folder("web")
    if folder is None:
        return secrets.token_urlsafe(32)
    path = folder / "token"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.stat().st_mode & 0o077 == 0 and len(known := path.read_text().strip()) >= 32:
            return known
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(secrets.token_urlsafe(32))
        return path.read_text()
    except OSError:
        return secrets.token_urlsafe(32)
