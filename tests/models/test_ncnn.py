import struct

import numpy as np
import pytest
import torch

from aimanga.errors import ModelError
from aimanga.models.ncnn import read_ncnn

PARAM = """7767517
4 4
Input in 0 1 data
Convolution conv 1 1 data a 0=3 1=3 4=1 5=1 6=27 9=2 -23310=1,2.000000e-01
PReLU act 1 1 a b 0=3
Convolution last 1 1 b out 0=1 1=3 4=1 5=1 6=27
"""
WEIGHTS = np.random.default_rng(0).standard_normal(27).astype(np.float16)  # an odd number: padded in the file
BIAS = np.array([1.5, -2.5, 3.25], np.float32)
SLOPES = np.array([0.1, 0.2, 0.3], np.float32)
LAST = np.random.default_rng(1).standard_normal(27).astype(np.float32)
BINARY = (
    struct.pack("<I", 0x01306B47) + WEIGHTS.tobytes() + b"\0\0" + BIAS.tobytes()
    + SLOPES.tobytes()
    + struct.pack("<I", 0) + LAST.tobytes() + struct.pack("<f", 7.0)
)  # fmt: skip


def files(tmp_path, param=PARAM, binary=BINARY):
    (tmp_path / "a.param").write_text(param)
    (tmp_path / "a.bin").write_bytes(binary)
    return tmp_path / "a.param", tmp_path / "a.bin"


def test_a_file_written_by_hand(tmp_path):
    expected = {
        "Convolution.0.weight": WEIGHTS.reshape(3, 1, 3, 3).astype(np.float32),
        "Convolution.0.bias": BIAS,
        "PReLU.1.weight": SLOPES,
        "Convolution.2.weight": LAST.reshape(1, 3, 3, 3),
        "Convolution.2.bias": np.array([7.0], np.float32),
    }
    state = read_ncnn(*files(tmp_path))
    assert list(state) == list(expected)
    for name, values in expected.items():
        assert state[name].dtype == torch.float32
        np.testing.assert_array_equal(state[name], values)


@pytest.mark.parametrize(
    ("param", "binary", "message"),
    [
        (PARAM, BINARY[:-1], "ends too early"),
        (PARAM, b"", "ends too early"),
        (PARAM, BINARY + b"\0", "1 bytes remain"),
        (PARAM, b"\1\2\3\4" + BINARY[4:], "neither float16 nor float32"),
        ("hello", BINARY, "not an ncnn .param file"),
        ("", BINARY, "not an ncnn .param file"),
        (PARAM.replace("PReLU act 1 1 a b 0=3\n", ""), BINARY, "cut short"),
        (PARAM.replace("PReLU act", "LSTM act"), BINARY, "layer act is a LSTM"),
        (PARAM.replace("0=3 1=3", "0=x 1=3"), BINARY, "does not describe an ncnn layer"),
        (PARAM.replace("0=3 1=3", "0=0 1=3"), BINARY, "does not describe an ncnn layer"),
        (PARAM.replace("6=27 9=2", "6=28 9=2"), BINARY, "does not describe an ncnn layer"),
        (PARAM.replace("Input in 0 1 data", "Input"), BINARY, "does not describe an ncnn layer"),
    ],
)
def test_damaged_files_say_what_is_wrong(tmp_path, param, binary, message):
    with pytest.raises(ModelError, match=message):
        read_ncnn(*files(tmp_path, param, binary))
