"""Requests for the project of a video: its state, edits, tracking, exports, imports, and news of all these."""

from __future__ import annotations

import asyncio
import hmac
import json
import tempfile
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, unquote

from fastapi import APIRouter, HTTPException, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, Response

from mixformer.annotation.web.project_desk import MOST_BINS, MOST_ROWS
from mixformer.annotation.web.request_bodies import EditRequest, ExportRequest, TargetId, TrackRequest
from mixformer.annotation.web.track_job import TrackJob
from mixformer.annotation.web.video_library import safe_name, write_bounded
from mixformer.annotation.web.video_routes import FAILURES, TOKEN, FileName, PersonName, VideoId, binary_body, video_of
from mixformer.annotation.web.workroom import Workroom

T = TypeVar("T")
_PATIENCE = 10.0  # seconds in which a page says its token
_TOO_MUCH = {"type": "end"}  # never sent
_MOST_NEWS = 1000  # messages that wait for a page before it has to look anew


def project_routes(room: Workroom, largest: int) -> APIRouter:
    """Make the routes of projects, below `/api/videos/{id}`; an import has at most `largest` bytes."""
    routes = APIRouter(prefix="/api", responses=FAILURES, dependencies=TOKEN)
    _add_project(routes, room)
    _add_tracking(routes, room)
    _add_files(routes, room, largest)
    _add_news(routes, room)
    return routes


def _add_project(routes: APIRouter, room: Workroom) -> None:
    @routes.get("/videos/{id}/project")
    def project(id: VideoId, person: PersonName = "") -> dict[str, Any]:
        """Targets and key boxes, the revision that edits name, and how many steps this person can undo and redo."""
        return room.desk(video_of(room, id)).state(person)

    @routes.post("/videos/{id}/edits")
    def edit(id: VideoId, body: EditRequest, person: PersonName = "") -> dict[str, Any]:
        """Make, undo or redo an edit; it is saved before the answer. 412 if somebody else was faster.

        Undo takes back the last step of the person that `X-Person` names, or of one who is gone. 422 if somebody has
        changed the same target since.
        """
        return room.desk(video_of(room, id)).edit(body.edit.as_edit(), body.revision, person)

    @routes.get("/videos/{id}/targets/{target}/boxes")
    def boxes(
        id: VideoId,
        target: TargetId,
        first: Annotated[int, Query(ge=0, le=10**9)] = 0,
        stop: Annotated[int, Query(ge=0, le=10**9)] = MOST_ROWS,
    ) -> dict[str, Any]:
        """Boxes, scores and kinds of frames: k key box, t tracked, u uncertain, l lost, i interpolated, a absent."""
        return room.desk(video_of(room, id)).rows(target, first, stop)

    @routes.get("/videos/{id}/targets/{target}/timeline")
    def timeline(
        id: VideoId,
        target: TargetId,
        bins: Annotated[int, Query(ge=1, le=MOST_BINS)] = 1000,
        first: Annotated[int, Query(ge=0, le=10**9)] = 0,
        stop: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    ) -> dict[str, Any]:
        """The lowest score and the worst status of a target in each of `bins` equal parts of the video, or of some of
        its frames."""
        return room.desk(video_of(room, id)).overview(target, bins, first, stop)

    @routes.get("/videos/{id}/doubtful")
    def doubtful(
        id: VideoId,
        frame: Annotated[int, Query(ge=-1, le=10**9)] = 0,
        back: bool = False,
        target: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    ) -> dict[str, Any]:
        """The next frame where a tracker begins to be unsure; `frame` is null if there is none."""
        desk = room.desk(video_of(room, id))
        ids = None if target is None else [target]
        return desk.doubtful(frame, -1 if back else 1, ids) or {"frame": None, "id": None}


def _add_tracking(routes: APIRouter, room: Workroom) -> None:
    @routes.post("/videos/{id}/tracking", status_code=202)
    def track(id: VideoId, body: TrackRequest, person: PersonName = "") -> dict[str, Any]:
        """Track targets; news of it come over `/events`."""
        video = video_of(room, id)
        job = TrackJob(video.id, video.path, room.desk(video), body.way, body.frame, body.ids, person)
        return room.queue.submit(job)

    @routes.get("/videos/{id}/tracking")
    def tracking(id: VideoId) -> list[dict[str, Any]]:
        """The tracking of this video that waits or runs."""
        return room.queue.jobs_of(video_of(room, id).id)

    @routes.delete("/videos/{id}/tracking")
    def stop(id: VideoId) -> dict[str, Any]:
        """Stop tracking this video; what was found so far is kept."""
        return {"stopped": room.queue.stop(video_of(room, id).id)}


def _add_files(routes: APIRouter, room: Workroom, largest: int) -> None:
    @routes.get("/formats")
    def formats() -> list[dict[str, Any]]:
        """The formats of exports, and the endings of files that can be imported."""
        return room.exports.formats()

    @routes.post("/videos/{id}/exports", status_code=202)
    def export(id: VideoId, body: ExportRequest) -> dict[str, Any]:
        """Begin an export; its news come over `/events`, its file from `/api/exports/{export}/file`."""
        video = video_of(room, id)
        return room.exports.begin(video, room.desk(video), body.format)

    @routes.get("/exports/{export}")
    def export_state(export: VideoId) -> dict[str, Any]:
        """Return the progress of an export."""
        return _found(room.exports.state(export))

    @routes.delete("/exports/{export}")
    def drop_export(export: VideoId) -> dict[str, Any]:
        """Stop an export, and remove its file."""
        return {"removed": room.exports.drop(export)}

    @routes.get("/exports/{export}/file", response_class=Response)
    def export_file(export: VideoId) -> FileResponse:
        """Send the file of an export that is done."""
        path, name = _found(room.exports.file(export))
        named = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return FileResponse(path, media_type="application/octet-stream", headers=named)

    @routes.post("/videos/{id}/import", openapi_extra=binary_body("application/octet-stream"))
    async def import_file(
        id: VideoId, request: Request, x_file_name: FileName, person: PersonName = ""
    ) -> dict[str, Any]:
        """Put the targets of a project or an annotation file in place of those here, as one edit that can be undone."""
        video = video_of(room, id)
        desk = await run_in_threadpool(room.desk, video)
        with tempfile.TemporaryDirectory(prefix="mixformer-") as folder:
            path = FilePath(folder, safe_name(unquote(x_file_name)))
            await write_bounded(path, request.stream(), largest)
            return await run_in_threadpool(room.exports.take_in, path, desk, person)


def _found(value: T | None) -> T:
    if value is None:
        raise HTTPException(404, "there is no such export, or it is not done")
    return value


def _add_news(routes: APIRouter, room: Workroom) -> None:
    @routes.websocket("/videos/{id}/events")
    async def events(socket: WebSocket, id: str) -> None:
        """News of a project: edits, tracking, exports, and how many watch.

        The page's first message is its token, and the name of the person for undo: `{"token": ..., "person": ...}`.
        """
        await socket.accept()
        person = await _who_listens(socket, room.token)
        video = room.library.find(id) if person is not None else None
        if video is None or person is None:
            await socket.close(1008)
            return
        desk = await run_in_threadpool(room.desk, video)
        news: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MOST_NEWS)
        loop = asyncio.get_running_loop()
        end = desk.listen(lambda message: loop.call_soon_threadsafe(_put, news, message), person)
        desk.tell({"type": "people", "count": desk.listeners})
        try:
            await _pass_on(socket, news, {"type": "state", "revision": desk.revision})
        finally:
            end()
            desk.tell({"type": "people", "count": desk.listeners})


async def _who_listens(socket: WebSocket, token: str) -> str | None:
    """Return the name in the first message, which may be empty; None if its token is wrong."""
    try:
        first = json.loads(await asyncio.wait_for(socket.receive_text(), _PATIENCE))
        right = hmac.compare_digest(str(first["token"]).encode(), token.encode())
        return str(first.get("person", ""))[:40] if right else None
    except (TimeoutError, ValueError, KeyError, TypeError, AttributeError, WebSocketDisconnect):
        return None


def _put(news: asyncio.Queue[dict[str, Any]], message: dict[str, Any]) -> None:
    """Add a message. A page that does not read is told to look anew, by the end of its connection."""
    if news.full():
        while not news.empty():
            news.get_nowait()
        message = _TOO_MUCH
    news.put_nowait(message)


async def _pass_on(socket: WebSocket, news: asyncio.Queue[dict[str, Any]], first: dict[str, Any]) -> None:
    """Send news until the page closes; what it says is read and not used."""
    reading = asyncio.create_task(_until_closed(socket))
    try:
        await socket.send_json(first)
        while not reading.done():
            waiting = asyncio.create_task(news.get())
            done, _ = await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting in done:
                if waiting.result() is _TOO_MUCH:
                    await socket.close(1013)
                    return
                await socket.send_json(waiting.result())
            else:
                waiting.cancel()
    except (WebSocketDisconnect, RuntimeError):
        return
    finally:
        reading.cancel()


async def _until_closed(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.receive_text()
