"""Write and read CVAT for video 1.1: one XML file of tracks with key frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from mixformer.annotation.formats.contents import ExportContents, box_of, label_of, project_of_tracks
from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject, FrameBox
from mixformer.data.importers.cvat import cvat_file, cvat_tracks


def write_cvat(contents: ExportContents) -> dict[str, str]:
    """Write the XML file.

    When a target leaves, the next frame has its last box marked as `outside`, so that CVAT does not interpolate it.
    """
    tracks = "".join(_track(contents, target) for target in contents.targets)
    body = f"<annotations>\n{_head(contents)}{tracks}</annotations>\n"
    return {"annotations.xml": f'<?xml version="1.0" encoding="utf-8"?>\n{body}'}


def read_cvat_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read the tracks of a file or of an export's folder. Key frames become key boxes."""
    return project_of_tracks(cvat_tracks(cvat_file(source), (video.width, video.height)), video, source)


def _head(contents: ExportContents) -> str:
    video = contents.video
    labels = "".join(_label(contents, label) for label in contents.labels)
    return (
        "  <version>1.1</version>\n  <meta>\n    <task>\n"
        f"      <name>{escape(contents.name)}</name>\n      <size>{video.frame_count}</size>\n"
        "      <mode>interpolation</mode>\n      <overlap>0</overlap>\n"
        f"      <start_frame>0</start_frame>\n      <stop_frame>{video.frame_count - 1}</stop_frame>\n"
        f"      <labels>\n{labels}      </labels>\n"
        f"      <original_size>\n        <width>{video.width}</width>\n        <height>{video.height}</height>\n"
        f"      </original_size>\n      <source>{escape(contents.name)}</source>\n    </task>\n  </meta>\n"
    )


def _label(contents: ExportContents, label: str) -> str:
    of_label = [target for target in contents.targets if label_of(target) == label]
    names = dict.fromkeys(name for target in of_label for name in target.attributes)
    attributes = "".join(
        f"            <attribute>\n              <name>{escape(name)}</name>\n              <mutable>False</mutable>\n"
        "              <input_type>text</input_type>\n              <default_value></default_value>\n"
        "              <values></values>\n            </attribute>\n"
        for name in names
    )
    return (
        f"        <label>\n          <name>{escape(label)}</name>\n          <type>rectangle</type>\n"
        f"          <attributes>\n{attributes}          </attributes>\n        </label>\n"
    )


def _track(contents: ExportContents, target: AnnotatedTarget) -> str:
    facts = "".join(
        f"      <attribute name={quoteattr(name)}>{escape(text)}</attribute>\n"
        for name, text in target.attributes.items()
    )
    boxes = "".join(_box(frame, box, outside, facts) for frame, box, outside in _shapes(contents, target))
    label = quoteattr(label_of(target))
    return f'  <track id="{target.id}" label={label} source="semi-auto">\n{boxes}  </track>\n'


def _shapes(contents: ExportContents, target: AnnotatedTarget) -> Iterator[tuple[int, FrameBox, bool]]:
    for run in contents.key_rows(target):
        yield from ((box.frame, box, False) for box in run)
        if run[-1].frame + 1 < contents.video.frame_count:
            yield run[-1].frame + 1, run[-1], True


def _box(frame: int, shown: FrameBox, outside: bool, facts: str) -> str:
    left, top, right, bottom = box_of(shown).xyxy
    occluded = shown.occluded and not outside
    marks = (
        f'<box frame="{frame}" keyframe="1" outside="{outside:d}" occluded="{occluded:d}" '
        f'xtl="{left:.2f}" ytl="{top:.2f}" xbr="{right:.2f}" ybr="{bottom:.2f}" z_order="0"'
    )
    return f"    {marks}>\n{facts}    </box>\n" if facts else f"    {marks}/>\n"
