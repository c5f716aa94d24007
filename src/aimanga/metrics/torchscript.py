"""Read the tensors of a TorchScript archive without running it.

Such an archive is a zip of code and of a pickle that describes modules and tensors. `torch.jit.load` trusts both, and
`torch.load(weights_only=True)` refuses them. Here the code is ignored, and unpickling only creates records of what
the pickle asks for: no name in it is imported, and nothing that it names is called.

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

# Other attributes of modules use these.
_OTHERS = {
    "collections.OrderedDict",
    "torch.jit._pickle.build_intlist",
    "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.restore_type_tag",
}

# All that PyTorch writes. With some of the others a few bytes can make Python allocate any amount of memory.
_OPCODES = {
    "PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
    "BINUNICODE", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "BINPERSID", "GLOBAL",
    "NEWOBJ", "REDUCE", "BUILD",
}  # fmt: skip

# A module can contain itself, or be so often nested that the number of names explodes.
_MOST_NAMES, _LONGEST_NAME = 100_000, 1_000


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a zip with a `constants.pkl`, which no other PyTorch file has."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # zipfile raises all kinds of errors on damaged files
        return False


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a TorchScript archive under the names of `torch.jit.load(path).state_dict()`.

    Args:
        path: The file.

    Returns:
        Name to tensor, on the CPU, in the stored type: parameters, buffers, and tensors that are plain attributes,
        which `state_dict` omits. Tensors that shared memory share it again.

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
    except Exception as error:  # zipfile, pickle and torch raise all kinds of errors on damaged files
        raise ModelError(
            f"{path}: this TorchScript archive is damaged, or holds more than modules and tensors: {error}. "
            "Download it again, or convert it to .safetensors with the program that wrote it"
        ) from error


class _Record:
    """An object that the pickle asks for: the name of its class or function, the arguments, the state.

    Each name of each pickle has its own subclass, so a pickle cannot affect the next one. A record without a name is a
    storage, identified by its argument.
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
    """Creates records instead of objects."""

    def __init__(self, pickled: bytes) -> None:
        super().__init__(io.BytesIO(pickled))
        self._classes: dict[str, type[_Record]] = {}

    def find_class(self, module: str, name: str, /) -> type[_Record]:
        """The class of the records of a name."""
        full = f"{module}.{name}"
        if not (full.startswith("__torch__.") or full == _TENSOR or full in _STORAGES or full in _OTHERS):
            raise pickle.UnpicklingError(f"it asks for {full}")
        return self._classes.setdefault(full, type(name, (_Record,), {"name": full}))

    def persistent_load(self, pid: object, /) -> _Record:
        """The record of a storage."""
        return _Record(pid)


class _Storages:
    """The storages of the tensors, each read once, on demand."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        self._archive, self._folder = archive, folder
        self._read: dict[tuple[str, torch.dtype], Tensor] = {}

    def tensor(self, record: _Record) -> Tensor:
        """Create the tensor of a record."""
        match record.arguments:
            case (_Record(name="", arguments=(pid,)), int(offset), tuple(size), tuple(stride), *_):
                return self._storage(pid).as_strided(size, stride, offset)
        raise pickle.UnpicklingError("a tensor is not described in PyTorch's way")

    def _storage(self, pid: object) -> Tensor:
        match pid:  # the fourth part is its device, such as "cuda:0"
            case ("storage", type() as kind, str(key), str(), int(length)) if issubclass(kind, _Record):
                dtype = _STORAGES[kind.name]
            case _:
                raise pickle.UnpicklingError("a storage is not described in PyTorch's way")
        if (key, dtype) not in self._read:
            stored = _read(self._archive, f"{self._folder}/data/{key}")
            if len(stored) != length * dtype.itemsize:
                raise pickle.UnpicklingError(f"data/{key} has {len(stored)} bytes, not {length * dtype.itemsize}")
            self._read[key, dtype] = torch.frombuffer(bytearray(stored), dtype=dtype)
        return self._read[key, dtype]


def _folder(archive: zipfile.ZipFile, size: int) -> str:
    """The folder of all entries, which has the name of the file when it was written."""
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
    if (
        entry.compress_type != zipfile.ZIP_STORED
    ):  # PyTorch does not compress; compressed entries can unpack to any size
        raise pickle.UnpicklingError(f"{name} is compressed")
    return archive.read(entry)


def _unpickle(pickled: bytes) -> object:
    """Read a pickle into records."""
    for opcode, argument, _ in pickletools.genops(pickled):
        # The memo of Python's unpickler is a list as long as its largest index.
        if opcode.name not in _OPCODES or (opcode.name == "LONG_BINPUT" and int(argument or 0) > len(pickled)):
            raise pickle.UnpicklingError(f"PyTorch does not write {opcode.name} {argument}")
    return _Unpickler(pickled).load()


def _is_module(value: object) -> TypeGuard[_Record]:
    return isinstance(value, _Record) and value.name.startswith("__torch__.")


def _tensor_records(root: object) -> dict[str, _Record]:
    """Find the tensors of a module and its submodules, under the names of `state_dict`."""
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
                raise pickle.UnpicklingError("it has too many names")
            if _is_module(value):
                waiting.append((f"{full}.", value))
            elif isinstance(value, _Record) and value.name == _TENSOR:
                found[full] = value
    return found
