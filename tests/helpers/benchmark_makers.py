"""Miniature copies of the test sets. Pictures are empty files: nothing here decodes them."""

import numpy as np

BOX = (11.0, 21.0, 30.0, 40.0)


def rows(count, separator=",", width=4):
    """Lines of boxes, the first number counting up from 11."""
    return "".join(separator.join(f"{v:g}" for v in (11 + i, 21, 30, 40)[:width]) + "\n" for i in range(count))


def frames(folder, first, last, form="{:04d}.jpg"):
    """Empty pictures with the numbers from first to last."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, last + 1):
        (folder / form.format(number)).touch()


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def lasot(root, names=("airplane-1", "zebra-10"), count=5):
    """In every video the target is out of view in frame 1 and fully occluded in frame 2 (from 0)."""
    for name in names:
        folder = root / name.rpartition("-")[0] / name
        frames(folder / "img", 1, count, "{:08d}.jpg")
        text(folder / "groundtruth.txt", rows(count))
        text(folder / "full_occlusion.txt", ",".join(["0", "0", "1"] + ["0"] * (count - 3)))
        text(folder / "out_of_view.txt", ",".join(["0", "1", "0"] + ["0"] * (count - 3)))
    return root


def lasot_ext(root):
    return lasot(root, ("atv-1", "wingsuit-10"))


def otb100(root):
    """The special ones: first frames, two targets in a folder, five digits, left-out frames, every delimiter."""
    frames(root / "David" / "img", 1, 770)
    text(root / "David" / "groundtruth_rect.txt", rows(471, "\t"))
    frames(root / "Board" / "img", 1, 698, "{:05d}.jpg")
    text(root / "Board" / "groundtruth_rect.txt", rows(697) + "0,0,0,0\n")
    frames(root / "Tiger1" / "img", 1, 354)
    text(root / "Tiger1" / "groundtruth_rect.txt", rows(354))
    frames(root / "BlurCar3" / "img", 3, 359)
    text(root / "BlurCar3" / "groundtruth_rect.txt", rows(356, "\t") + rows(1, " "))
    frames(root / "Football1" / "img", 1, 81)
    text(root / "Football1" / "groundtruth_rect.txt", rows(74))
    for name, count in (("Jogging", 307), ("Skating2", 473), ("Human4", 667)):
        frames(root / name / "img", 1, count)
        text(root / name / "groundtruth_rect.1.txt", rows(count))
        text(root / name / "groundtruth_rect.2.txt", rows(count).replace("\n11,", "\n99,").replace("11,", "50,", 1))
    return root


def uav123(root):
    """A video in three parts, and one whose target is away for a while."""
    frames(root / "data_seq" / "UAV123" / "bird1", 1, 2437, "{:06d}.jpg")
    for name, count in (("bird1_1", 253), ("bird1_2", 703), ("bird1_3", 865)):
        text(root / "anno" / "UAV123" / f"{name}.txt", rows(count))
    frames(root / "data_seq" / "UAV123" / "uav2", 1, 133, "{:06d}.jpg")
    text(root / "anno" / "UAV123" / "uav2.txt", rows(100) + "NaN,NaN,NaN,NaN\n" * 3 + rows(30))
    return root


def nfs(root):
    """As the trackers' code prepares it."""
    frames(root / "sequences" / "bee", 1, 45, "{:05d}.jpg")
    text(root / "anno" / "nfs_bee.txt", rows(45, "\t"))
    frames(root / "sequences" / "car_jumping", 1, 22, "{:05d}.jpg")
    text(root / "anno" / "nfs_car_jumping.txt", rows(21, "\t"))
    return root


def nfs_published(root):
    """As published: corners, one box for each frame of the fast camera, also beside the slow pictures."""
    line = '0 {} 21 {} 61 {} {} 0 0 "ball"\n'
    fast = "".join(line.format(11 + i, 41 + i, i, int(i == 8)) for i in range(359))
    for speed, count in ((30, 45), (240, 360)):
        frames(root / "bee" / str(speed) / "bee", 1, count, "{:05d}.jpg")
        text(root / "bee" / str(speed) / "bee.txt", fast)
    return root


def tc128(root):
    for name, first, last in (("Airport_ce", 1, 12), ("Bolt", 7, 20)):
        frames(root / name / "img", 1, 25)
        text(root / name / f"{name}_gt.txt", rows(last - first + 1))
        text(root / name / f"{name}_frames.txt", f"{first},{last}\n")
    return root


def avist(root):
    for name, count in (("air_show", 5), ("zebra_in_water", 5)):
        frames(root / "sequences" / name, 1, count, "img_{:05d}.jpg")
        text(root / "anno" / f"{name}.txt", rows(count, " "))
        text(root / "full_occlusion" / f"{name}_full_occlusion.txt", "0\n0\n1\n0\n0\n")
        text(root / "out_of_view" / f"{name}_out_of_view.txt", "0\n1\n0\n0\n0\n")
    return root


def tnl2k(root):
    for name, form in (("INF_bike", "{:05d}.png"), ("Bird_28-Done", "img{}.jpg")):
        frames(root / name / "imgs", 8, 12, form)
        text(root / name / "groundtruth.txt", rows(5))
    return root


def got10k_test(root):
    for number in (1, 180):
        folder = root / "test" / f"GOT-10k_Test_{number:06d}"
        frames(folder, 1, 5, "{:08d}.jpg")
        text(folder / "groundtruth.txt", rows(1))
    return root


def got10k_val(root):
    folder = root / "val" / "GOT-10k_Val_000007"
    frames(folder, 1, 4, "{:08d}.jpg")
    text(folder / "groundtruth.txt", rows(4))
    text(folder / "absence.label", "0\n0\n1\n0\n")
    text(folder / "cover.label", "8\n8\n0\n3\n")
    text(folder / "meta_info.ini", "[METAINFO]\nobject_class: bear\n")
    return root


def trackingnet(root):
    """Eleven frames, so that the order of names (10 before 2) is not that of numbers."""
    for name in ("11-hHR2lotQ_0", "za7pL4OB-_o_0"):
        frames(root / "TEST" / "frames" / name, 0, 10, "{}.jpg")
        text(root / "TEST" / "anno" / f"{name}.txt", rows(1))
    return root


def vot(root, name, regions, place="color"):
    """One sequence of the VOT toolkit."""
    frames(root / name / place, 1, len(regions), "{:08d}.jpg")
    text(root / name / "groundtruth.txt", "\n".join(regions) + "\n")
    text(root / name / "occlusion.tag", "\n".join(["0"] * (len(regions) - 1) + ["1"]))
    text(root / "list.txt", f"{name}\n")
    return root


def mask_text(mask, window):
    """A mask in the form of the VOT toolkit, by hand: runs of zeros and ones in turn inside a window x, y, w, h."""
    x, y, w, h = window
    pixels = mask[y : y + h, x : x + w].ravel().tolist()
    runs, value = [0], False
    for pixel in pixels:
        if bool(pixel) != value:
            runs.append(0)
            value = not value
        runs[-1] += 1
    return "m" + ",".join(map(str, [x, y, w, h, *runs]))


def blob(seed, size=(12, 9)):
    """A random mask bool (height, width) and the box around it."""
    random = np.random.default_rng(seed)
    mask = random.random(size) < random.uniform(0.02, 0.6)
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return mask, [np.nan] * 4
    return mask, [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]


MAKERS = {
    "lasot": (lasot, "test"),
    "lasot_ext": (lasot_ext, "test"),
    "got10k": (got10k_test, "test"),
    "trackingnet": (trackingnet, "test"),
    "tnl2k": (tnl2k, "test"),
    "uav123": (uav123, "test"),
    "otb100": (otb100, "test"),
    "nfs": (nfs, "30fps"),
    "tc128": (tc128, "test"),
    "avist": (avist, "test"),
    "vot2020": (lambda root: vot(root, "godfather", ["1,2,3,4", "2,2,3,4"]), "test"),
    "vot2022": (lambda root: vot(root, "tennis", ["1,2,3,4", "2,2,3,4"]), "test"),
}
