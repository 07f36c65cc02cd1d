"""Write a project to the files of `mixformer track`: annotated video, box files and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mixformer.annotation.project import AnnotationProject, FrameBox
from mixformer.configs.argument_checks import checked_functions
from mixformer.run.outputs import VideoOutput
from mixformer.types import Box, TrackResult
from mixformer.video.reader import VideoFrame, VideoSource


@checked_functions
def write_results(
    project: AnnotationProject,
    video: VideoSource,
    outputs: Mapping[str, Path],
    *,
    ids: bool = True,
    overwrite: bool = False,
    on_frame: Callable[[VideoFrame], object] | None = None,
) -> int:
    """Write the boxes of all frames, with their status. A frame in which a target is absent or unknown has none.

    As in all results, a lost target has the box where it was last.

    Args:
        project: the project.
        video: its frames, from `open_video`.
        outputs: path by name of the output format, as for `track_video`.
        ids: write the id of the target with every box.
        overwrite: replace existing results.
        on_frame: function to call after each frame.

    Returns:
        The number of frames.

    Raises:
        OutputError: if a file cannot be written, or already exists.

    Example:
        >>> from pathlib import Path
        >>> from mixformer import open_video
        >>> from mixformer.annotation import AnnotationProject, add_target, look_at_video, set_key, write_results
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> project = set_key(add_target(AnnotationProject(look_at_video(DEMO_CLIP))), 1, 0, DEMO_BOX)
        >>> with open_video(DEMO_CLIP, stop=2) as video:
        ...     write_results(project, video, {"csv": Path("boxes.csv")})
        2
        >>> print(Path("boxes.csv").read_text())
        frame,id,time,x,y,w,h,score,status
        0,1,0.0,260.0,29.0,41.0,142.0,1.0,tracking
    """
    count = 0
    with VideoOutput(outputs, video, ids=ids, overwrite=overwrite) as output:
        for frame in video:
            boxes = {target.id: target.box_at(frame.index) for target in project.targets}
            results = {id: _result(shown, shown.box, frame) for id, shown in boxes.items() if shown.box}
            output.write(output.draw(frame, results))
            count += 1
            if on_frame:
                on_frame(frame)
    return count


def _result(shown: FrameBox, box: Box, frame: VideoFrame) -> TrackResult:
    """Make a result. A person's box has the score 1, like the given box of a tracker; an interpolated one has none."""
    said = shown.origin == "person"
    score = 1.0 if said else shown.score
    return TrackResult(box, score, frame.index, time=frame.time, is_initial=said, status=shown.status)
