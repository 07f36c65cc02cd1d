"""Files of torch.save are read, and nothing in them is run."""

import collections
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mixformer.configs.presets import tracker_config
from mixformer.configs.variants import MODELS
from mixformer.errors import CheckpointError
from mixformer.weights.checkpoint_reader import read_checkpoint
from mixformer.weights.official_names import to_official
from mixformer.weights.state_dicts import model_shapes
from mixformer.weights.tracker_settings import load_tracker_config, stored_config


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call

    def __call__(self) -> None:
        """Callable, so that a pickle may call what the call returns."""


def weights() -> dict[str, torch.Tensor]:
    base = torch.arange(24, dtype=torch.float32)
    return collections.OrderedDict(
        plain=torch.randn(3, 4),
        transposed=torch.randn(5, 2).t(),
        part=base[4:12].view(2, 4),
        shared=base,
        half=torch.randn(4).half(),
        brain=torch.randn(4).bfloat16(),
        double=torch.randn(2, 2, dtype=torch.float64),
        count=torch.tensor(7),
        flags=torch.tensor([True, False]),
        empty=torch.empty(0, 3),
        parameter=torch.nn.Parameter(torch.randn(2)),
    )


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def layout(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def save(content: Any, path: Path, layout: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=layout)
    return path


def same(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(got) == list(expected)
    for key, value in expected.items():
        assert got[key].dtype == value.dtype, key
        assert torch.equal(got[key], value.detach()), key


def test_every_kind_of_tensor_comes_back(tmp_path: Path, layout: bool) -> None:
    expected = weights()
    same(read_checkpoint(save({"epoch": 3, "net": expected}, tmp_path / "a.pth.tar", layout)), expected)
    same(read_checkpoint(save(expected, tmp_path / "b.pth", layout)), expected)


def test_a_real_state_dict_with_metadata(tmp_path: Path, layout: bool) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    same(read_checkpoint(save(module.state_dict(), tmp_path / "a.pth", layout)), module.state_dict())


def test_tensors_own_their_memory(tmp_path: Path) -> None:
    got = read_checkpoint(save(weights(), tmp_path / "a.pth"))
    got["shared"].zero_()
    assert got["part"].abs().sum() > 0


def foreign_modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Objects of classes whose modules vanish before loading."""
    for name in ("made_up", "made_up.admin", "made_up.admin.settings"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    module = sys.modules["made_up.admin.settings"]
    source = """
class Settings:
    def __init__(self): self.local, self.values = None, [1, 2]
class Strict(Settings):
    def __setstate__(self, state): raise RuntimeError("must not be called")
class Meter(dict): pass
class Rows(list): pass
class Made:
    def __new__(cls, *, size=1): return object.__new__(cls)
    def __getnewargs_ex__(self): return (), {"size": 3}
def factory(*_): return Settings()
"""
    exec(compile(source, "made_up", "exec"), module.__dict__)
    for name in ("Settings", "Strict", "Meter", "Rows", "Made"):
        getattr(module, name).__module__ = "made_up.admin.settings"
    module.factory.__module__ = "made_up.admin.settings"
    settings = module.Settings()
    settings.local = module.Strict()
    return {
        "settings": settings,
        "stats": collections.OrderedDict(Loss=module.Meter(avg=1.0), rows=module.Rows([settings, 2])),
        "constructor": Call(module.factory, settings, torch.ones(3)),
        "made": module.Made(),
        module.Settings: "a class as a key",
        "optimizer": {"state": {0: {"step": 5, "exp_avg": torch.ones(4)}}, "lr": np.float64(0.1), "array": np.ones(3)},
        "size": torch.Size([1, 2]),
        "type": torch.float32,
        "device": torch.device("cpu"),
        "many": {frozenset({1}): collections.defaultdict(list, a=[1])},
    }


def test_foreign_classes_are_ignored(tmp_path: Path, layout: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = weights()
    with monkeypatch.context() as context:
        content = foreign_modules(context)
        save({**content, "net": expected, "net_info": content["settings"]}, tmp_path / "a.pth.tar", layout)
    assert "made_up" not in sys.modules
    same(read_checkpoint(tmp_path / "a.pth.tar"), expected)
    assert "made_up" not in sys.modules


def attacks(victim: Path) -> list[Any]:
    """Objects that make a file when an ordinary unpickler reads them."""
    touch = f"touch '{victim}'"
    return [
        Call(os.system, touch),
        Call(eval, f"open({str(victim)!r}, 'w')"),
        Call(exec, f"open({str(victim)!r}, 'w')"),
        Call(open, str(victim), "w"),
        Call(Call(getattr, Call(__import__, "os"), "system"), touch),
    ]


def test_the_attacks_would_work_on_an_ordinary_unpickler(tmp_path: Path) -> None:
    for index in range(len(attacks(tmp_path))):
        victim = tmp_path / f"victim{index}"
        save({"net": weights(), "settings": attacks(victim)[index]}, tmp_path / "a.pth")
        torch.load(tmp_path / "a.pth", weights_only=False)
        assert victim.exists()


def test_no_code_is_run(tmp_path: Path, layout: bool) -> None:
    victim, expected = tmp_path / "victim", weights()
    for index, attack in enumerate(attacks(victim)):
        place = save({"settings": attack, "net": expected}, tmp_path / f"{index}.pth.tar", layout)
        same(read_checkpoint(place), expected)
        for content in ({"net": attack}, {"net": {"a": torch.ones(2), "b": attack}}, attack, [attack]):
            with pytest.raises(CheckpointError):
                read_checkpoint(save(content, tmp_path / "bad.pth.tar", layout))
        with pytest.raises(CheckpointError):
            read_checkpoint(write_bytes(tmp_path / "raw.pth", pickle.dumps(attack)))
    assert not victim.exists()


def hand_made(opcodes: bytes, path: Path) -> Path:
    """A zip as torch.save writes it, around hand-written pickle opcodes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", opcodes)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", np.arange(4, dtype=np.float32).tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"


def tensor(
    storage: bytes = STORAGE, tail: bytes = b"K\x00K\x04\x85K\x01\x85\x89ccollections\nOrderedDict\n)R"
) -> bytes:
    """Opcodes of {"net": {"w": tensor}}; the default is 4 numbers."""
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + tail + b"tR"
    return b"\x80\x02}X\x03\x00\x00\x00net}X\x01\x00\x00\x00w" + made + b"ss."


def test_hand_made_file_is_read(tmp_path: Path) -> None:
    got = read_checkpoint(hand_made(tensor(), tmp_path / "a.pth"))
    assert got["w"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "opcodes",
    [
        tensor(tail=b"K\x00K\x05\x85K\x01\x85\x89}"),  # longer than its storage
        tensor(tail=b"K\x02K\x04\x85K\x01\x85\x89}"),  # starts too late
        tensor(tail=b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85\x89}"),  # one number, repeated two thousand million times
        tensor(tail=b"K\x00K\x02\x85J\xff\xff\xff\xff\x85\x89}"),  # negative stride
        tensor(tail=b"K\x00K\x04\x85)\x89}"),  # shape and stride of different length
        tensor(tail=b"K\x00X\x01\x00\x00\x00aK\x01\x85\x89}"),  # shape is text
        tensor(storage=b"N"),  # no storage
        tensor(storage=STORAGE.replace(b"K\x04", b"J\xff\xff\xff\x7f")),  # storage larger than the file
        tensor(storage=STORAGE.replace(b"\x01\x00\x00\x000", b"\x01\x00\x00\x009")),  # storage that is not there
        tensor(storage=STORAGE.replace(b"X\x07\x00\x00\x00storage", b"X\x05\x00\x00\x00other")),
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)\x81.",  # a tensor that was never initialized
        b"\x80\x02}X\x03\x00\x00\x00net}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n)\x81ss.",
        b"\x80\x02ccollections\nOrderedDict\nN}X\x01\x00\x00\x00aK\x01s\x86b.",  # attributes set on a class
        b"\x80\x02ctorch\nfloat32\nctorch._utils\n_rebuild_tensor_v2\nN}X\x01\x00\x00\x00aK\x01s\x86b.",
        b"\x80\x02Qq.",
        b"\x80\x02}",  # cut off
        b"\x80\x63.",  # unknown protocol
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",  # extension registry
    ],
)
def test_wrong_descriptions_are_refused(opcodes: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        read_checkpoint(hand_made(opcodes, tmp_path / "a.pth"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is a text file\n", "not a PyTorch checkpoint"),
        (b"PK\x03\x04 and nothing more", "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not a PyTorch checkpoint"),
        (bytes(1000), "not a PyTorch checkpoint"),
        (pickle.dumps({"net": 1}), "not a PyTorch checkpoint"),
        (pickle.dumps(0x1950A86A20F9469CFC6C), "cut off"),
    ],
)
def test_other_files_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(write_bytes(tmp_path / "a.pth", content))


def test_damaged_files_are_refused(tmp_path: Path, layout: bool) -> None:
    whole = save({"net": {"w": torch.randn(500)}}, tmp_path / "a.pth", layout).read_bytes()
    for share in (0.1, 0.4, 0.7, 0.99):
        with pytest.raises(CheckpointError):
            read_checkpoint(write_bytes(tmp_path / "b.pth", whole[: int(share * len(whole))]))


def test_changed_bytes_in_a_zip_are_noticed(tmp_path: Path) -> None:
    place = save({"w": torch.zeros(500)}, tmp_path / "a.pth")
    content = bytearray(place.read_bytes())
    with zipfile.ZipFile(place) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
    name, extra = struct.unpack("<HH", content[info.header_offset + 26 : info.header_offset + 30])
    content[info.header_offset + 30 + name + extra + 100] = 1
    with pytest.raises(CheckpointError, match="CRC"):
        read_checkpoint(write_bytes(place, bytes(content)))


def test_zip_files_that_torch_did_not_write(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(CheckpointError, match="not one that torch"):
        read_checkpoint(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", tensor())
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("archive/data.pkl", tensor())
        archive.writestr("archive/byteorder", "big")
    with pytest.raises(CheckpointError, match="big-endian"):
        read_checkpoint(tmp_path / "c.zip")


def test_files_without_weights(tmp_path: Path, layout: bool) -> None:
    for content in ({}, {"net": {}}, {"net": [1]}, [torch.ones(2)], "text"):
        with pytest.raises(CheckpointError, match="holds no weights"):
            read_checkpoint(save(content, tmp_path / "a.pth", layout))
    with pytest.raises(CheckpointError, match="epoch"):
        read_checkpoint(save({"epoch": 1, "weights": {"w": torch.ones(2)}}, tmp_path / "a.pth", layout))
    with pytest.raises(CheckpointError, match="no file"):
        read_checkpoint(tmp_path / "missing.pth")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path)


def test_shapes_are_read_without_any_storage(tmp_path: Path, layout: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = weights()
    path = save({"net": expected}, tmp_path / "w.pth", layout)
    read, reading = [], zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda file, name: read.append(name) or reading(file, name))
    monkeypatch.setattr("mixformer.weights.checkpoint_reader._from_bytes", None)
    found = read_checkpoint(path, shapes_only=True)
    assert {key: (value.shape, value.dtype) for key, value in found.items()} == {
        key: (value.shape, value.dtype) for key, value in expected.items()
    }
    assert all(value.is_meta for value in found.values())
    assert not [name for name in read if "/data/" in name]
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_the_variant_of_an_official_file_is_told_by_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = MODELS["mixformerv2_s"]
    state = {key: torch.zeros(shape) for key, shape in model_shapes(config).items()}
    path = save({"net": to_official(state, config)}, tmp_path / "official.pth.tar")
    monkeypatch.setattr("mixformer.weights.checkpoint_reader._from_bytes", None)
    assert stored_config(path).name == "mixformerv2_s"
    assert load_tracker_config(path) == tracker_config("mixformerv2_s")
