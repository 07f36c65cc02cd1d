"""The bodies of requests, with the limits of each value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Frame = Annotated[int, Field(ge=0, le=10**9)]
TargetId = Annotated[int, Field(ge=1, le=10**9)]
Text = Annotated[str, Field(max_length=200)]
EditName = Literal[
    "add_target", "remove_target", "change_target", "set_key", "mark_absent", "remove_key", "clear_tracked", "together",
    "undo", "redo",
]  # fmt: skip
TrackWay = Literal["forward", "backward", "both", "next"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ProjectEdit(_Strict):
    """An edit by its name and the arguments of the function of that name in `mixformer.annotation`."""

    edit: EditName
    id: TargetId | None = None
    frame: Frame = 0
    box: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = None
    occluded: bool = False
    label: Text = ""
    color: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] = "#56b4e9"
    attributes: Annotated[dict[Text, Text], Field(max_length=100)] = {}
    first: Frame = 0
    stop: Frame | None = None
    edits: Annotated[list[ProjectEdit], Field(max_length=1000)] = []

    def as_edit(self) -> dict[str, Any]:
        """Return the edit for `OpenProject.do`, with only the fields of the request."""
        return self.model_dump(exclude_unset=True)


class EditRequest(_Strict):
    """An edit, and the revision of the project that it belongs to; None fits every revision."""

    revision: Annotated[int, Field(ge=0, le=2**53)] | None = None
    edit: ProjectEdit


class TrackRequest(_Strict):
    """Order to track: from a frame forward, backward, both ways, or to the next key box; null tracks all targets."""

    way: TrackWay = "forward"
    frame: Frame = 0
    ids: Annotated[list[TargetId], Field(max_length=1000)] | None = None


class DoneRequest(_Strict):
    """Mark of a video as done, or not."""

    done: bool


class ExportRequest(_Strict):
    """The format of an export; see `/api/formats`."""

    format: Annotated[str, Field(max_length=60)]


class Refusal(BaseModel):
    """Reason for which a request failed."""

    detail: Any
