"""Follow one arbitrary object through a video, given its box in the first frame."""

__version__ = "0.1.0"
