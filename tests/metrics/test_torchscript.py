"""Against `torch.jit.load`, and with archives that were made to do harm."""

import contextlib
import struct
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from aimanga.errors import ModelError
from aimanga.metrics.torchscript import is_torchscript, read_torchscript

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2).half()
        self.register_buffer("flags", torch.tensor([True, False, True]))
        self.register_buffer("transposed", torch.arange(12.0).view(3, 4)[1:, 1:].T)

    def forward(self, x):
        return x


class Outer(nn.Module):
    """All that a module can hold: types, views, modules in modules, shared ones, and attributes that are no tensors."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.inner = nn.Sequential(Inner(), Inner())
        self.same = self.conv
        self.names, self.sizes, self.ratios = ["a"], [1, 2], {"b": 0.5}
        self.register_buffer("doubles", torch.rand(3, dtype=torch.float64))
        self.register_buffer("shorts", torch.tensor([1, -2], dtype=torch.bfloat16))

    def forward(self, x):
        return self.inner(self.bn(self.conv(x))) * self.scale


def scripted(path, way=torch.jit.script):
    torch.jit.save(way(Outer().eval()), path)
    return path


@pytest.mark.parametrize("way", [torch.jit.script, lambda module: torch.jit.trace(module, torch.rand(1, 3, 4, 4))])
def test_the_tensors_are_those_that_pytorch_loads(tmp_path, way):
    path = scripted(tmp_path / "whole.pt", way)
    assert is_torchscript(path)
    expected = torch.jit.load(path).state_dict()
    found = read_torchscript(path)
    assert found.keys() == expected.keys() >= {"inner.1.linear.weight", "inner.0.flags", "bn.num_batches_tracked"}
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)
    assert found["same.weight"].data_ptr() == found["conv.weight"].data_ptr()


def test_other_files_are_not_taken_for_archives(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "plain.pt")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    (tmp_path / "cut.pt").write_bytes(scripted(tmp_path / "whole.pt").read_bytes()[:-100])
    assert [path.name for path in sorted(tmp_path.iterdir()) if is_torchscript(path)] == ["whole.pt"]
    assert not is_torchscript(tmp_path / "missing.pt")
    with pytest.raises(ModelError, match=r"missing\.pt: there is no such weight file"):
        read_torchscript(tmp_path / "missing.pt")
    for name in ("cut.pt", "plain.safetensors", "plain.pt"):
        with pytest.raises(ModelError, match=f"{name}: this TorchScript archive is damaged, or holds more"):
            read_torchscript(tmp_path / name)


# Parts of pickles, as PyTorch writes them.
def text(word):
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def name_of(module, name):
    return f"c{module}\n{name}\n".encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(*values):
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(kind="FloatStorage", key="0", where="cpu", length=4):
    return b"(" + text("storage") + name_of("torch", kind) + text(key) + text(where) + number(length) + b"tQ"


def tensor(memory=None, offset=0, size=(2, 2), stride=(2, 1)):
    hooks = name_of("collections", "OrderedDict") + b")R"
    arguments = (memory or storage()) + number(offset) + numbers(*size) + numbers(*stride) + b"\x89" + hooks
    return name_of("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"


def module(*attributes, memo=b""):
    made = name_of("__torch__", "Net") + b")\x81" + memo
    return made + b"}(" + b"".join(attributes) + b"ub"


MEMORY = struct.pack("<4f", 1, 2, 3, 4)


def archive(path, body, entries=(), **options):
    """Write an archive with one storage."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("net/data.pkl", b"\x80\x02" + body + b".")
        file.writestr("net/constants.pkl", b"\x80\x02).")
        file.writestr("net/data/0", MEMORY)
        for name, content in entries:
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("where", ["cpu", "cuda:0"])
def test_an_archive_of_hand_is_read_wherever_its_tensors_were(tmp_path, where):
    found = read_torchscript(archive(tmp_path / "net.pt", module(text("w"), tensor(storage(where=where)))))
    assert found["w"].tolist() == [[1, 2], [3, 4]]


def test_no_name_is_called(tmp_path):
    marker = tmp_path / "marker"
    for call in (
        name_of("os", "system") + b"(" + text(f"touch {marker}") + b"tR",
        name_of("builtins", "exec") + b"(" + text(f"open({str(marker)!r}, 'w')") + b"tR",
        name_of("pathlib", "Path.touch") + name_of("pathlib", "Path") + text(str(marker)) + b"\x85R\x85R",
        name_of("__torch__x", "Net") + b")\x81",
        name_of("torch.storage", "_load_from_bytes") + text("") + b"\x85R",
        name_of("torch.jit", "load") + text(str(marker)) + b"\x85R",
    ):
        for body in (call, module(text("w"), call)):
            with pytest.raises(ModelError, match=r"net\.pt: .* holds more than modules and tensors: it asks for"):
                read_torchscript(archive(tmp_path / "net.pt", body))
    assert not marker.exists()


@pytest.mark.parametrize(
    "function", [name_of("torch._utils", "_rebuild_tensor_v2"), name_of("__torch__", "Net"), storage(), tensor()]
)
@pytest.mark.parametrize(
    "state", [b"}" + text("name") + b"Ns", b"N}" + text("name") + b"Ns\x86"], ids=["dict", "slots"]
)
def test_nothing_can_be_spoilt_for_the_next_file(tmp_path, function, state):
    """A pickle can set attributes of whatever it gets hold of, functions and classes included."""
    with pytest.raises(ModelError):
        read_torchscript(archive(tmp_path / "bad.pt", function + state + b"b"))
    assert read_torchscript(archive(tmp_path / "good.pt", module(text("w"), tensor())))["w"].sum() == 10


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (tensor(offset=1), "out of bounds"),
        (tensor(offset=-1), "offset"),
        (tensor(size=(2, -2)), r"sizes=\[2, -2\]"),
        (tensor(size=(2**31 - 1, 2**31 - 1), stride=(1, 1)), "out of bounds"),
        (tensor(size=(2,)), "mismatch"),
        (tensor(b"N"), "a tensor is not described"),
        (tensor(module()), "a tensor is not described"),
        (tensor(text("weights") + b"Q"), "a storage is not described"),
        (tensor(storage(length=5)), "data/0 has 16 bytes, not 20"),
        (tensor(storage("HalfStorage")), "data/0 has 16 bytes, not 8"),
        (tensor(storage(key="1")), "no item named 'net/data/1'"),
        (tensor(storage(key="../../0")), "no item named"),
        (tensor(storage("QInt8Storage")), "asks for torch.QInt8Storage"),
        (name_of("torch._utils", "_rebuild_tensor_v2") + b")R", "a tensor is not described"),
    ],
)
def test_tensors_that_cannot_be_are_refused(tmp_path, made, message):
    with pytest.raises(ModelError, match=message):
        read_torchscript(archive(tmp_path / "net.pt", module(text("w"), made)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"r\xff\xff\xff\x7f", "LONG_BINPUT 2147483647"),
        (b"\x96" + struct.pack("<Q", 4) + b"some", "BYTEARRAY8"),
        (b"\x96" + struct.pack("<Q", 2**40), "damaged"),
        (text("os") + text("system") + b"\x93", "STACK_GLOBAL"),
        (b"ios\nsystem\n", "INST"),
        (module(text("me"), b"h\x00", memo=b"q\x00"), "it has too many names"),
        (module(b"".join(text(str(n)) + b"h\x00" for n in range(500)), memo=b"q\x00"), "it has too many names"),
        (module(number(3), tensor()), "str"),
        (name_of("__torch__", "Net") + b")\x81", "the outermost, has no attributes"),
        (b"}", "holds no module"),
        (tensor(), "holds no module"),
        (b"", "stack|truncated|pop"),
    ],
)
def test_pickles_that_pytorch_does_not_write_are_refused(tmp_path, body, message):
    with pytest.raises(ModelError, match=message):
        read_torchscript(archive(tmp_path / "net.pt", body))


def test_modules_in_ever_more_places_are_refused(tmp_path):
    """Forty modules, each of which holds the next one twice, would have 2^40 names."""
    body = module(text("w"), tensor())
    for _ in range(40):
        body = module(text("a"), body + b"q\x00", text("b"), b"h\x00")
    with pytest.raises(ModelError, match="it has too many names"):
        read_torchscript(archive(tmp_path / "net.pt", body))


def test_archives_that_pytorch_does_not_write_are_refused(tmp_path):
    body = module(text("w"), tensor())
    with pytest.raises(ModelError, match=r"net/data\.pkl is compressed"):
        read_torchscript(archive(tmp_path / "small.pt", body, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ModelError, match="2 entries data.pkl"):
        read_torchscript(archive(tmp_path / "two.pt", body, [("other/data.pkl", b"")]))
    with pytest.raises(ModelError, match="not little-endian"):
        read_torchscript(archive(tmp_path / "big.pt", body, [("net/byteorder", b"big")]))
    with zipfile.ZipFile(archive(tmp_path / "overlap.pt", body), "a") as file:
        file.filelist += file.filelist * 20
        file._didModify = True
    with pytest.raises(ModelError, match="entries overlap"):
        read_torchscript(tmp_path / "overlap.pt")


def test_a_damaged_weight_is_noticed(tmp_path):
    path = archive(tmp_path / "net.pt", module(text("w"), tensor()))
    path.write_bytes(path.read_bytes().replace(MEMORY, MEMORY[::-1]))
    with pytest.raises(ModelError, match="Bad CRC-32"):
        read_torchscript(path)


def damaged(data, content):
    content = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    return bytes(content[: data.draw(st.integers(len(content) // 2, 2 * len(content)))])


@pytest.mark.parametrize("where", ["pickle", "file"])
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, database=None)
@given(data=st.data())
def test_whatever_is_damaged_the_error_is_ours(tmp_path, where, data):
    body = module(text("w"), tensor(), text("inner"), module(text("b"), tensor()))
    path = archive(tmp_path / "net.pt", damaged(data, body) if where == "pickle" else body)
    if where == "file":
        path.write_bytes(damaged(data, path.read_bytes()))
    is_torchscript(path)
    with contextlib.suppress(ModelError):  # some bytes do not matter, and some make another name or number
        read_torchscript(path)
