"""Check the size of a pickle before it is loaded.

A few kilobytes of a pickle can describe values that take all memory, or that are nested so deeply that the interpreter
crashes. A state dict is shallow and short. The check follows the pickle's instructions without making values.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import IO, Any, NamedTuple

_MOST_STEPS = 2_000_000  # instructions; a large checkpoint with its optimizer has about 0.1 million
_DEEPEST = 100  # levels of nesting
_MOST_PARTS = 10_000_000  # values inside one value; a shared value counts each time
_MARK = None
_FILL = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}  # these add to an existing container
_GET, _PUT = {"GET", "BINGET", "LONG_BINGET"}, {"PUT", "BINPUT", "LONG_BINPUT"}


class _Size(NamedTuple):
    """The depth of a value's nesting, and the number of its parts."""

    depth: int = 1
    parts: int = 1


def check_pickle(file: IO[bytes]) -> None:
    """Walk over one pickle from the file's position, and return to that position.

    A read must return no more than the file holds. Raises UnpicklingError if the pickle is damaged, or larger than any
    state dict.
    """
    start = file.tell()
    walk = _Walk()
    for steps, (opcode, argument, _) in enumerate(pickletools.genops(file), 1):
        walk.step(opcode, argument, steps)
        if steps > _MOST_STEPS:
            raise pickle.UnpicklingError(f"more than {_MOST_STEPS} instructions, which no state dict needs")
    file.seek(start)


class _Walk:
    """The sizes of the values on the stack and in the memo of an unpickler."""

    def __init__(self) -> None:
        self.stack: list[_Size | None] = []
        self.memo: dict[int, _Size] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any, steps: int) -> None:
        """Follow one instruction; `steps` is its number."""
        if opcode.name in _GET:
            self.stack.append(self.memo[int(argument)])
        elif opcode.name in _PUT or opcode.name == "MEMOIZE":
            place = len(self.memo) if argument is None else int(argument)
            if place > steps:  # the unpickler would allocate all places before it
                raise pickle.UnpicklingError(f"place {place} of the memo after {steps} instructions")
            self.memo[place] = self._top()
        elif opcode.name == "MARK":
            self.stack.append(_MARK)
        elif opcode.name != "POP":
            self._replace(opcode)
        elif self.stack:  # POP takes a mark too
            self.stack.pop()

    def _top(self) -> _Size:
        top = self.stack[-1]
        if top is _MARK:
            raise pickle.UnpicklingError("a mark where a value should be")
        return top

    def _replace(self, opcode: pickletools.OpcodeInfo) -> None:
        """Pop the values that the instruction takes, and push those that it makes."""
        taken: list[_Size] = []
        for kind in reversed(opcode.stack_before):
            if kind is pickletools.stackslice:
                continue
            if kind is pickletools.markobject:
                while (size := self.stack.pop()) is not _MARK:
                    taken.append(size)
            else:
                taken.append(self._top())
                self.stack.pop()
        inner = taken[:-1] if opcode.name in _FILL else taken
        depth = 1 + max((size.depth for size in inner), default=0)
        parts = 1 + sum(size.parts for size in inner)
        if opcode.name in _FILL:
            depth, parts = max(depth, taken[-1].depth), parts + taken[-1].parts
        if depth > _DEEPEST or parts > _MOST_PARTS:
            raise pickle.UnpicklingError(f"values nested {depth} deep with {parts} parts, which no state dict has")
        self.stack += [_Size(depth, parts)] * len(opcode.stack_after)
