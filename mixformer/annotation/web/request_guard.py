"""The gate in front of the server: which requests pass, how large they may be, and what every answer says.

Any page that is open in a browser can send requests to this machine. So every request has to name the right host, come
from our own page, and carry the token, which only the address that the terminal shows has.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY = 2**20
"""Bytes of a request's body, other than an upload's."""
_OUR_SITE = ("same-origin", "none")
_ANYWHERE = ("0.0.0.0", "::")


class RequestGuard:
    """Middleware that refuses what does not come from our own page; see the module."""

    def __init__(self, app: Any, host: str, token: str) -> None:
        """Guard the ASGI application `app`, whose server listens on `host`; requests to `/api/` carry the token."""
        self._app, self._host, self._token = app, host, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        problem = self._problem(scope, headers)
        if scope["type"] == "websocket":
            await (_close(receive, send) if problem else self._app(scope, receive, send))
        elif problem:
            await _answer(_sealed(send, headers.get("host", "")), *problem)
        else:
            await self._app(scope, _bounded(scope, receive), _sealed(send, headers.get("host", "")))

    def knows_host(self, name: str) -> bool:
        """Tell whether a `Host` header is one of ours, so that no foreign name leads here. Browsers write it small."""
        host = (name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name).lower()
        if host in ("127.0.0.1", "localhost", self._host.lower()):
            return host not in _ANYWHERE
        if self._host not in _ANYWHERE:
            return False
        try:
            return not ipaddress.ip_address(host.strip("[]")).is_unspecified
        except ValueError:
            return host == socket.gethostname().lower()

    def _problem(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason of a request that is refused."""
        host, site = headers.get("host", ""), headers.get("sec-fetch-site")
        if not self.knows_host(host):
            return 400, "this server has another name; use the address that the terminal shows"
        if headers.get("origin", f"http://{host}") != f"http://{host}" or site not in (None, *_OUR_SITE):
            return 403, "only the page of this server may ask; paste the address into a new tab"
        if scope["type"] == "websocket":
            return None if "origin" in headers else (403, "a page says where it comes from")
        if scope["path"].startswith("/api/") and not self.is_token(headers.get("authorization", "")):
            return 401, "the token is missing or old; use the address that the terminal shows"
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > LARGEST_BODY and not _is_upload(scope):
            return 413, f"the body of a request has at most {LARGEST_BODY} bytes"
        return None

    def is_token(self, header: str) -> bool:
        """Tell whether the value of an `Authorization` header holds the token."""
        return hmac.compare_digest(header.encode(), f"Bearer {self._token}".encode())


def _is_upload(scope: Scope) -> bool:
    """Uploads count their own bytes, while they write them."""
    return scope["method"] == "POST" and str(scope["path"]).rstrip("/").endswith(("/videos", "/import"))


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Stop reading a body without a length once it is too large."""
    if _is_upload(scope):
        return receive
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return counted


def _sealed(send: Send, host: str) -> Send:
    """Add the headers that tell a browser what our page may do."""
    sockets = (
        f"ws://{host}" if host.isascii() and host.replace(".", "").replace(":", "").replace("-", "").isalnum() else ""
    )
    policy = (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        f"connect-src 'self' {sockets}; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    )
    headers = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    ]

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            if not any(name.lower() == b"cache-control" for name, _ in own):
                own.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*own, *headers]}
        await send(message)

    return sealed


async def _answer(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _close(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})
