"""The numbers of a tracked video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixformer.imaging.notebook_parts import html_table
from mixformer.run.absences import Stretches, frames_text


@dataclass(frozen=True)
class VideoSummary:
    """Numbers of a tracked video.

    Attributes:
        frames: number of frames whose results are written.
        seconds: time from the start to the end; in `track_videos`, it includes work on other videos.
        mean_score: mean of all scores except those of the given boxes (0..1); None without any.
        skipped: numbers of the unreadable frames.
        cut_short: a sentence on how the source ended too early, such as an incomplete file; else empty.
        passed_over: number of frames of a live source that were left out for newer ones.
        kept: number of frames of an interrupted run that this one resumed; `frames` includes them.
        absences: for each target's number, the stretches in which it was lost: the number of the first frame, and of
            the frame after the last. Targets that were never lost are left out.
        files: path by name of the output format, where `track_video` wrote them. A notebook shows the video.

    Example:
        >>> from mixformer.run import VideoSummary
        >>> VideoSummary(frames=50, seconds=2.0, mean_score=0.9).fps
        25.0
    """

    frames: int
    seconds: float
    mean_score: float | None
    skipped: tuple[int, ...] = ()
    cut_short: str = ""
    passed_over: int = 0
    kept: int = 0
    absences: Stretches = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames per second, including reading and writing."""
        return self.frames / self.seconds if self.seconds else 0.0

    def _repr_html_(self) -> str:
        """Show the numbers, the written video if it is small, and the written files."""
        from mixformer.run.notebook_views import show_video

        score = "-" if self.mean_score is None else f"{self.mean_score:.2f}"
        numbers = [str(self.frames), f"{self.seconds:.1f}", f"{self.fps:.0f}", score]
        lost = [
            f"target {number} was lost in {frames_text([span])}"
            for number, spans in self.absences.items()
            for span in spans
        ]
        notes = [*lost[:10], *([f"and {len(lost) - 10} more"] if len(lost) > 10 else [])]
        notes += [f"{kind}: {path}" for kind, path in self.files.items()]
        table = html_table("Tracked video", ("frames", "seconds", "FPS", "mean score"), [numbers], notes=notes, left=0)
        return table + (show_video(Path(self.files["video"])) if "video" in self.files else "")
