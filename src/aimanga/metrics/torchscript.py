"""Read the tensors of a TorchScript archive without running it.

Such an archive is a zip of code and of a pickle that describes modules and tensors. `torch.jit.load` trusts both, and
`torch.load(weights_only=True)` refuses them. Here the code is not looked at, and the pickle can make nothing but
records of what it asks for: no name in it is looked up, and nothing that it names is called.

Source: PyTorch's `torch/csrc/jit/docs/serialization.md` and `torch/csrc/jit/serialization` (BSD-3-Clause).
"""

import io
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Self, TypeGuard

import torch
from torch import Tensor

from aimanga.errors import ModelError

_TENSOR = "torch._utils._rebuild_tensor_v2"

_STORAGES = {
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8,
    "torch.ShortStorage": torch.int16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
    "torch.BoolStorage": torch.bool,
}

# What other attributes of modules are made of.
_OTHERS = {
    "collections.OrderedDict",
    "torch.jit._pickle.build_intlist",
    "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.restore_type_tag",
}

# All that PyTorch writes. With some of the others a few bytes make Python take any amount of memory.
_OPCODES = {
    "PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
    "BINUNICODE", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "BINPERSID", "GLOBAL",
    "NEWOBJ", "REDUCE", "BUILD",
}  # fmt: skip

# A module can lie within itself, or in so many places that there is no end of names.
_MOST_NAMES, _LONGEST_NAME = 100_000, 1_000


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a zip with a `constants.pkl`, which PyTorch puts into no other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # on damaged files zipfile raises whatever it stumbles over
        return False


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a TorchScript archive by the names that `torch.jit.load(path).state_dict()` gives them.

    Args:
        path: The file.

    Returns:
        Name to tensor, on the CPU wherever it was before, in the stored type: parameters, buffers, and attributes that
        are tensors without being registered, which `state_dict` leaves out. Tensors that shared memory share it.

    Raises:
        ModelError: The file is missing, damaged, or asks for more than modules and tensors.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such weight file")
    try:
        with zipfile.ZipFile(path) as archive:
            folder = _folder(archive, path.stat().st_size)
            root = _unpickle(_read(archive, f"{folder}/data.pkl"))
            storages = _Storages(archive, folder)
            return {name: storages.tensor(record) for name, record in _tensor_records(root).items()}
    except Exception as error:  # on damaged files zipfile, pickle and torch raise whatever they stumble over
        raise ModelError(
            f"{path}: this TorchScript archive is damaged, or holds more than modules and tensors: {error}. Get it "
            "anew from where it is published, or convert it to .safetensors with the program that made it"
        ) from error


class _Record:
    """Stands for an object that the pickle asks for: the name of its class or function, the arguments, the state.

    Each name gets a subclass of its own, which goes with the pickle: not even the classes can be spoilt for the next.
    Without a name it stands for a storage, and the argument says which.
    """

    name = ""
    arguments: tuple[object, ...]
    state: object

    def __new__(cls, *arguments: object) -> Self:
        record = super().__new__(cls)
        record.arguments, record.state = arguments, None
        return record

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Makes records."""

    def __init__(self, pickled: bytes) -> None:
        super().__init__(io.BytesIO(pickled))
        self._classes: dict[str, type[_Record]] = {}

    def find_class(self, module: str, name: str, /) -> type[_Record]:
        """Give the class that stands for a name."""
        full = f"{module}.{name}"
        if not (full.startswith("__torch__.") or full == _TENSOR or full in _STORAGES or full in _OTHERS):
            raise pickle.UnpicklingError(f"it asks for {full}")
        return self._classes.setdefault(full, type(name, (_Record,), {"name": full}))

    def persistent_load(self, pid: object, /) -> _Record:
        """Give what stands for a storage."""
        return _Record(pid)


class _Storages:
    """The memory of the tensors, each piece read once, when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        self._archive, self._folder = archive, folder
        self._read: dict[tuple[str, torch.dtype], Tensor] = {}

    def tensor(self, record: _Record) -> Tensor:
        """Make the tensor that a record asks for."""
        match record.arguments:
            case (_Record(name="", arguments=(pid,)), int(offset), tuple(size), tuple(stride), *_):
                return self._storage(pid).as_strided(size, stride, offset)
        raise pickle.UnpicklingError("a tensor is not described as PyTorch does it")

    def _storage(self, pid: object) -> Tensor:
        match pid:  # the fourth says where it was, such as on "cuda:0"
            case ("storage", type() as kind, str(key), str(), int(length)) if issubclass(kind, _Record):
                dtype = _STORAGES[kind.name]
            case _:
                raise pickle.UnpicklingError("a storage is not described as PyTorch does it")
        if (key, dtype) not in self._read:
            stored = _read(self._archive, f"{self._folder}/data/{key}")
            if len(stored) != length * dtype.itemsize:
                raise pickle.UnpicklingError(f"data/{key} has {len(stored)} bytes, not {length * dtype.itemsize}")
            self._read[key, dtype] = torch.frombuffer(bytearray(stored), dtype=dtype)
        return self._read[key, dtype]


def _folder(archive: zipfile.ZipFile, size: int) -> str:
    """The folder that holds all entries: it has the name that the file had when it was written."""
    if sum(entry.compress_size for entry in archive.infolist()) > size:
        raise pickle.UnpicklingError("its entries overlap")
    folders = [name.removesuffix("/data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise pickle.UnpicklingError(f"it has {len(folders)} entries data.pkl")
    order = f"{folders[0]}/byteorder"  # in files since PyTorch 2.1
    if order in archive.namelist() and _read(archive, order) != b"little":
        raise pickle.UnpicklingError("its numbers are not little-endian")
    return folders[0]


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:  # as PyTorch stores it; what is compressed can unpack to any size
        raise pickle.UnpicklingError(f"{name} is compressed")
    return archive.read(entry)


def _unpickle(pickled: bytes) -> object:
    """Read a pickle into records."""
    for opcode, argument, _ in pickletools.genops(pickled):
        # The memo of Python's unpickler is a list as long as the largest index.
        if opcode.name not in _OPCODES or (opcode.name == "LONG_BINPUT" and int(argument or 0) > len(pickled)):
            raise pickle.UnpicklingError(f"PyTorch does not write {opcode.name} {argument}")
    return _Unpickler(pickled).load()


def _is_module(value: object) -> TypeGuard[_Record]:
    return isinstance(value, _Record) and value.name.startswith("__torch__.")


def _tensor_records(root: object) -> dict[str, _Record]:
    """Find the tensors of a module and of those in it, by the names that `state_dict` gives them."""
    if not _is_module(root):
        raise pickle.UnpicklingError("it holds no module")
    found: dict[str, _Record] = {}
    waiting = [("", root)]
    names = 0
    while waiting:
        prefix, module = waiting.pop()
        if not isinstance(module.state, dict):
            raise pickle.UnpicklingError(f"a module, {prefix or 'the outermost'}, has no attributes")
        for name, value in module.state.items():
            full, names = prefix + name, names + 1
            if names > _MOST_NAMES or len(full) > _LONGEST_NAME:
                raise pickle.UnpicklingError("there is no end of names in it")
            if _is_module(value):
                waiting.append((f"{full}.", value))
            elif isinstance(value, _Record) and value.name == _TENSOR:
                found[full] = value
    return found
