"""Read tensors, or only their shapes, from a file of `torch.save` without running code from the file.

A pickle is a program that names callables and calls them. This reader replaces each callable: tensors become inert
records, ordered dictionaries become plain ones, and any other class becomes a `Placeholder` that ignores all calls. It
reads both formats: the zip archive (torch 1.6 and later) and the earlier stream of pickles.
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import torch
from torch import Tensor

from mixformer.errors import CheckpointError
from mixformer.weights.pickle_limits import check_pickle

_ZIP = b"PK\x03\x04"
_LARGEST_PICKLE = 128 * 2**20  # bytes
_LARGEST_COPY = 8  # bytes of all tensors in sizes of the file; several tensors may view one storage
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Entries that hold a state dict: in the official trackers; in MAE, DeiT and others; in mmtracking and others.
_ENTRIES = ("net", "model", "state_dict")
_BROKEN = (
    pickle.UnpicklingError, EOFError, LookupError, ValueError, AttributeError, TypeError, ArithmeticError, MemoryError,
    struct.error, RuntimeError, OSError, zipfile.BadZipFile,
)  # fmt: skip

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Placeholder:
    """A stand-in for any class or function of a pickle. All its operations do nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Placeholder:
        """Ignore the arguments."""
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Ignore the arguments."""

    def __call__(self, *_: Any, **__: Any) -> Placeholder:
        """Ignore the arguments; the result is inert too."""
        return Placeholder()

    def __setstate__(self, _: Any) -> None:
        """Ignore the state."""

    def __setitem__(self, _: Any, __: Any) -> None:
        """Ignore an entry."""

    def append(self, _: Any) -> None:
        """Ignore an item."""

    add = extend = append


class _Dict(dict[Any, Any]):
    """An ordered dictionary whose attributes cannot be set (state dicts carry a `_metadata` attribute)."""

    __slots__ = ()

    def __setstate__(self, _: Any) -> None:
        """Ignore attributes."""


class _Storage(NamedTuple):
    """A block of numbers in the file: their type, key and count."""

    dtype: torch.dtype
    key: str
    length: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.length * self.dtype.itemsize


class _Record(Placeholder):
    """The description of a tensor in the file: a view of a storage that has not been read yet."""

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> None:
        whole = (offset, *shape, *stride)
        known = isinstance(storage, _Storage) and len(shape) == len(stride)
        if not known or not all(isinstance(v, int) and v >= 0 for v in whole):
            raise pickle.UnpicklingError("a tensor is described wrongly")
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if math.prod(shape) > storage.length or (math.prod(shape) and last >= storage.length):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        self.storage, self.offset, self.shape, self.stride = storage, offset, tuple(shape), tuple(stride)

    def read(self, storage: Tensor) -> Tensor:
        """Make the tensor, with memory of its own."""
        return storage.as_strided(self.shape, self.stride, self.offset).clone(memory_format=torch.contiguous_format)


class _Parameter(Placeholder):
    """The stand-in for `nn.Parameter`."""

    def __new__(cls, data: Any = None, *_: Any) -> Any:
        return data


class _SafeUnpickler(pickle.Unpickler):
    """An unpickler that can only make plain containers, records and placeholders; `storages` has all by key."""

    def __init__(self, file: IO[bytes]) -> None:
        """Check the size of the pickle. Raises UnpicklingError if it is larger than any state dict."""
        check_pickle(file)
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name; nothing is imported."""
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        # The few callables that a state dict needs, each replaced by a harmless class of this module.
        known = {
            ("collections", "OrderedDict"): _Dict,
            ("torch._utils", "_rebuild_tensor"): _Record,
            ("torch._utils", "_rebuild_tensor_v2"): _Record,
            ("torch._utils", "_rebuild_parameter"): _Parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): _Parameter,
        }
        return known.get((module, name), Placeholder)

    def persistent_load(self, pid: Any) -> _Storage:
        """Read a reference to a storage: ("storage", type, key, device, count, ...)."""
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int) or count < 0:
            raise pickle.UnpicklingError("unknown kind of storage")
        if len(pid) > 5 and pid[5] is not None:
            raise pickle.UnpicklingError("views of storages (torch before 0.4) are not supported")
        return self.storages.setdefault(str(key), _Storage(dtype, str(key), count))


def read_checkpoint(path: str | Path, *, shapes_only: bool = False) -> dict[str, Tensor]:
    """Read the weights in a file of `torch.save`: its entry `net`, `model` or `state_dict`, or the whole content.

    Tensors are on the CPU, in the file's types; with `shapes_only` on the device "meta", with only a shape and a type.
    Raises CheckpointError if the file is missing, damaged, not a PyTorch file, or holds no weights.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if not start:
                raise CheckpointError(f"{path} is empty; copy or download it again")
            read_records = _read_zip if start == _ZIP else _read_legacy
            with read_records(file, path) as (records, read):
                _require_bounded(records, path)
                if shapes_only:
                    return {k: torch.empty(r.shape, dtype=r.storage.dtype, device="meta") for k, r in records.items()}
                storages = {record.storage for record in records.values()}  # each is read once
                loaded = {storage: _from_bytes(storage, read(storage)) for storage in storages}
                return {key: record.read(loaded[record.storage]) for key, record in records.items()}
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}; check the path") from error
    except PermissionError as error:
        raise CheckpointError(f"cannot read {path}: {error}; change its permissions") from error
    except CheckpointError:
        raise
    except _BROKEN as error:
        advice = "it is damaged, cut off, or not a PyTorch checkpoint; download it again and compare its size"
        raise CheckpointError(f"cannot read {path}: {advice} ({error})") from error


_Records = tuple[dict[str, _Record], Callable[[_Storage], bytes]]
"""The descriptions of the weights, and a function that reads a storage."""


@contextmanager
def _read_zip(file: IO[bytes], path: Path) -> Iterator[_Records]:
    with zipfile.ZipFile(file) as archive:
        roots = [name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise CheckpointError(
                f"{path} is a zip file, but not one that torch.save wrote; "
                "give a checkpoint (.pth, .pth.tar) or a model folder"
            )
        root = roots[0]
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            # torch.save does not compress, and a compressed file could unpack to any size.
            raise CheckpointError(f"{path} is a compressed zip file; use the file as torch.save wrote it")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise CheckpointError(f"{path} was written on a big-endian machine; save it again on a common one")
        if archive.getinfo(f"{root}data.pkl").file_size > _LARGEST_PICKLE:
            raise pickle.UnpicklingError("the description of its tensors is larger than any state dict's")
        content = _SafeUnpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load()
        yield _find_weights(content, path), lambda storage: archive.read(f"{root}data/{storage.key}")


@contextmanager
def _read_legacy(file: IO[bytes], path: Path) -> Iterator[_Records]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bounded:  # a read returns no more than the file holds
        yield _read_stream(cast(IO[bytes], bounded), path)


def _read_stream(file: IO[bytes], path: Path) -> _Records:
    # 1. The header: three small pickles.
    if _SafeUnpickler(file).load() != _LEGACY_MAGIC:
        raise pickle.UnpicklingError("no PyTorch header")
    _SafeUnpickler(file).load()  # protocol version
    machine = _SafeUnpickler(file).load()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise CheckpointError(f"{path} was written on a big-endian machine; save it again on a common one")
    # 2. The content, which refers to storages by key, and the order of the storages.
    unpickler = _SafeUnpickler(file)
    content = unpickler.load()
    keys = _SafeUnpickler(file).load()
    # 3. Find where each storage begins. Check sizes before reading: a damaged count may claim any memory.
    begin, end = file.tell(), path.stat().st_size
    places: dict[str, int] = {}
    for key in keys:  # the storages follow in this order: each a 64-bit count, then the numbers
        (count,) = struct.unpack("<q", file.read(8))
        storage = unpickler.storages[key]
        if storage.length != count or begin + 8 + storage.size > end:
            raise pickle.UnpicklingError("the list of storages does not fit the content")
        places[key] = begin + 8
        begin += 8 + storage.size
        file.seek(begin)

    def read(storage: _Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.size)

    return _find_weights(content, path), read


def _require_bounded(records: dict[str, _Record], path: Path) -> None:
    """Check that the file is large enough for its storages, and for the tensors that view them."""
    stored = sum(storage.size for storage in {record.storage for record in records.values()})
    shown = sum(math.prod(record.shape) * record.storage.dtype.itemsize for record in records.values())
    size = path.stat().st_size
    if stored > size or shown > _LARGEST_COPY * size:
        raise pickle.UnpicklingError(f"it describes tensors of {max(stored, shown)} bytes in a file of {size}")


def _find_weights(content: Any, path: Path) -> dict[str, _Record]:
    """Find the weights in the unpickled content."""
    entries = [content[name] for name in _ENTRIES if isinstance(content, dict) and name in content]
    weights = entries[0] if entries else content
    known = " or ".join(repr(name) for name in _ENTRIES)
    if not isinstance(weights, dict) or not weights:
        raise CheckpointError(f"{path} holds no weights; it needs a dictionary of tensors, or one under {known}")
    wrong = [str(key) for key, value in weights.items() if not (isinstance(key, str) and isinstance(value, _Record))]
    if wrong:
        raise CheckpointError(
            f"{path} is not a state dict: {', '.join(wrong[:8])} are no tensors, and {known} is missing; give weights"
        )
    return weights


def _from_bytes(storage: _Storage, data: bytes) -> Tensor:
    if len(data) != storage.size:
        raise pickle.UnpicklingError(f"storage {storage.key} has {len(data)} bytes instead of {storage.size}")
    return torch.frombuffer(bytearray(data), dtype=storage.dtype) if data else torch.empty(0, dtype=storage.dtype)
