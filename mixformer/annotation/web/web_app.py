"""The server's application: its parts, its errors, and the page's own files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import Match

from mixformer.annotation.web.frame_store import StaleRequestError
from mixformer.annotation.web.project_desk import OldRevisionError
from mixformer.annotation.web.project_routes import project_routes
from mixformer.annotation.web.request_guard import RequestGuard
from mixformer.annotation.web.video_library import UploadTooLargeError
from mixformer.annotation.web.video_routes import video_routes
from mixformer.annotation.web.workroom import Workroom
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.errors import MissingDependencyError, MixFormerError, OutputError, SourceError, StateError

# The registry of Windows may call these otherwise.
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_THREADS = 200  # requests at a time; eight people who seek fill the usual 40, and an edit waits for their frames
# The first that fits counts.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (StaleRequestError, 409),
    (OldRevisionError, 412),
    (UploadTooLargeError, 413),
    (StateError, 409),
    (MissingDependencyError, 501),
    (OutputError, 507),
    (SourceError, 422),
    (MixFormerError, 422),
)


@dataclass(frozen=True)
class WebSettings:
    """Settings of a server.

    Attributes:
        host: address that it listens on.
        model: name, folder or checkpoint file of the model that tracks.
        workers: engines that track at a time; further work waits for its turn.
        largest_upload: bytes of a video that is uploaded.
        largest_import: bytes of an annotation file that is imported.
        token: secret of the server; None makes a new one.

    Example:
        >>> from mixformer.annotation import WebSettings
        >>> WebSettings().host
        '127.0.0.1'
    """

    host: str = "127.0.0.1"
    model: str = DEFAULT_MODEL
    workers: int = 1
    largest_upload: int = 4 * 2**30
    largest_import: int = 256 * 2**20
    token: str | None = None


def create_app(place: str | Path, settings: WebSettings = WebSettings()) -> FastAPI:
    """Make the ASGI application of the page, for `serve` or a server of your own.

    Args:
        place: a video, or a folder with videos. Nothing outside of it is shown or written.
        settings: of the server.

    Returns:
        The application. `app.state.room.token` is the secret that requests need.

    Raises:
        SourceError: if there is no such video or folder.

    Example:
        >>> from mixformer.annotation import create_app
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> app = create_app(DEMO_CLIP)
        >>> "/api/videos" in app.openapi()["paths"]
        True
    """
    room = Workroom(place, settings.model, settings.workers, settings.token)
    app = FastAPI(
        title="mixformer web",
        description="Annotate videos: frames, projects, tracking and exports. See docs/web.md.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan(room),
        telemetry={"auto_configure": False},  # nothing is reported to anybody
    )
    app.state.room, app.state.settings = room, settings
    parts = video_routes(room, settings.largest_upload), project_routes(room, settings.largest_import)
    for part in parts:
        app.include_router(part)
    for kind, status in _STATUS:
        app.add_exception_handler(kind, _handler(status))
    app.add_exception_handler(405, _other_method([route for part in parts for route in part.routes]))
    _add_page(app)
    app.add_middleware(RequestGuard, host=settings.host, token=room.token)
    return app


def _lifespan(room: Workroom) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = _THREADS
        yield
        room.close()

    return lifespan


def _handler(status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        room: Workroom = request.app.state.room
        text = str(error) or "a newer frame has been asked for"
        text = text.replace(f"{room.library.root}/", "")  # names, not places, of this machine
        return JSONResponse({"detail": text}, status)

    return answer


def _other_method(routes: list[Any]) -> Callable[[Request, Exception], Response]:
    """Answer with all methods of an address in `Allow`; by itself, a route names only its own."""

    def answer(request: Request, error: Exception) -> Response:
        fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
        allowed = sorted({method for route in fitting for method in route.methods}) or ["GET"]
        return JSONResponse({"detail": "Method Not Allowed"}, 405, {"allow": ", ".join(allowed)})

    return answer


def _add_page(app: FastAPI) -> None:
    """The page's own files, from the package. Only names that are there lead to a file."""
    folder = files("mixformer.annotation.web").joinpath("static")
    known = {item.name: item for item in folder.iterdir() if Path(item.name).suffix in _KINDS}

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return Response(known["index.html"].read_bytes(), media_type=_KINDS[".html"])

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in known:
            raise HTTPException(404, "there is no such file")
        kind = _KINDS[Path(name).suffix]
        return Response(known[name].read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})
