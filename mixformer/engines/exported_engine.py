"""The base of engines for exported graphs. They run one target at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from mixformer.engines.describing import middle_block
from mixformer.engines.own_process import Home
from mixformer.errors import CheckpointError, ConfigError
from mixformer.types import EngineOutput, FloatArray, Image
from mixformer.weights.model_folder import ModelFolder


class UncompiledError(CheckpointError):
    """Graphs that were read, and that the runtime cannot compile on this machine."""


@dataclass(frozen=True)
class TemplateMemory:
    """The encoded templates of some targets."""

    # For each target, the runtime's tensors for `locate`, in the order of the graph's names
    targets: tuple[tuple[Any, ...], ...] = field(repr=False)
    count: int  # number of templates of each target


def require_names(needed: Iterable[str], there: Collection[str], graph: object) -> None:
    """Raise CheckpointError if a graph lacks one of the inputs and outputs that are needed, as a damaged one may."""
    if missing := [name for name in needed if name not in there]:
        raise CheckpointError(f"{graph} has no {', '.join(map(repr, missing))}; export the model again")


class ExportedEngine(ABC):
    """Run `remember` and `locate` of a folder's graphs for one target after the other.

    A batch would be no faster on a CPU, because one target keeps all cores busy. This way, results do not depend on the
    other targets, and a new number of targets needs no new graph. Calls from several threads take turns. A pickle
    holds the arguments of the engine. A deep copy is the engine itself, since no result depends on its buffers.
    """

    runtime: ClassVar[str]

    def __init__(self, folder: ModelFolder) -> None:
        """Raises CheckpointError for a folder without graphs, ConfigError if they need several targets at once."""
        if folder.graphs is None:
            raise CheckpointError(f"{folder.path} holds no graphs; write some with mixformer export")
        if folder.graphs.batch not in (None, 1):
            raise ConfigError(
                f"the graphs in {folder.path} need {folder.graphs.batch} targets at once, but engines run one target "
                "at a time; export them with --batch dynamic or --batch 1"
            )
        self._home = Home(self.runtime)
        self.folder, self.config, self.graphs = folder, folder.config, folder.graphs

    @abstractmethod
    def __reduce__(self) -> Any:
        """Return the class and its arguments."""

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def prepare(self) -> None:
        """Wait until the engine can run. Without this, the first calls wait.

        Raises CheckpointError if the graphs cannot be read, and UncompiledError if they cannot be compiled here.
        """
        return  # most runtimes are ready when they are made

    def remember(self, templates: Image) -> TemplateMemory:
        """See `Engine.remember`. Raises ConfigError if the graphs need another number of templates."""
        self._home.check()
        count = templates.shape[1]
        if self.graphs.templates not in (None, count):
            raise ConfigError(
                f"the graphs of {self.config.name} are made for {self.graphs.templates} templates, not {count}; export "
                "them with --templates dynamic"
            )
        return TemplateMemory(tuple(self._encode(each[None]) for each in templates), count)

    def locate(self, search: Image, memory: TemplateMemory) -> EngineOutput:
        """See `Engine.locate`; errors as `remember`."""
        self._home.check()
        pairs = zip(search, memory.targets, strict=True)
        found = [self._find(each[None], target, memory.count) for each, target in pairs]
        scores = [its["scores"] for its in found if "scores" in its]
        return EngineOutput(np.concatenate([its["boxes"] for its in found]), np.concatenate(scores) if scores else None)

    def describe(self, template: Image) -> FloatArray:
        """See `DescribingEngine.describe`; errors as `remember`."""
        self._home.check()
        name = self.graphs.memory[2 * middle_block(self.config) + 1]  # the tensors are keys and values by turns
        values = self._describe(np.stack([template] * (self.graphs.templates or 1))[None], name)[0]  # (heads, N * T, d)
        tokens: FloatArray = values[:, : self.config.template_grid**2].swapaxes(0, 1)
        return tokens.reshape(len(tokens), -1)

    def join(self, memories: Sequence[TemplateMemory]) -> TemplateMemory:
        """See `Engine.join`. Raises ConfigError if the memories hold different numbers of templates."""
        counts = {memory.count for memory in memories}
        if len(counts) != 1:
            raise ConfigError(f"cannot join memories of {sorted(counts)} templates; join those with equal numbers")
        return TemplateMemory(tuple(target for memory in memories for target in memory.targets), counts.pop())

    @abstractmethod
    def _encode(self, templates: Image) -> tuple[Any, ...]:
        """Return the memory tensors of one target; `templates` is (1, N, t, t, 3)."""

    @abstractmethod
    def _describe(self, templates: Image, name: str) -> FloatArray:
        """Return the numbers of one memory tensor of a target; `templates` is (1, N, t, t, 3)."""

    @abstractmethod
    def _find(self, search: Image, target: tuple[Any, ...], count: int) -> dict[str, FloatArray]:
        """Return float64 `boxes` (1, 4) and, with a score head, `scores` (1,); `search` is (1, s, s, 3)."""
