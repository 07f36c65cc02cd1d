"""Find the input of FFmpeg for a camera that is given by number or name."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from mixformer.errors import SourceError


class CameraInput(NamedTuple):
    """The input that FFmpeg opens."""

    address: str  # name of the camera, as `format` writes it
    format: str  # FFmpeg's input: "v4l2" on Linux, "avfoundation" on macOS, "dshow" on Windows
    options: dict[str, str]  # further options of that input


def is_camera(text: str) -> bool:
    """Tell whether a source means a camera: a number, `/dev/video*`, or `video=NAME` on Windows."""
    return (text.isascii() and text.isdigit()) or text.startswith(("/dev/video", "video="))


def camera_input(text: str, platform: str = sys.platform) -> CameraInput:
    """Return the input of FFmpeg for a camera, as it is on a `platform` of `sys.platform`.

    Raises SourceError if the camera does not exist, or is named as on another system.
    """
    if platform == "darwin":
        if not text.isdigit():
            raise SourceError(f"cameras have numbers on macOS: give 0 for the first one, not {text}")
        return CameraInput(f"{text}:none", "avfoundation", {"framerate": "30", "pixel_format": "uyvy422"})
    if platform == "win32":
        if text.isdigit():  # dshow knows only names of cameras
            names = _windows_cameras()
            if int(text) >= len(names):
                there = ", ".join(names) or "none"
                raise SourceError(f"there is no camera {text}; found: {there}. A name can be given as video=NAME")
            text = f"video={names[int(text)]}"
        return CameraInput(text, "dshow", {"rtbufsize": "100M"})
    device = f"/dev/video{text}" if text.isdigit() else text
    if not os.path.exists(device):
        raise SourceError(f"there is no camera {device}; a file named {text!r} can be given as ./{text}")
    return CameraInput(device, "v4l2", {})


def _windows_cameras() -> list[str]:
    """List the names of the cameras that DirectShow finds."""
    from av.device import enumerate_input_devices

    return [device.description for device in enumerate_input_devices("dshow") if "video" in device.media_types]
