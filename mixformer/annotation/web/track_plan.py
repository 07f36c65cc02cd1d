"""Find the targets, frames and directions of a request to track."""

from __future__ import annotations

from collections.abc import Generator

from mixformer.annotation.between import FoundBox, track_between
from mixformer.annotation.project import AnnotationProject
from mixformer.annotation.stretches import Direction, stale_stretches
from mixformer.annotation.web.track_job import TrackJob
from mixformer.errors import ConfigError
from mixformer.tracking import MultiTracker

Part = tuple[Direction, range, list[int]]
"""A direction, the wanted frames, and the ids of targets."""


def parts_of(project: AnnotationProject, way: str, frame: int, ids: list[int] | None) -> list[Part]:
    """List the parts to track.

    The ways "forward" and "backward" go from the frame that the person sees to an end of the video, "both" takes all of
    it, and "next" the frames between the key boxes around the frame. Raises ConfigError if there is no such target or
    way, or nothing is left to track.
    """
    count = project.video.frame_count
    chosen = [target.id for target in project.targets] if ids is None else ids
    whole: dict[str, tuple[Direction, range]] = {
        "forward": ("forward", range(frame, count)),
        "backward": ("backward", range(frame + 1)),
        "both": ("both", range(count)),
    }
    parts: list[Part]
    if way in whole:
        parts = [(*whole[way], chosen)]
    elif way == "next":
        parts = [part for id in chosen if (part := _to_next(project, id, frame)) is not None]
    else:
        raise ConfigError(f"there is no way {way!r:.40}; there are: {', '.join(whole)}, next")
    if not any(project.target(id).keys for id in chosen):
        raise ConfigError("there is no key box yet; draw a box around the target first")
    left = [part for part in parts if stale_stretches(project, part[2], part[0], part[1])]
    if not left:
        raise ConfigError("all these frames are tracked already; correct a box, then track again")
    return left


def _to_next(project: AnnotationProject, id: int, frame: int) -> Part | None:
    target = project.target(id)
    before, after = target.key_before(frame + 1), target.key_after(frame)
    if after is None:
        return None
    return "both", range(-1 if before is None else before.frame, after.frame)[1:], [id]


def boxes_to_find(job: TrackJob, model: MultiTracker, memory: int) -> Generator[FoundBox, None, None]:
    """Do a job with the engine of `model`, and yield the boxes, until the job is stopped."""
    parts = parts_of(job.desk.project, job.way, job.frame, job.ids)
    project = job.desk.project
    before = 0
    for direction, frames, ids in parts:

        def progress(done: int, total: int, before: int = before) -> None:
            job.done, job.total = before + done, before + total

        # Jobs take turns, so each has its own tracker. They share the engine.
        tracker = MultiTracker(model.engine, model.config, on_resize="rescale")
        yield from track_between(
            project,
            job.path,
            ids,
            direction=direction,
            frames=frames,
            tracker=tracker,
            stop=job.halt.is_set,
            progress=progress,
            memory=memory,
        )
        before = job.total
