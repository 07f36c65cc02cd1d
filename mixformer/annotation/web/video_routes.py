"""Requests for videos and their frames."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer

from mixformer.annotation.web.request_bodies import DoneRequest, Refusal
from mixformer.annotation.web.video_library import LONGEST_HEADER, LibraryVideo
from mixformer.annotation.web.workroom import Workroom
from mixformer.errors import OutputError

VideoId = Annotated[str, Path(max_length=40)]
PersonName = Annotated[str, Header(alias="x-person", max_length=40, description="whose edits undo takes back")]
FileName = Annotated[str, Header(max_length=LONGEST_HEADER)]
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": text}
    for status, text in (
        (400, "another host, or an unreadable request"),
        (401, "no token"),
        (403, "another page asks"),
        (404, "not there"),
        (409, "busy, or not any more wanted"),
        (412, "changed by somebody else"),
        (413, "too large"),
        (422, "not to be used"),
        (501, "a package is missing"),
        (507, "cannot be written"),
    )
}
# The guard has checked it before; here it stands for the schema.
TOKEN = [Depends(HTTPBearer(auto_error=False, description="the token of the address that the terminal shows"))]


def video_of(room: Workroom, id: str) -> LibraryVideo:
    """Return a video; raises the HTTP error 404 if there is none."""
    found = room.library.find(id)
    if found is None:
        raise HTTPException(404, "there is no such video")
    room.seen(found)
    return found


def video_routes(room: Workroom, largest: int) -> APIRouter:
    """Make the routes below `/api/videos` that need no project; an upload has at most `largest` bytes."""
    routes = APIRouter(prefix="/api", responses=FAILURES, dependencies=TOKEN)

    @routes.get("/videos")
    def list_videos() -> dict[str, Any]:
        """List the videos, and whether the work on each is new, begun or done."""
        return {"folder": room.library.root.name, "uploads": room.library.takes_uploads, "videos": room.listing()}

    @routes.post("/videos", status_code=201, openapi_extra=binary_body("application/octet-stream"))
    async def upload_video(request: Request, x_file_name: FileName) -> dict[str, Any]:
        """Put a video into the folder: its bytes as the body, its name (percent-encoded) in `X-File-Name`."""
        if not room.library.takes_uploads:
            raise HTTPException(403, "this server shows one video, or its folder cannot be written")
        try:
            made = await room.library.take(unquote(x_file_name), request.stream(), largest)
        except OutputError as error:
            if "name" in str(error) or "endings" in str(error):
                raise HTTPException(422, str(error)) from error
            raise
        return {"id": made.id, "name": made.name}

    _add_video(routes, room)
    return routes


def _add_video(routes: APIRouter, room: Workroom) -> None:
    @routes.get("/videos/{id}")
    def video_facts(id: VideoId, wait: bool = False) -> dict[str, Any]:
        """Size, frame rate and number of frames of a video; with `wait`, the exact number."""
        video = video_of(room, id)
        facts = room.frames.facts(video.path, wait)
        return {"id": id, "name": video.name, "stamp": video.stamp, **vars(facts)}

    @routes.get(
        "/videos/{id}/frames/{number}", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}}
    )
    def frame(
        id: VideoId,
        number: Annotated[int, Path(ge=0, le=10**9)],
        width: Annotated[int | None, Query(ge=1, le=10**5)] = None,
        viewer: Annotated[str, Query(max_length=40)] = "",
        seek: bool = False,
        quick: bool = False,
        near: bool = False,
    ) -> Response:
        """Send a frame as JPEG, at most `width` wide. `seek` drops what the same `viewer` asked for before.

        With `quick`, it may be a smaller picture of the frame that was made ahead; the header `X-Preview` then says so.
        With `near`, it is the key frame before, which is there sooner; the header `X-Frame` has its number.
        """
        video = video_of(room, id)
        made = room.frames.preview(video.path, number, width, viewer) if quick else None
        if made is not None:
            return Response(made, media_type="image/jpeg", headers={"cache-control": "no-store", "x-preview": "1"})
        headers = {"cache-control": "private, max-age=86400"}
        try:
            if near:
                number, data = room.frames.key_before(video.path, number, width)
                headers = {"cache-control": "no-store", "x-frame": str(number)}
            else:
                data = room.frames.jpeg(video.path, number, width, viewer, seek)
        except IndexError as error:
            raise HTTPException(404, "there is no such frame, or it cannot be read") from error
        return Response(data, media_type="image/jpeg", headers=headers)

    @routes.get("/videos/{id}/damage")
    def damage(id: VideoId) -> dict[str, Any]:
        """Stretches [first, stop] of frames that cannot be read or may look wrong, as far as they are decoded."""
        return {"stretches": room.frames.damage.stretches(video_of(room, id).path)}

    @routes.put("/videos/{id}/done")
    def set_done(id: VideoId, body: DoneRequest) -> dict[str, Any]:
        """Call a video done, or take that back."""
        video = video_of(room, id)
        room.library.set_done(video.name, body.done)
        return {"id": id, "done": body.done}


def binary_body(kind: str) -> dict[str, Any]:
    """The schema of a body of bytes."""
    return {"requestBody": {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}, "required": True}}
