"""Miniature copies of the known data sets: three sequences of four tiny pictures each."""

import json
import zipfile

from PIL import Image

SIZE = (40, 30)
FRAMES = 4


def boxes(number):
    """Boxes of sequence `number` (from 0); they differ from one another."""
    return [[1.0 + number, 2.0 + frame, 10.0 + number, 8.0] for frame in range(FRAMES)]


def picture(path, number, frame):
    """A flat picture whose red and green tell which frame it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, (40 * number, 40 * frame, 0)).save(path)


def lines(rows, separator=","):
    return "".join(separator.join(f"{value:g}" for value in row) + "\n" for row in rows)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lasot(root):
    """LaSOT: in the second video, frame 1 is out of view and frame 2 fully occluded."""
    for number, name in enumerate(("bear-1", "bear-2", "cat-1")):
        folder = root / name.split("-")[0] / name
        marked = [0, 0, 0, 0] if number != 1 else [0, 0, 1, 0]
        write(folder / "groundtruth.txt", lines(boxes(number)))
        write(folder / "full_occlusion.txt", ",".join(map(str, marked)))
        write(folder / "out_of_view.txt", ",".join(map(str, [0, number % 2, 0, 0])))
        for frame in range(FRAMES):
            picture(folder / "img" / f"{frame + 1:08d}.jpg", number, frame)
    write(root / "testing_set.txt", "bear-9\n")
    return root


def got10k(root, part="train"):
    """GOT-10k: in the second video, frame 1 is absent and frame 2 covered."""
    names = [f"GOT-10k_{part.capitalize()}_{number + 1:06d}" for number in range(3)]
    for number, name in enumerate(names):
        folder = root / part / name
        write(folder / "groundtruth.txt", lines(boxes(number)[: 1 if part == "test" else FRAMES]))
        write(folder / "absence.label", "\n".join(["0", str(number % 2), "0", "0"]))
        write(folder / "cover.label", "\n".join(["8", "8", "0" if number == 1 else "3", "8"]))
        write(folder / "meta_info.ini", f"[METAINFO]\nurl: x\nobject_class: thing {number}\nmotion_class: run\n")
        for frame in range(FRAMES):
            picture(folder / f"{frame + 1:08d}.jpg", number, frame)
    write(root / part / "list.txt", "\n".join(names))
    return root


def trackingnet(root):
    """TrackingNet: two videos in part 0, one in part 2; frame 1 of the second video has no area."""
    for number, (part, name) in enumerate((("TRAIN_0", "a_0"), ("TRAIN_0", "b_1"), ("TRAIN_2", "c_0"))):
        rows = boxes(number)
        if number == 1:
            rows[1] = [0, 0, 0, 0]
        write(root / part / "anno" / f"{name}.txt", lines(rows))
        for frame in range(FRAMES):
            picture(root / part / "frames" / name / f"{frame}.jpg", number, frame)
    return root


def coco(root):
    """COCO: three objects in two pictures, and a crowd that does not count."""
    for frame in range(2):
        picture(root / "train2017" / f"{frame + 1:012d}.jpg", 0, frame)
    images = [{"id": 70 + frame, "file_name": f"{frame + 1:012d}.jpg"} for frame in range(2)]
    objects = [
        {"id": 500 + number, "image_id": 70 + number % 2, "bbox": boxes(number)[0], "category_id": 9 - number}
        for number in range(4)
    ]
    objects[3]["iscrowd"] = 1
    kinds = [{"id": number, "name": f"kind {number}"} for number in (6, 7, 8, 9)]
    content = {"images": images, "annotations": objects, "categories": kinds}
    write(root / "annotations" / "instances_train2017.json", json.dumps(content))
    return root


def vid(root):
    """ImageNet-VID: one video with two objects; the second is missing from frame 2, so it makes two tracks."""
    folder = "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000"
    for frame in range(FRAMES):
        picture(root / "Data/VID/train" / folder / f"{frame:06d}.JPEG", 0, frame)
        shown = [0] if frame == 2 else [0, 1]
        things = "".join(
            f"<object><trackid>{number}</trackid><name>n0{number}</name><bndbox><xmax>{x + w}</xmax><xmin>{x}</xmin>"
            f"<ymax>{y + h}</ymax><ymin>{y}</ymin></bndbox><occluded>{int(frame == 1)}</occluded></object>"
            for number in shown
            for x, y, w, h in [boxes(number)[frame]]
        )
        write(root / "Annotations/VID/train" / folder / f"{frame:06d}.xml", f"<annotation>{things}</annotation>")
    return root


def tnl2k(root):
    """TNL2K: pictures in imgs/, with names of their own."""
    for number, name in enumerate(("advSamp", "baby", "zoo")):
        folder = root / "TNL2K_train_subset" / name
        write(folder / "groundtruth.txt", lines(boxes(number)))
        for frame in range(FRAMES):
            picture(folder / "imgs" / f"f_{frame + 8}.png", number, frame)
    return root


MAKERS = {"lasot": lasot, "got10k": got10k, "trackingnet": trackingnet, "coco": coco, "vid": vid, "tnl2k": tnl2k}


def zip_folder(folder, archive, below=""):
    """Put a folder's files into a zip file, under `below`, and remove nothing."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as made:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                made.write(path, f"{below}/{path.relative_to(folder)}".lstrip("/"))
    return archive
