"""Every format out and in: what comes back is what went out, to the last digit, and writes the same files again."""

import contextlib
import json
import os
import sys
import zipfile
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from PIL import Image

from mixformer import Box
from mixformer.annotation import (
    ANNOTATION_FORMATS,
    AnnotatedVideo,
    AnnotationProject,
    KeyBox,
    TrackedBox,
    add_target,
    check_export,
    export_annotations,
    import_annotations,
    look_at_video,
    mark_absent,
    set_key,
    set_tracked,
)
from mixformer.annotation.formats.contents import ExportContents
from mixformer.annotation.formats.key_frames import key_places
from mixformer.annotation.formats.zipped import format_of_zip
from mixformer.data import load_dataset, read_any
from mixformer.errors import ConfigError, DataError, OutputError
from mixformer.video.demo import DEMO_CLIP

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking such projects takes minutes
VIDEO = AnnotatedVideo("clips/Clip 1.mp4", 640, 360, 60, 12.5)
EVERY = sorted(ANNOTATION_FORMATS)
WITH_LABELS = sorted({*EVERY} - {"folder", "csv", "jsonl"})
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32")


def example():
    """A person who moves along a line and is absent in frames 5 and 6, and a dog that a tracker followed."""
    project = add_target(AnnotationProject(VIDEO), label="person", attributes={"coat": "red & <blue>"})
    for frame in (0, 4, 7, 9):
        project = set_key(project, 1, frame, (100 + 10 * frame, 50, 40, 80.5), occluded=frame == 7)
    project = mark_absent(mark_absent(project, 1, 5), 1, 10)
    project = set_key(add_target(project, label="dog"), 2, 2, (300.25, 200, 60, 50))
    found = [TrackedBox(Box(300.25 + n**1.5, 200 + np.sin(n), 60, 50), 0.9) for n in range(1, 12)]
    found[8:] = [TrackedBox(each.box, 0.05, "lost") for each in found[8:]]
    return set_tracked(project, 2, 3, found)


def shown(project):
    """Boxes and hidden frames of all targets that are ever seen."""
    contents = ExportContents(project)
    return {
        target.id: {box.frame: (box.box, box.occluded) for box in contents.visible(target)}
        for target in project.targets
        if contents.visible(target)
    }


def texts(project, name, tolerance=0.0):
    return ANNOTATION_FORMATS[name].write(ExportContents(project, tolerance))


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    one_file = {"annotations.xml", "boxes.jsonl", "boxes.csv"} & files.keys()
    return folder / one_file.pop() if one_file else folder


@pytest.mark.parametrize("name", EVERY)
def test_what_comes_back_is_what_went_out(tmp_path, name):
    project = example()
    files = texts(project, name)
    again = import_annotations(put(tmp_path, files), name, VIDEO)
    assert texts(again, name) == files
    expected = shown(project)
    if name == "yolo":  # without tracks: what comes back after an absence is another target
        assert len(shown(again)) == 3
        boxes = {(frame, box) for each in shown(again).values() for frame, (box, _) in each.items()}
        assert boxes == {(frame, box) for each in expected.values() for frame, (box, _) in each.items()}
    elif name.startswith("label-studio"):  # it does not say what is partly hidden
        strip = {id: {frame: box for frame, (box, _) in each.items()} for id, each in expected.items()}
        assert {id: {frame: box for frame, (box, _) in each.items()} for id, each in shown(again).items()} == strip
    else:
        assert shown(again) == expected


@pytest.mark.parametrize("name", ["cvat", "coco", "voc", "folder", "jsonl", "csv"])
def test_attributes_and_labels_survive(tmp_path, name):
    again = import_annotations(put(tmp_path, texts(example(), name)), name, VIDEO)
    assert [each.label for each in again.targets] == ["person", "dog"]
    assert again.target(1).attributes == {"coat": "red & <blue>"}


@pytest.mark.parametrize("name", sorted({*EVERY} - {"yolo"}))
def test_an_attribute_does_not_take_the_place_of_the_id(tmp_path, name):
    """CVAT may hold an attribute of this name, as other tools write it there."""
    project = AnnotationProject(VIDEO)
    for id in (1, 2):
        project = set_key(add_target(project, id, attributes={"track_id": "9"}), id, 0, (10 * id, 2, 30, 40))
    again = import_annotations(put(tmp_path, texts(project, name)), name, VIDEO)
    assert [target.id for target in again.targets] == [1, 2]


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_our_lines_keep_all(tmp_path, name):
    again = import_annotations(put(tmp_path, texts(example(), name)), name, VIDEO)
    assert [each.keys for each in again.targets] == [each.keys for each in example().targets]
    assert again.target(2).tracked == example().target(2).tracked


def test_predictions_are_a_trackers_boxes_with_its_score(tmp_path):
    files = texts(example(), "label-studio-predictions")
    (task,) = json.loads(files["tasks.json"])
    (prediction,) = task["predictions"]
    assert "annotations" not in task
    assert [each["score"] for each in prediction["result"]] == [1.0, 0.911]
    assert prediction["score"] == 0.956
    again = import_annotations(put(tmp_path, files), "label-studio-predictions", VIDEO)
    assert [(each.label, each.keys) for each in again.targets] == [("person", ()), ("dog", ())]
    assert {box.score for box in again.boxes(2) if box.visible} == {0.911}
    # Who wants them as annotations gets key boxes, and the other way round.
    origins = {box.origin for box in import_annotations(tmp_path, "label-studio", VIDEO).boxes(1) if box.visible}
    assert origins == {"person", "interpolated"}
    task["annotations"] = [{"result": prediction["result"][:1]}]
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    assert len(import_annotations(tmp_path, "label-studio", VIDEO).targets) == 1
    assert len(import_annotations(tmp_path, "label-studio-predictions", VIDEO).targets) == 2
    prediction["result"][0]["score"] = 7
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    with pytest.raises(DataError, match="no score from 0 to 1"):
        import_annotations(tmp_path, "label-studio-predictions", VIDEO)


two = st.integers(100, 30_000).map(lambda n: n / 100)
# Names that a format might take for something of its own: markup, separators, comments, numbers, other scripts.
labels = st.sampled_from([
    "person", 'a "b" <c> & ü', "x y", "", "'", "# one", "- two", "a: b", "a,b;c|d", "007", "null", "=1+1", "%s {0}",
    "\\n", "\u4eba \u0646", "e\u0301", "\U0001f9d2", "[1]", "&amp;", "-->",
])  # fmt: skip
boxes = st.tuples(two, two, two.map(lambda v: max(1.0, v)), two.map(lambda v: max(1.0, v)))


@st.composite
def projects(draw):
    project = AnnotationProject(VIDEO)
    for _ in range(draw(st.integers(1, 3))):
        project = add_target(project, label=draw(labels))
        id = project.targets[-1].id
        ends = st.sampled_from([0, 59])  # where a target begins and is away, or the other way round
        keys = draw(st.dictionaries(st.integers(0, 59) | ends, st.none() | boxes, min_size=1, max_size=6))
        for frame, box in sorted(keys.items()):
            project = set_key(project, id, frame, box, draw(st.booleans()))
        start = draw(st.integers(0, 40))
        found = draw(st.lists(st.builds(TrackedBox, boxes.map(lambda b: Box(*b)), st.floats(0, 1)), max_size=15))
        project = set_tracked(project, id, start, found)
    return project


@settings(max_examples=30, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.too_slow])
@given(project=projects(), name=st.sampled_from(EVERY))
def test_any_project_is_stable(tmp_path_factory, project, name):
    if not shown(project):
        return
    folder = tmp_path_factory.mktemp("formats")
    if name == "voc" and {"a: b", "# one"} & {target.label for target in ExportContents(project).targets}:
        with pytest.raises(DataError, match=r"labelmap\.txt of Pascal VOC cannot hold the label"):
            texts(project, name)
        return
    files = texts(project, name)
    found = import_annotations(put(folder, files), name, VIDEO)
    again = texts(found, name)
    if name == "yolo":  # without tracks, nobody knows that a target was away in the frames between
        files, again = ({file: text for file, text in each.items() if text} for each in (files, again))
    assert again == files
    if name != "yolo" and not name.startswith("label-studio"):
        assert shown(found) == shown(project)


@settings(max_examples=100, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=30), st.sampled_from([0.0, 0.5, 5.0]))
def test_lines_between_key_frames_miss_by_no_more_than_the_tolerance(rows, tolerance):
    rows = np.array(rows)
    places = key_places(rows, (), tolerance)
    assert places[0] == 0
    assert places[-1] == len(rows) - 1
    lines = np.stack([np.interp(np.arange(len(rows)), places, rows[places, side]) for side in range(4)], 1)
    assert np.abs(lines - rows).max() <= max(tolerance, 0.004) + 1e-9


def test_cvat_goes_outside_in_the_next_frame_with_the_same_box():
    (text,) = texts(example(), "cvat").values()
    (first, _) = ElementTree.fromstring(text).iter("track")
    marks = [(int(box.attrib["frame"]), box.attrib["outside"], box.attrib["xtl"]) for box in first]
    assert marks == [
        (0, "0", "100.00"), (4, "0", "140.00"), (5, "1", "140.00"),
        (7, "0", "170.00"), (9, "0", "190.00"), (10, "1", "190.00"),
    ]  # fmt: skip


def test_cvat_key_frames_are_few_and_miss_little(tmp_path):
    project = example()
    dense, few = (texts(project, "cvat", tolerance)["annotations.xml"] for tolerance in (0.0, 2.0))
    assert few.count("<box ") < dense.count("<box ")
    again = import_annotations(put(tmp_path, {"annotations.xml": few}), "cvat", VIDEO)
    for frame, (box, _) in shown(project)[2].items():
        assert np.abs(np.subtract(box, shown(again)[2][frame][0])).max() <= 2.01


def test_a_far_outside_box_of_cvat_moves_the_target_as_cvat_does(tmp_path):
    def box(frame, left, outside):
        return (
            f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="{left}" ytl="0" '
            f'xbr="{left + 10}" ybr="10"/>'
        )

    track = f'<track id="0" label="car">{box(0, 10, 0)}{box(4, 50, 1)}</track>'
    path = put(tmp_path, {"annotations.xml": f"<annotations><meta/>{track}</annotations>"})
    target = import_annotations(path, "cvat", VIDEO).target(1)
    assert target.keys == (KeyBox(0, Box(10, 0, 10, 10)), KeyBox(3, Box(40, 0, 10, 10)), KeyBox(4, None))


def test_a_cvat_track_without_an_end_lives_to_the_end(tmp_path):
    box = '<box frame="2" outside="0" occluded="0" keyframe="1" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    path = put(tmp_path, {"annotations.xml": f'<annotations><track id="3" label="a">{box}</track></annotations>'})
    assert [each.visible for each in import_annotations(path, "cvat", VIDEO).boxes(3, 1, 60)] == [False] + [True] * 58


def test_the_two_dialects_of_mot_are_one_pixel_apart(tmp_path):
    one, zero = (texts(example(), name)["gt/gt.txt"].splitlines()[0] for name in ("mot", "mot-cvat"))
    assert one == "1,1,101.00,51.00,40.00,80.50,1,1,1.0"
    assert zero == "1,1,100.00,50.00,40.00,80.50,1,1,1.0"
    path = put(tmp_path, texts(example(), "mot-cvat"))
    assert import_annotations(path, "mot", VIDEO).target(1).box_at(0).box == Box(99, 49, 40, 80.5)


def test_label_studio_reads_what_its_editor_saves(tmp_path):
    def item(frame, x, **more):
        return {"frame": frame, "x": x, "y": 10, "width": 5, "height": 10, **more}

    items = [item(9, 50, enabled=False, rotation=0), item(1, 10, enabled=True, auto=True), item(5, 30)]
    result = {"id": "aBc", "type": "videorectangle", "value": {"sequence": items, "labels": ["dog"]}}
    (tmp_path / "x.json").write_text(json.dumps([{"predictions": [{"result": [result]}], "data": {}}]))
    target = import_annotations(tmp_path / "x.json", "label-studio", VIDEO).target(1)
    assert [(key.frame, key.absent) for key in target.keys] == [(0, False), (4, False), (8, False), (9, True)]
    assert target.box_at(2).box == Box(128, 36, 32, 36)
    assert target.label == "dog"


def test_label_studio_keeps_high_ids(tmp_path):
    """Of any number; names of this form with a higher one are those of another tool."""
    project = AnnotationProject(VIDEO)
    for id in (7, 123_456_789, 10**9):
        project = set_key(add_target(project, id), id, 0, (1, 2, 30, 40))
    files = texts(project, "label-studio")
    read = import_annotations(put(tmp_path, files), "label-studio", VIDEO)
    assert [target.id for target in read.targets] == [7, 123_456_789, 10**9]
    foreign = {name: text.replace("t1000000000", "t1000000001") for name, text in files.items()}
    read = import_annotations(put(tmp_path, foreign), "label-studio", VIDEO)
    assert [target.id for target in read.targets] == [1, 2, 3]


def test_results_of_the_command_are_read_as_a_track(tmp_path):
    lines = [{"frame": n, "time": n / 25, "box": [10 + n, 20, 30, 40], "score": 0.9} for n in range(5)]
    path = tmp_path / "boxes.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    project = import_annotations(path, "jsonl", VIDEO)
    assert [each.origin for each in project.boxes(1, 0, 6)] == ["person", *["tracker"] * 4, ""]


def test_yolo_keeps_the_numbers_of_classes(tmp_path):
    files = {
        "data.yaml": "names: [zebra, ant]\n",
        "labels/a_0.txt": "1 0.5 0.5 0.1 0.1\n",
        "labels/a_1.txt": "0 0.2 0.2 0.1 0.1\n1 0.5 0.5 0.1 0.1\n",
    }
    found = import_annotations(put(tmp_path, files), "yolo", VIDEO)
    assert [target.label for target in found.targets] == ["zebra", "ant"]
    assert '0: "zebra"\n  1: "ant"' in texts(found, "yolo")["data.yaml"]


def test_absent_frames_of_yolo_are_empty_files():
    files = texts(example(), "yolo")
    alone = texts(AnnotationProject(VIDEO, example().targets[:1]), "yolo")
    assert alone["labels/train/frame_000005.txt"] == ""
    assert "labels/train/frame_000040.txt" not in files  # nothing is annotated there
    assert len(files["labels/train/frame_000003.txt"].splitlines()) == 2


@pytest.mark.parametrize("name", WITH_LABELS)
def test_targets_without_a_label_are_objects(tmp_path, name):
    project = set_key(add_target(AnnotationProject(VIDEO)), 1, 0, (1, 2, 30, 40))
    files = texts(project, name)
    assert "object" in "".join(files.values())
    assert import_annotations(put(tmp_path, files), name, VIDEO).target(1).label == ""


@pytest.fixture(scope="module")
def demo():
    project = add_target(AnnotationProject(look_at_video(DEMO_CLIP)), label="person")
    return set_key(set_key(project, 1, 3, (260, 29, 41, 142)), 1, 6, (266, 29, 41, 142))


@pytest.mark.parametrize("name", [name for name, each in ANNOTATION_FORMATS.items() if each.pictures])
def test_pictures_are_the_frames_of_the_video(tmp_path, demo, name):
    out = export_annotations(demo, name, tmp_path / "out", video=DEMO_CLIP, pictures=True)
    pictures = sorted(out.rglob("*.jpg"))
    assert len(pictures) == 4
    with Image.open(pictures[0]) as picture:
        assert picture.size == (640, 360)
    assert import_annotations(out, name, demo.video).target(1).box_at(4).box == demo.target(1).box_at(4).box
    assert sorted(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", sorted(name for name in EVERY if ANNOTATION_FORMATS[name].pictures))
def test_pictures_of_another_size_are_refused(tmp_path, name):
    """Boxes in pixels of a video would be wrong on them."""
    project = set_key(
        add_target(AnnotationProject(replace(look_at_video(DEMO_CLIP), width=1280))), 1, 0, (1, 2, 30, 40)
    )
    with pytest.raises(DataError, match="has 640 x 360 pixels, and the video of the project 1280 x 360"):
        export_annotations(project, name, tmp_path / "out", video=DEMO_CLIP, pictures=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["cvat", "coco", "voc"])
def test_a_file_about_pictures_of_another_size_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="about pictures of 640 x 360 pixels, and the video has 320 x 180"):
        import_annotations(put(tmp_path, texts(example(), name)), name, replace(VIDEO, width=320, height=180))


def test_the_training_folder_is_a_data_set(tmp_path, demo):
    project = set_key(add_target(demo), 2, 5, (10, 20, 30, 40))
    out = export_annotations(project, "folder", tmp_path / "out", video=DEMO_CLIP)
    first, second = read_any(out, "")
    assert (len(first), first.visible.tolist(), len(second)) == (4, [0, 1, 2, 3], 1)
    assert load_dataset("custom", out)[0].boxes[0].tolist() == [260, 29, 41, 142]


def test_a_zip_holds_the_same(tmp_path, demo):
    out = export_annotations(demo, "mot-cvat", tmp_path / "out.zip", video=DEMO_CLIP, pictures=False)
    with zipfile.ZipFile(out) as archive:
        assert sorted(archive.namelist()) == ["gt/gt.txt", "gt/labels.txt", "seqinfo.ini"]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("out", ["out", "out.zip"])
def test_every_export_is_read_again_as_a_folder_and_as_a_zip(tmp_path, name, out):
    made = export_annotations(example(), name, tmp_path / out, pictures=False, tolerance=0)
    assert texts(import_annotations(made, name, VIDEO), name) == texts(example(), name)
    if out == "out.zip" and not name.startswith("mot"):
        assert format_of_zip(made) == name.removesuffix("-predictions")
    elif out == "out.zip":
        with pytest.raises(DataError, match="say which"):
            format_of_zip(made)


def test_a_wrong_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"cannot unzip .*a\.zip"):
        import_annotations(tmp_path / "a.zip", "cvat", VIDEO)
    with pytest.raises(DataError, match="no zip file"):
        format_of_zip(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("../../annotations.xml", "<annotations/>")
        archive.writestr("other.txt", "")
    assert format_of_zip(tmp_path / "b.zip") == "cvat"
    with pytest.raises(DataError):
        import_annotations(tmp_path / "b.zip", "cvat", VIDEO)
    assert not (tmp_path.parent.parent / "annotations.xml").exists()


@pytest.mark.parametrize(
    ("name", "ending"),
    [(name, ending) for name in EVERY for ending in (".xml", ".json", ".jsonl", ".csv")],
)
def test_one_file_holds_all_boxes_or_is_refused_before_the_work(tmp_path, name, ending):
    """The labeling configuration of Label Studio is an .xml file, and target.json of training data has no boxes."""
    out = tmp_path / f"boxes{ending}"
    if ANNOTATION_FORMATS[name].ending == ending:
        check_export(name, out)
        export_annotations(example(), name, out)
        assert shown(import_annotations(out, name, VIDEO)).keys() == {1, 2}
        return
    for refused in (check_export, lambda *given: export_annotations(example(), *given)):
        with pytest.raises(ConfigError, match=rf"{name} is no single \{ending} file"):
            refused(name, out)
    assert not out.exists()


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf])
def test_a_tolerance_is_a_number_of_pixels(tmp_path, tolerance):
    with pytest.raises(ConfigError, match="tolerance must be a number of pixels"):
        export_annotations(example(), "cvat", tmp_path / "a.xml", tolerance=tolerance)


def test_wrong_wishes_are_refused_before_anything_is_written(tmp_path, demo):
    with pytest.raises(ConfigError, match=r"there is no format 'cvta'; there are: cvat.*did you mean 'cvat'"):
        check_export("cvta", tmp_path / "x")
    with pytest.raises(ConfigError, match="cvat has no pictures"):
        check_export("cvat", tmp_path / "x", pictures=True)
    with pytest.raises(ConfigError, match=r"mot is no single \.csv file"):
        export_annotations(demo, "mot", tmp_path / "x.csv")
    with pytest.raises(ConfigError, match="yolo needs the pictures; give the video"):
        export_annotations(demo, "yolo", tmp_path / "x")
    with pytest.raises(DataError, match="no boxes to export"):
        export_annotations(AnnotationProject(VIDEO), "cvat", tmp_path / "x.xml")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there.xml").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        export_annotations(demo, "cvat", tmp_path / "there.xml")
    export_annotations(demo, "cvat", tmp_path / "there.xml", overwrite=True)
    assert "track" in (tmp_path / "there.xml").read_text()
    (tmp_path / "folder" / "mine").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is never replaced"):
            export_annotations(demo, "mot", tmp_path / "folder", overwrite=overwrite)


@pytest.mark.parametrize("name", EVERY)
def test_missing_and_foreign_files_give_a_typed_error(tmp_path, name):
    with pytest.raises(DataError):
        import_annotations(tmp_path / "none", name, VIDEO)
    folder = put(tmp_path, {"a/b.txt": "1"})
    with pytest.raises(DataError):
        import_annotations(folder, name, VIDEO)


@settings(max_examples=30, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(EVERY))
def test_damaged_files_give_a_typed_error_or_a_project(tmp_path_factory, data, name):
    folder = tmp_path_factory.mktemp("damaged")
    files = texts(example(), name)
    victim = data.draw(st.sampled_from(sorted(files)))
    text = files[victim]
    place, width = data.draw(st.integers(0, max(0, len(text) - 1))), data.draw(st.integers(0, 30))
    files[victim] = (
        text[:place] + data.draw(st.sampled_from(["", "9" * 400, "-", "nan", '"', "<", "{}"])) + text[place + width :]
    )
    try:
        found = import_annotations(put(folder, files), name, VIDEO)
    except DataError:
        return
    assert all(0 <= key.frame < 60 for target in found.targets for key in target.keys)


@pytest.mark.parametrize("name", WITH_LABELS)
def test_a_label_of_letters_beyond_16_bits_survives(tmp_path, name):
    project = set_key(add_target(AnnotationProject(VIDEO), label="child \U0001f9d2"), 1, 0, (1, 2, 30, 40))
    again = import_annotations(put(tmp_path, texts(project, name)), name, VIDEO)
    assert [each.label for each in again.targets] == ["child \U0001f9d2"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", EVERY)
def test_labels_in_any_encoding_are_read_right_or_refused(tmp_path, name, encoding):
    """Latin-1 was read with every such letter replaced, so that another label went on into other tools."""
    project = set_key(add_target(AnnotationProject(VIDEO), label="Löwe"), 1, 0, (1, 2, 30, 40))
    place = put(tmp_path, texts(project, name))
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        file.write_bytes(file.read_text("utf-8").encode(encoding))
    read = contextlib.nullcontext() if encoding.startswith("utf-8") else contextlib.suppress(DataError)
    labels = ["Löwe"]
    with read:
        labels = [each.label for each in import_annotations(place, name, VIDEO).targets]
    assert labels == ["Löwe"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_folder_goes_through_a_link_and_not_into_a_pipe(tmp_path):
    """It was said in wrong words, after the work, that a pipe is no folder; a link to an empty one was refused."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is no folder, and the result is one"):
        check_export("mot", tmp_path / "pipe")
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    check_export("mot", tmp_path / "link")
    export_annotations(example(), "mot", tmp_path / "link", pictures=False)
    assert (tmp_path / "link").is_symlink()
    assert list((tmp_path / "far").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "link", "pipe"]
