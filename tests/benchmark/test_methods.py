import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import aimanga
from aimanga.benchmark.methods import check_method, fingerprint, run_method
from aimanga.benchmark.recipe import ModelMethod, Program, Resampling
from aimanga.errors import AimangaError
from aimanga.images import Picture, write
from aimanga.tensors import from_array, resize, to_array


@pytest.fixture
def source(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 24, 3), np.uint8)
    write(Picture(pixels), tmp_path / "source.png")
    return tmp_path / "source.png"


def made(method, source, scale=4):
    target = source.with_name("result.png")
    work = source.with_name("work")
    work.mkdir(exist_ok=True)
    run_method(method, source, target, scale, source.with_name("log"), work)
    return np.asarray(Image.open(target))


def a_program(path, *options, **settings):
    command = ("{python}", str(path), "{input}", "{output}", "{scale}", *options)
    return Program(name="p", command=command, **settings)


def test_bicubic_is_matlabs(source):
    x = from_array(aimanga.read(source).pixels)
    expected = to_array(resize(x, 80, 96), np.uint8)
    assert np.array_equal(made(Resampling(name="b", resample="bicubic"), source), expected)


def test_lanczos_is_pillows(source):
    # Pillow cuts off what is below 0 or above 255 on its way, too.
    write(Picture(np.random.default_rng(1).integers(80, 176, (20, 24, 3), np.uint8)), source)
    expected = np.asarray(Image.open(source).resize((96, 80), Image.Resampling.LANCZOS), np.int16)
    # Borders differ: Pillow leaves out what is not there, where others repeat the last pixel.
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(made(Resampling(name="l", resample="lanczos"), source)[inner] - expected[inner]).max() <= 1


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
def test_kernels_keep_sixteen_bits_and_gray(tmp_path, kernel):
    pixels = np.random.default_rng(1).integers(0, 65536, (20, 24, 1), np.uint16)
    write(Picture(pixels, np.full((20, 24), 65535, np.uint16)), tmp_path / "source.png")
    method = Resampling(name="k", resample=kernel)
    result = made(method, tmp_path / "source.png")
    assert result.shape == (80, 96)
    assert result.max() > 255


def test_a_model_is_what_upscale_makes(source, nearest_model):
    method = ModelMethod(name="m", model=str(nearest_model), strength=0.5)
    expected = aimanga.upscale(aimanga.read(source), model=nearest_model, strength=0.5).pixels
    assert np.array_equal(made(method, source), expected)
    # Of a set with another factor the results have its size.
    assert made(method, source, 3).shape == (60, 72, 3)


def test_another_program_makes_it(source, program, calls):
    result = made(a_program(program), source, 2)
    assert np.array_equal(result[::2, ::2], aimanga.read(source).pixels)
    assert calls() == ["source"]
    assert not list(source.parent.glob(".*"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("wrong", "the result is 97 x 81, and 96 x 80 was expected"),
        ("none", "succeeded without writing {output}"),
        ("crash", "failed with exit code 1; last output: loading weights | Traceback"),
    ],
)
def test_what_a_program_does_wrong_is_named_and_nothing_is_left(source, program, option, message):
    with pytest.raises(AimangaError) as caught:
        made(a_program(program, option), source)
    assert message in str(caught.value)
    assert not source.with_name("result.png").exists()
    assert not list(source.parent.glob(".*"))


def test_a_result_that_is_no_picture_is_named(source, tmp_path):
    (tmp_path / "text.py").write_text("import sys; open(sys.argv[2], 'w').write('text')")
    with pytest.raises(AimangaError, match="not a picture|cannot be read|damaged"):
        made(a_program(tmp_path / "text.py"), source)


def test_a_method_is_another_one_when_anything_of_it_changes(tmp_path, nearest_model):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(nearest_model.read_bytes())
    changed = tmp_path / "changed.safetensors"
    save_file({name: tensor + 0.01 for name, tensor in load_file(nearest_model).items()}, changed)
    (tmp_path / "a").write_text("a")
    methods = [
        ModelMethod(name="m", model=str(nearest_model), precision="fp32"),
        ModelMethod(name="m", model=str(changed), precision="fp32"),
        ModelMethod(name="m", model=str(nearest_model), precision="fp32", strength=0.5),
        ModelMethod(name="m", model=str(nearest_model), precision="bf16"),
        Resampling(name="m", resample="bicubic"),
        Resampling(name="m", resample="lanczos"),
        Program(name="m", command=("x", "{input}", "{output}")),
        Program(name="m", command=("x", "{input}", "{output}", "-v")),
        Program(name="m", command=("x", "{input}", "{output}"), depends=(str(tmp_path / "a"),)),
    ]
    prints = [fingerprint(method) for method in methods]
    assert len(set(prints)) == len(methods)
    # The same weights under another name are the same method.
    assert fingerprint(ModelMethod(name="n", model=str(mine), precision="fp32")) == prints[0]
    (tmp_path / "a").write_text("b")
    assert fingerprint(methods[-1]) != prints[-1]
    assert torch.equal(load_file(mine)["body.0.weight"], load_file(nearest_model)["body.0.weight"])


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (ModelMethod(name="m", model="no-such-model"), "no-such-model: no model of this name"),
        (ModelMethod(name="m", model="realesrgan-x4plus", device="cuda:7"), "cuda:7"),
        (
            Program(name="m", command=("no-such-program", "{input}", "{output}")),
            "there is no program no-such-program",
        ),
        (Program(name="m", command=("./x", "{input}", "{output}")), "there is no program ./x"),
        (Program(name="m", command=("x", "{input}", "{output}"), folder="/none"), "there is no folder /none to run in"),
        (
            Program(name="m", command=(sys.executable, "{input}", "{output}"), depends=("none.pth",)),
            "there is no file none.pth on which it depends",
        ),
    ],
)
def test_what_cannot_run_is_known_before_the_work(method, message):
    with pytest.raises(AimangaError, match=re.escape(message)):
        check_method(method)


def test_what_can_run_has_no_problem(nearest_model, program):
    for method in (
        ModelMethod(name="m", model=str(nearest_model)), Resampling(name="r", resample="lanczos"), a_program(program),
    ):  # fmt: skip
        check_method(method)
