"""Smooth paths of objects in synthetic sequences, and motion blur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mixformer.data.sampling import Random


@dataclass(frozen=True)
class Motion:
    """Settings of motion in a synthetic scene; time is counted in frames."""

    span: int = 100  # largest number of frames from the first to the last of a sample
    speed: float = 0.15  # largest movement in one frame, in units of the target's side
    growth: float = 0.4  # amplitude of the log of the side
    turn: float = 20.0  # amplitude of the angle in degrees
    occlusion: float = 0.3  # probability that an object passes in front of the target in the search frame
    exposure: float = 0.8  # largest fraction of a frame's time in which the shutter is open. Motion in this time blurs.

    def times(self, random: Random, count: int) -> list[float]:
        """Draw the times of the frames of a sample, ascending, so that the search frame comes last."""
        return sorted(random.uniform(0, self.span, count).tolist())


@dataclass(frozen=True)
class Pose:
    """The place of an object at one time: center and side in pixels, velocity in pixels a frame, angle in degrees."""

    x: float
    y: float
    side: float
    angle: float
    velocity: tuple[float, float]


@dataclass(frozen=True)
class Swing:
    """A path that swings around a middle in position, size and angle."""

    middle: tuple[float, float]  # (x, y) in pixels
    reach: tuple[float, float]  # largest distance from the middle along each axis in pixels
    side: float  # mean side in pixels
    growth: float  # amplitude of the log of the side
    turn: float  # amplitude of the angle in degrees
    phase: NDArray[np.float64]  # (4,) of x, y, size and angle, in radians
    rate: NDArray[np.float64]  # (4,) radians a frame

    @classmethod
    def draw(cls, random: Random, motion: Motion, side: float, rows: int, columns: int) -> Self:
        """Draw a path whose center stays in the inner 80 % of a frame of `rows` x `columns` pixels."""
        reach = 0.4 * columns, 0.4 * rows
        fastest = motion.speed * side / np.sqrt(2) / np.array(reach)
        rate = np.append(random.uniform(0.2, 1, 2) * fastest, random.uniform(0.005, 0.05, 2))
        return cls(
            (columns / 2, rows / 2), reach, side, motion.growth, motion.turn, random.uniform(0, 2 * np.pi, 4), rate
        )

    def at(self, time: float) -> Pose:
        """The pose at a moment, in frames."""
        angles = self.phase + self.rate * time
        swing, slope = np.sin(angles), np.cos(angles) * self.rate
        return Pose(
            float(self.middle[0] + self.reach[0] * swing[0]),
            float(self.middle[1] + self.reach[1] * swing[1]),
            float(self.side * np.exp(self.growth * swing[2])),
            float(self.turn * swing[3]),
            (float(self.reach[0] * slope[0]), float(self.reach[1] * slope[1])),
        )


@dataclass(frozen=True)
class Pass:
    """A straight path at constant speed through a given place at a given time."""

    place: tuple[float, float]
    time: float
    side: float
    angle: float
    velocity: tuple[float, float]

    @classmethod
    def draw(cls, random: Random, motion: Motion, pose: Pose, time: float) -> Self:
        """Draw the path of a smaller object that covers a part of the object at `pose` at `time`."""
        aside = random.uniform(-0.6, 0.6, 2) * pose.side
        direction, speed = random.uniform(0, 2 * np.pi), random.uniform(0.2, 1) * motion.speed * pose.side
        velocity = float(np.cos(direction) * speed), float(np.sin(direction) * speed)
        place = float(pose.x + aside[0]), float(pose.y + aside[1])
        return cls(place, time, 0.6 * pose.side, float(random.uniform(-30, 30)), velocity)

    def at(self, time: float) -> Pose:
        """The pose at a moment, in frames."""
        x, y = (p + v * (time - self.time) for p, v in zip(self.place, self.velocity, strict=True))
        return Pose(x, y, self.side, self.angle, self.velocity)


def motion_blur(cut_out: NDArray[np.uint8], dx: float, dy: float) -> NDArray[np.uint8]:
    """Blur an RGBA cut-out (h, w, 4) that moves by (dx, dy) pixels; it grows by about that, around the same middle."""
    steps = min(16, int(np.ceil(max(abs(dx), abs(dy)))))
    if steps < 2:
        return cut_out
    border = int(np.ceil(abs(dy) / 2)), int(np.ceil(abs(dx) / 2))
    height, width = cut_out.shape[:2]
    total = np.zeros((height + 2 * border[0], width + 2 * border[1], 4), np.float32)
    solid = cut_out.astype(np.float32)
    solid[..., :3] *= solid[..., 3:] / 255
    for part in (np.arange(steps) + 0.5) / steps - 0.5:
        y, x = border[0] + round(part * dy), border[1] + round(part * dx)
        total[y : y + height, x : x + width] += solid / steps
    total[..., :3] *= 255 / np.maximum(total[..., 3:], 1e-3)
    return np.clip(np.rint(total), 0, 255).astype(np.uint8)
