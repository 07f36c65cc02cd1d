"""Annotate videos: projects of targets that a person corrects, tracking between key boxes, and files of other tools."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.annotation.autosave import OpenProject as OpenProject
    from mixformer.annotation.between import (
        FoundBox as FoundBox,
        put_found as put_found,
        track_between as track_between,
    )
    from mixformer.annotation.edit_values import EDITS as EDITS, apply_edit as apply_edit
    from mixformer.annotation.edits import (
        add_target as add_target,
        change_target as change_target,
        clear_tracked as clear_tracked,
        mark_absent as mark_absent,
        remove_key as remove_key,
        remove_target as remove_target,
        set_key as set_key,
        set_tracked as set_tracked,
    )
    from mixformer.annotation.formats.exchange import (
        check_export as check_export,
        export_annotations as export_annotations,
        import_annotations as import_annotations,
    )
    from mixformer.annotation.formats.format_table import (
        ANNOTATION_FORMATS as ANNOTATION_FORMATS,
        AnnotationFormat as AnnotationFormat,
    )
    from mixformer.annotation.history import ProjectHistory as ProjectHistory
    from mixformer.annotation.journal import load_project as load_project
    from mixformer.annotation.key_files import read_keys as read_keys
    from mixformer.annotation.project import (
        AnnotatedTarget as AnnotatedTarget,
        AnnotatedVideo as AnnotatedVideo,
        AnnotationProject as AnnotationProject,
        FrameBox as FrameBox,
        KeyBox as KeyBox,
    )
    from mixformer.annotation.project_files import save_project as save_project
    from mixformer.annotation.results import write_results as write_results
    from mixformer.annotation.stretches import Stretch as Stretch, stale_stretches as stale_stretches
    from mixformer.annotation.tracked_rows import TrackedBox as TrackedBox, TrackedRows as TrackedRows
    from mixformer.annotation.video_facts import (
        find_video as find_video,
        is_same_video as is_same_video,
        look_at_video as look_at_video,
    )
    from mixformer.annotation.web.page_server import serve as serve
    from mixformer.annotation.web.web_app import WebSettings as WebSettings, create_app as create_app
else:
    __getattr__, __dir__, __all__ = lazy_names()
