"""Picture files: one list of endings, one order of names and one reader for videos, data sets and VOT."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mixformer.data.annotated_folders import read_sequence
from mixformer.data.frame_storage import read_frame
from mixformer.errors import DataError, FrameError, SourceError
from mixformer.imaging import PICTURES, as_rgb, images, is_picture, list_pictures, natural_order, read_depth, read_image
from mixformer.video import open_video
from mixformer.vot.session import Session
from mixformer.vot.trax import Message, _process


@pytest.mark.parametrize("ending", sorted(PICTURES))
def test_video_data_and_vot_accept_the_same_endings(tmp_path, ending, monkeypatch):
    folder = tmp_path / "clip" / "img"
    folder.mkdir(parents=True)
    for number, name in enumerate(("1", "2", "10")):
        Image.new("RGB", (40, 30), (100 * number, 50, 0)).save(folder / f"{name}{ending}")
    (tmp_path / "clip" / "groundtruth.txt").write_text("1,2,10,10\n" * 3)
    with open_video(folder) as video:
        expected = [frame.image for frame in video]
    assert [round(image[0, 0, 0] / 100) for image in expected] == [0, 1, 2]  # natural order, not that of letters
    sequence = read_sequence(tmp_path / "clip")
    assert all(map(np.array_equal, map(read_frame, sequence.frames), expected))
    seen = []
    monkeypatch.setattr(Session, "process", lambda self, image, new: seen.append(image) or [])
    _process(Session(None), Message("frame", (str(folder / f"10{ending}"),)), [])
    assert np.array_equal(seen[0], expected[2])


def test_names_are_ordered_by_their_numbers():
    names = ["a10b2", "a2", "a10b1", "b", "1a", "a\u00b2"]  # a superscript two is no number
    assert sorted(names, key=natural_order) == ["1a", "a2", "a10b1", "a10b2", "a\u00b2", "b"]
    assert is_picture("A.TIFF")


@pytest.mark.parametrize("content", [b"", b"no picture", b"P6 99 99 255 short"])
def test_a_broken_picture_is_an_error_with_its_name(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the image .*broken\.png"):
        read_image(tmp_path / "broken.png")
    with pytest.raises(DataError, match="cannot read the image of the server"):
        read_image(content, "of the server")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_a_picture_is_read_as_a_viewer_shows_it(tmp_path, orientation, ending):
    """B2: turned by its EXIF orientation, in tracking and data alike."""
    shown = np.zeros((24, 32, 3), np.uint8)
    shown[:8, :16] = (250, 0, 0)
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.transpose(1, 0, 2),
        6: np.rot90(shown, 1),
        7: shown[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if ending == ".webp" else {"quality": 98, "subsampling": 0} if ending == ".jpg" else {}
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a{ending}", exif=exif, **options)
    image = read_image(tmp_path / f"a{ending}")
    assert image.shape == shown.shape
    assert np.abs(image.astype(int) - shown).max() < 40
    with open_video(tmp_path) as video:
        assert np.array_equal(next(iter(video)).image, image)
    assert np.array_equal(read_frame(tmp_path / f"a{ending}"), image)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_sixteen_bits_are_scaled_as_in_video(tmp_path, ending):
    """B3: not cut at 255."""
    values = np.array([[0, 255, 256], [32768, 51200, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a{ending}")
    assert read_image(tmp_path / f"a{ending}")[..., 0].tolist() == [[0, 0, 1], [128, 200, 255]]


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "floating-point"), (np.int32, "32-bit")])
def test_values_of_an_unknown_range_are_refused(tmp_path, dtype, kind):
    """B3: with a sentence that says what to do."""
    Image.fromarray(np.ones((4, 4), dtype)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=f"{kind}.* save it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=f"none of its 1 frames .*{kind}"), open_video(tmp_path) as video:
        list(video)


def test_the_first_of_several_pages_is_read_and_that_is_said(tmp_path, caplog, monkeypatch):
    """B2: pages."""
    monkeypatch.setattr(images, "_pages_said", False)
    pages = [Image.new("RGB", (8, 6), (100 * number, 0, 0)) for number in range(3)]
    pages[1].save(tmp_path / "a.tif", save_all=True, append_images=pages[2:])
    assert read_image(tmp_path / "a.tif")[0, 0, 0] == 100
    read_image(tmp_path / "a.tif")
    assert caplog.text.count("has 2 pages") == 1


def _png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0" * 64)
    chunks = b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (body, idat, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_header_that_lies_is_a_damaged_picture(tmp_path):
    """C7: skipped like any damaged picture, the rest is tracked."""
    for number in range(3):
        Image.new("RGB", (20, 10)).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(_png_header(60000, 60000))
    bmp = bytearray(100)
    Image.new("RGB", (20, 10)).save(tmp_path / "3.bmp")
    bmp = bytearray((tmp_path / "3.bmp").read_bytes())
    bmp[18:26] = struct.pack("<ii", 2**31 - 1, -(2**31))
    (tmp_path / "3.bmp").write_bytes(bmp)
    with open_video(tmp_path) as video:
        assert [frame.index for frame in video] == [0, 2]
        assert video.skipped == [1, 3]


def test_the_limit_of_pixels_can_be_raised(tmp_path, monkeypatch):
    """C7: real pictures above the limit can be read."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="set MIXFORMER_MAX_MEGAPIXELS"):
        read_image(tmp_path / "a.png")
    monkeypatch.setenv("MIXFORMER_MAX_MEGAPIXELS", "1")
    assert read_image(tmp_path / "a.png").shape == (30, 40, 3)
    monkeypatch.setenv("MIXFORMER_MAX_MEGAPIXELS", "many")
    with pytest.raises(DataError, match="a number of megapixels"):
        read_image(tmp_path / "a.png")


def test_hidden_files_and_folders_are_no_pictures(tmp_path):
    """B4: what other systems leave behind (._1.jpg) and folders with the name of a picture."""
    for name in ("1.jpg", "._1.jpg", ".hidden.png"):
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    (tmp_path / "2.jpg").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["1.jpg"]


def test_numbers_of_any_length_have_an_order():
    names = ["9" * 5000 + ".jpg", "2.jpg", "010.jpg", "1" + "0" * 5000 + ".jpg"]
    assert sorted(names, key=natural_order) == [names[1], names[2], names[0], names[3]]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (None, "the picture could be read"),
        ([[1]], r"numpy\.asarray"),
        (Image.new("RGB", (4, 4)), r"numpy\.asarray"),
        (np.ma.masked_array(np.zeros((4, 4), np.uint8)), "filled"),
    ],
)
def test_what_is_no_frame(frame, words):
    """C10: a typed error that says how to convert it."""
    with pytest.raises(FrameError, match=words):
        as_rgb(frame)


def test_a_matrix_is_a_gray_frame():
    """C10: numpy.matrix indexes in its own way."""
    assert as_rgb(np.asmatrix(np.zeros((4, 5), np.uint8))).shape == (4, 5, 3)


@pytest.mark.parametrize("scale", [1, 7])
def test_depth_is_light_where_it_is_near_in_any_unit(tmp_path, scale):
    far = np.array([[0, 500, 1000], [1000, 2000, 4000]], np.uint16) * scale
    Image.fromarray(far).save(tmp_path / "a.png")
    seen = read_depth(tmp_path / "a.png")
    assert seen.dtype == np.uint8
    assert seen.shape == (2, 3, 3)
    # The median of what is known is 1000, so 3000 and more are black, and so is what is unknown.
    assert seen[..., 0].tolist() == [[0, 212, 170], [170, 85, 0]]
    assert (seen == seen[..., :1]).all()


def test_depth_without_any_value_or_with_colors(tmp_path):
    Image.fromarray(np.zeros((4, 5), np.uint16)).save(tmp_path / "a.png")
    assert not read_depth(tmp_path / "a.png").any()
    colored = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    Image.fromarray(colored).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_depth(tmp_path / "b.png"), colored)
    with pytest.raises(DataError, match=r"cannot read the image .*c\.png"):
        read_depth(tmp_path / "c.png")
