"""The sections of a recipe that concern a teacher; `mixformer.training.config` has the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixformer.configs.base_config import BaseConfig
from mixformer.errors import ConfigError


@dataclass(frozen=True)
class TeacherSection(BaseConfig):
    """The teacher of a distillation, and the weights of its losses.

    Blocks are numbered from 0 over all mixed-attention blocks of a network. The official run with fading blocks
    compares blocks 2, 5, 8, 11 of both networks; without blocks 0, 3, 6, 9, the student's become 1, 3, 5, 7.

    Attributes:
        model: name, folder or checkpoint of the teacher.
        kl_weight: weight of the divergence of the edge distributions.
        feature_weight: weight of the mean squared error of block outputs; 0.2 in the official deep-to-shallow runs.
        student_blocks: blocks of the student whose outputs are compared.
        teacher_blocks: block of the teacher for each of `student_blocks`.
        variant: "official" = means over the four edges and over the pairs of blocks, as in the code; "paper" = their
            sums (equations 5 and 6).

    Raises ConfigError if the lists differ in length, or features have a weight but no blocks.

    Example:
        >>> TeacherSection("runs/teacher/model", feature_weight=0.2, student_blocks=(1,), teacher_blocks=(2,)).kl_weight
        5.0
    """

    model: str = ""
    kl_weight: float = 5.0
    feature_weight: float = 0.0
    student_blocks: tuple[int, ...] = ()
    teacher_blocks: tuple[int, ...] = ()
    variant: Literal["official", "paper"] = "official"

    def __post_init__(self) -> None:
        super().__post_init__()
        ours, theirs = len(self.student_blocks), len(self.teacher_blocks)
        if ours != theirs:
            raise ConfigError(
                f"{ours} student blocks cannot be paired with {theirs} teacher blocks; name one teacher block for each "
                "student block"
            )
        self._bound(0, 1e6, "kl_weight", "feature_weight")
        self._bound(0, 1e4, "student_blocks", "teacher_blocks")
        if self.feature_weight and not ours:
            raise ConfigError("feature_weight needs student_blocks and teacher_blocks to compare; or set it to 0")


@dataclass(frozen=True)
class PruningSection(BaseConfig):
    """Progressive depth pruning: blocks of the student fade out, and the trained model is written without them.

    Attributes:
        blocks: numbers of the blocks to remove, from 0.
        epochs: epochs until the blocks have faded out.
        variant: "official", or "paper" for equation 8 as printed (MixFormerV2).

    Example:
        >>> PruningSection(blocks=(0, 3, 6, 9)).epochs
        40
    """

    blocks: tuple[int, ...] = ()
    epochs: int = 40
    variant: Literal["official", "paper"] = "official"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._bound(0, 1e4, "blocks")
        self._bound(1, 1e9, "epochs")
