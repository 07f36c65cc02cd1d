"""Draw docs/images/demo.gif: the bundled clip tracked, with its target covered for a while.

    python tools/demo_gif.py

Boxes, scores and statuses are those of the tracker on exactly these frames; the gray block stands for anything that
hides a target. Every second frame is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image as PillowImage, ImageDraw

from mixformer import Tracker, TrackResult, open_video
from mixformer.types import Image
from mixformer.video import Annotator
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.video.draw import label_font

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo.gif"
COVERED = range(18, 32)
WALL = (225, 0, 335, 360)  # left, top, right, bottom
SIZE, BAR = (480, 270), 30
COLORS = {"tracking": (64, 255, 96), "uncertain": (255, 176, 32), "lost": (176, 176, 176)}
MOST_BYTES = 3_000_000


def main() -> None:
    pictures = [_shown(image, result) for image, result in _tracked() if result.frame % 2 == 0]
    # One palette for all, so that colors do not flicker.
    sheet = PillowImage.new("RGB", (SIZE[0], len(pictures) * (SIZE[1] + BAR)))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (0, place * (SIZE[1] + BAR)))
    for place, color in enumerate(COLORS.values()):
        sheet.paste(color, (0, place * SIZE[1], SIZE[0], (place + 1) * SIZE[1]))
    palette = sheet.quantize(256, method=PillowImage.Quantize.MAXCOVERAGE)
    frames = [each.quantize(palette=palette, dither=PillowImage.Dither.FLOYDSTEINBERG) for each in pictures]
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(PICTURE, save_all=True, append_images=frames[1:], duration=90, loop=0, optimize=True)
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {len(frames)} frames, {size / 1e6:.2f} MB")
    if size > MOST_BYTES:
        raise SystemExit("the picture is too large for a README")


def _tracked() -> Iterator[tuple[Image, TrackResult]]:
    """Drawn frames with their results."""
    tracker, annotator = Tracker(), Annotator()
    with open_video(DEMO_CLIP) as video:
        for frame in video:
            image = frame.image.copy()
            if frame.index in COVERED:
                left, top, right, bottom = WALL
                image[top:bottom, left:right] = (96, 104, 112)
            result = tracker.init(image, DEMO_BOX) if frame.index == 0 else tracker.update(image)
            yield annotator.draw(image, result), result


def _shown(image: Image, result: TrackResult) -> PillowImage.Image:
    """The frame, and below it the status and the score as a bar."""
    picture = PillowImage.new("RGB", (SIZE[0], SIZE[1] + BAR), (24, 26, 30))
    picture.paste(PillowImage.fromarray(image).resize(SIZE, PillowImage.Resampling.LANCZOS))
    pen, middle, color = ImageDraw.Draw(picture), SIZE[1] + BAR // 2, COLORS[result.status]
    pen.text((12, middle), result.status, fill=color, font=label_font(16), anchor="lm")
    pen.rectangle((120, middle - 5, 400, middle + 5), fill=(60, 64, 70))
    score = 1.0 if result.score is None else result.score
    pen.rectangle((120, middle - 5, 120 + round(280 * score), middle + 5), fill=color)
    pen.text((468, middle), f"score {score:.2f}", fill=(220, 220, 220), font=label_font(13), anchor="rm")
    return picture


if __name__ == "__main__":
    main()
