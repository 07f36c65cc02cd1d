"""Annotations of other tools, read, written as folders, and read back."""

import json
import shutil

import numpy as np
import pytest

from mixformer.cli import main
from mixformer.data import load_dataset
from mixformer.data.annotated_folders import read_sequences
from mixformer.data.importers import IMPORTERS, write_folders
from mixformer.data.sequence import read_frame
from mixformer.errors import DataError, OutputError
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.miniatures import lasot, picture, write, zip_folder


def mot(root, name="walk"):
    """Two people in five frames: 1 is not seen in frame 3, 2 is ignored in frame 1 and hidden in frame 4."""
    rows = [f"{frame},1,{10 + frame},5,8,9,1,1,1.0" for frame in (1, 2, 4, 5)]
    rows += [f"{frame},2,20,{frame},6,7,{int(frame > 1)},1,{0 if frame == 4 else 0.5}" for frame in (1, 2, 3, 4, 5)]
    write(root / name / "gt" / "gt.txt", "\n".join(rows) + "\n")
    for frame in range(5):
        picture(root / name / "img1" / f"{frame + 1:06d}.jpg", 0, frame)
    return root / name


def coco_vid(root):
    """One video of four frames; instance 3 is missing from frame 1, and a crowd does not count."""
    for frame in range(4):
        picture(root / "clip" / f"{frame}.jpg", 0, frame)
    images = [{"id": 50 + f, "video_id": 7, "frame_id": f, "file_name": f"clip/{f}.jpg"} for f in range(4)]
    things = [{"image_id": 50 + f, "instance_id": 3, "bbox": [f, 1, 5, 6], "category_id": 2} for f in (0, 2, 3)]
    things += [{"image_id": 51, "instance_id": 4, "bbox": [9, 9, 5, 5], "category_id": 2, "iscrowd": 1}]
    content = {"videos": [{"id": 7, "name": "a/clip"}], "images": images, "annotations": things}
    write(root / "truth.json", json.dumps(content | {"categories": [{"id": 2, "name": "dog"}]}))
    return root / "truth.json"


def box(frame, left, outside=0, top=4, **more):
    marks = "".join(f' {name}="{value}"' for name, value in more.items())
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="{left}" ytl="{top}" '
        f'xbr="{left + 10}" ybr="{top + 8}"{marks}></box>'
    )


def cvat(path, body):
    write(path, f"<annotations><version>1.1</version><meta><task><name>ride</name></task></meta>{body}</annotations>")
    return path


def test_mot(tmp_path):
    first, second = IMPORTERS["mot"](mot(tmp_path), None)
    assert (first.name, first.label, len(first)) == ("walk_0001", "1", 5)
    assert first.visible.tolist() == [0, 1, 3, 4]
    assert list(first.box(0)) == [10, 4, 8, 9]  # pixels count from 1 in the file
    assert [frame.stem for frame in second.frames] == ["000002", "000003", "000004", "000005"]
    assert second.visible.tolist() == [0, 1, 3]
    mot(tmp_path, "run")
    assert [s.name for s in IMPORTERS["mot"](tmp_path, None)] == ["run_0001", "run_0002", "walk_0001", "walk_0002"]


def test_mot_says_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match="no MOT sequences"):
        IMPORTERS["mot"](tmp_path, None)
    truth = mot(tmp_path) / "gt" / "gt.txt"
    truth.write_text("1,1,2,3,4,5,1,1,1\n1,2,3\n")
    with pytest.raises(DataError, match=r"gt\.txt, line 2: 3 numbers"):
        IMPORTERS["mot"](tmp_path, None)
    truth.write_text("frame,track\n")
    with pytest.raises(DataError, match="line 1: not numbers"):
        IMPORTERS["mot"](tmp_path, None)
    (tmp_path / "walk" / "seqinfo.ini").write_text("[Sequence]\nimDir=pictures\n")
    with pytest.raises(DataError, match=r"pictures holds no pictures; give their folder with --images"):
        IMPORTERS["mot"](tmp_path, None)


def test_coco_vid(tmp_path, caplog):
    truth = coco_vid(tmp_path)
    (found,) = IMPORTERS["coco-vid"](truth, None)
    assert (found.name, found.label) == ("a_clip_3", "dog")
    assert found.visible.tolist() == [0, 2, 3]
    assert found.boxes[[0, 2, 3], 0].tolist() == [0, 2, 3]
    (tmp_path / "clip" / "2.jpg").unlink()
    (found,) = IMPORTERS["coco-vid"](truth, None)
    assert [frame.name for frame in found.frames] == ["0.jpg", "1.jpg", "3.jpg"]
    assert "left out 1 of 4 pictures" in caplog.text
    shutil.rmtree(tmp_path / "clip")
    with pytest.raises(DataError, match="none of the 4 pictures is there"):
        IMPORTERS["coco-vid"](truth, None)
    truth.write_text('{"images": []}')
    with pytest.raises(DataError, match="not a COCO-VID file: KeyError 'videos'"):
        IMPORTERS["coco-vid"](truth, None)


def test_cvat_tracks(tmp_path):
    for frame in range(6):
        picture(tmp_path / "images" / f"frame_{frame:06d}.png", 0, frame)
    shown = box(1, 10) + box(2, 12) + box(3, 13, outside=1) + box(5, 20)
    keys = box(0, 0, top=0) + box(4, 8, top=4)
    path = cvat(
        tmp_path / "annotations.xml",
        f'<track id="0" label="car">{shown}</track><track id="1" label="man">{keys}</track>',
    )
    car, man = IMPORTERS["cvat"](path, None)
    assert (car.name, car.label) == ("ride_0000", "car")
    assert [frame.name[-5] for frame in car.frames] == ["1", "2", "3", "4", "5"]
    assert car.visible.tolist() == [0, 1, 4]
    assert list(car.box(4)) == [20, 4, 10, 8]
    assert man.boxes.tolist() == [[2 * i, i, 10, 8] for i in range(5)]  # between two key frames
    assert [s.name for s in IMPORTERS["cvat"](tmp_path, None)] == ["ride_0000", "ride_0001"]


def test_cvat_images(tmp_path):
    picture(tmp_path / "images" / "set" / "a.jpg", 0, 1)
    boxes = "".join(f'<box label="cup" occluded="1" xtl="{x}" ytl="1" xbr="{x + 5}" ybr="7"/>' for x in (2, 9))
    pictures = f'<image id="0" name="set/a.jpg">{boxes}</image><image id="1" name="gone.jpg">{boxes}</image>'
    first, second = IMPORTERS["cvat"](cvat(tmp_path / "annotations.xml", pictures), None)
    assert (first.name, second.name, first.label) == ("set_a_0", "set_a_1", "cup")
    assert second.boxes.tolist() == [[9, 1, 5, 6]]
    assert first.is_still
    with pytest.raises(DataError, match="holds no boxes on pictures that are in"):
        IMPORTERS["cvat"](tmp_path, tmp_path / "elsewhere")


def test_cvat_says_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .* as CVAT XML"):
        IMPORTERS["cvat"](tmp_path, None)
    picture(tmp_path / "0.png", 0, 0)
    path = cvat(tmp_path / "annotations.xml", '<track id="0"><box frame="0" xtl="1"/></track>')
    with pytest.raises(DataError, match=r"is not CVAT XML 1\.1: KeyError 'ytl'"):
        IMPORTERS["cvat"](path, None)


@pytest.mark.parametrize("copy", [False, True])
def test_written_folders_hold_the_same(tmp_path, copy):
    sequences = [*IMPORTERS["mot"](mot(tmp_path / "in"), None), *IMPORTERS["coco-vid"](coco_vid(tmp_path / "in"), None)]
    folders = write_folders(sequences, tmp_path / "out", copy=copy)
    if not copy:  # relative links survive moving everything together
        shutil.move(tmp_path / "in", tmp_path / "both" / "in")
        shutil.move(tmp_path / "out", tmp_path / "both" / "out")
    else:
        shutil.rmtree(tmp_path / "in")
    found = read_sequences(tmp_path / "out" if copy else tmp_path / "both" / "out")
    assert [s.name for s in found] == sorted(folder.name for folder in folders)
    by_name = {s.name: s for s in sequences}
    for again in found:
        assert again.visible.tolist() == by_name[again.name].visible.tolist()
        np.testing.assert_array_equal(again.boxes, by_name[again.name].boxes)
        assert [frame.is_symlink() for frame in again.frames] == [not copy] * len(again)
        assert read_frame(again.frames[-1]).shape == (30, 40, 3)


def test_a_video_is_taken_apart_once(tmp_path):
    clip = write_clip(tmp_path / "ride.mp4", moving_square(count=6)[0])
    tracks = "".join(f'<track id="{i}" label="x">{box(i, 10)}{box(4, 22)}</track>' for i in (0, 2))
    sequences = IMPORTERS["cvat"](cvat(tmp_path / "annotations.xml", tracks), clip)
    write_folders(sequences, tmp_path / "out")
    (frames,) = (tmp_path / "out" / "_frames").glob("ride.mp4*")
    assert len(list(frames.iterdir())) == 5
    first, second = read_sequences(tmp_path / "out")
    assert first.frames[2].resolve() == second.frames[0].resolve()
    write_folders(sequences, tmp_path / "copies", copy=True)
    assert not (tmp_path / "copies" / "_frames").exists()
    for whole in read_sequences(tmp_path / "copies"):
        image = read_frame(whole.frames[0])
        assert np.abs(image.astype(int) - read_frame(sequences[0].frames[5 - len(whole)])).mean() < 8


def test_videos_of_the_same_name_do_not_share_pictures(tmp_path):
    """A second import into the same folder got the pictures of the first video."""
    made = {}
    for name, light in (("one", 60), ("two", 200)):
        (tmp_path / name).mkdir()
        clip = write_clip(tmp_path / name / "ride.mp4", [np.full((48, 64, 3), light, np.uint8)] * 3)
        track = f'<track id="{light}" label="x">{box(0, 10)}{box(2, 12)}</track>'
        (made[light],) = write_folders(
            IMPORTERS["cvat"](cvat(tmp_path / name / "annotations.xml", track), clip), tmp_path / "out"
        )
    for light, folder in made.items():
        assert read_frame(folder / "img" / "00000001.jpg").mean() == pytest.approx(light, abs=4)


def test_pictures_of_an_archive_are_written_as_they_are(tmp_path):
    root = lasot(tmp_path / "lasot")
    sequences = load_dataset("lasot", zip_folder(root, tmp_path / "all.zip"))
    write_folders(sequences, tmp_path / "out")
    second = read_sequences(tmp_path / "out")[1]
    assert second.visible.tolist() == [0, 3]  # hidden frames have no box
    assert second.frames[3].read_bytes() == (root / "bear" / "bear-2" / "img" / "00000004.jpg").read_bytes()


def test_nothing_is_written_over(tmp_path):
    sequences = IMPORTERS["mot"](mot(tmp_path / "in"), None)
    folders = write_folders([*sequences, *sequences], tmp_path / "out")
    assert [f.name for f in folders] == ["walk_0001", "walk_0002", "walk_0001_2", "walk_0002_2"]
    shutil.rmtree(folders[0])
    with pytest.raises(OutputError, match="walk_0002 exists already"):
        write_folders(sequences, tmp_path / "out")
    assert not folders[0].exists()  # nothing is written if one is there


def test_an_interrupted_import_goes_on(tmp_path):
    """The same command was refused after a kill, since some sequences were there."""
    sequences, out = IMPORTERS["mot"](mot(tmp_path / "in"), None), tmp_path / "out"

    def stop(name):
        if name == "walk_0002":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folders(sequences, out, progress=stop)
    kept = (out / "walk_0001" / "groundtruth.txt").stat().st_mtime_ns
    with pytest.raises(OutputError, match="walk_0001 exists already"):  # another import
        write_folders(sequences, out, copy=True)
    folders = write_folders(sequences, out)
    assert [folder.name for folder in folders] == ["walk_0001", "walk_0002"]
    assert (out / "walk_0001" / "groundtruth.txt").stat().st_mtime_ns == kept
    assert {path.name for path in out.iterdir()} == {"walk_0001", "walk_0002"}
    with pytest.raises(OutputError, match="walk_0001 exists already"):  # a finished one
        write_folders(sequences, out)
    with pytest.raises(KeyboardInterrupt):
        write_folders(sequences, out, overwrite=True, progress=stop)
    with pytest.raises(OutputError, match="exists already"):  # some of these are of the import before
        write_folders(sequences, out)


def test_sequences_are_replaced_when_asked(tmp_path):
    """A1's kind: one rule for imports too; pictures of the earlier one go, what is no sequence stays."""
    clip = write_clip(tmp_path / "ride.mp4", moving_square(count=6)[0])
    tracks = f'<track id="0" label="x">{box(0, 10)}{box(4, 22)}</track>'
    sequences = IMPORTERS["cvat"](cvat(tmp_path / "annotations.xml", tracks), clip)
    (folder,) = write_folders(sequences, tmp_path / "out")
    (picture,) = (tmp_path / "out" / "_frames").glob("ride.mp4*/00000000.jpg")
    before = picture.read_bytes()
    (folder / "img" / "00000099.jpg").write_bytes(b"old")
    picture.write_bytes(b"half")
    write_folders(sequences, tmp_path / "out", overwrite=True)
    assert not (folder / "img" / "00000099.jpg").exists()
    assert picture.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_frames", folder.name]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"also holds notes\.txt"):
        write_folders(sequences, tmp_path / "out", overwrite=True)
    (folder / "groundtruth.txt").unlink()
    with pytest.raises(OutputError, match="not a sequence"):
        write_folders(sequences, tmp_path / "out", overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"


def test_the_command(tmp_path, capsys):
    mot(tmp_path / "in")
    arguments = ["data", "import", "mot", str(tmp_path / "in"), str(tmp_path / "out")]
    assert main([*arguments, "--copy"]) == 0
    assert "wrote 2 sequences" in capsys.readouterr().out
    assert len(read_sequences(tmp_path / "out")) == 2
    assert main(arguments) == 4
    assert main(["data", "import", "cvat", str(tmp_path / "in"), str(tmp_path / "other")]) == 2
    assert "cannot read" in capsys.readouterr().err
