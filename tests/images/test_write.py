"""Files that are written have to be read back by Pillow, an independent decoder."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import pyvips
from PIL import Image

from aimanga.errors import PictureError, UsageError
from aimanga.images import FORMATS, Picture, read, write

RNG = np.random.default_rng(2)
SMOOTH = np.asarray(
    Image.fromarray(RNG.integers(0, 256, (6, 8, 3), np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
)
ALPHA = np.ascontiguousarray(np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8), (48, 64)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_what_keeps_everything_keeps_everything(tmp_path, suffix, kind, channels):
    chosen = {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
    array = np.dstack((SMOOTH, ALPHA))[:, :, chosen].astype(kind) * (257 if kind == np.uint16 else 1)
    write(Picture.from_array(array), tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}").to_array(), array)
    if not (kind == np.uint16 and channels > 1):  # Pillow reads colour as 8 bits only
        theirs = np.asarray(Image.open(tmp_path / f"a.{suffix}"))
        np.testing.assert_array_equal(theirs.squeeze(), array.squeeze())


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_format_gives_the_picture_back_closely(tmp_path, form, kind):
    array = SMOOTH.astype(kind) * (257 if kind == np.uint16 else 1)
    write(Picture.from_array(array), tmp_path / f"a{form.suffix}")
    back = read(tmp_path / f"a{form.suffix}").pixels
    assert back.dtype == (kind if form.deep else np.uint8)
    error = back / np.iinfo(back.dtype).max - SMOOTH / 255
    assert 10 * np.log10(1 / max(np.mean(error**2), 1e-12)) > 38


@pytest.mark.parametrize("form", [form for form in FORMATS if form.alpha], ids=lambda form: form.name)
def test_alpha_is_kept(tmp_path, form):
    write(Picture(SMOOTH, ALPHA), tmp_path / f"a{form.suffix}")
    assert np.abs(read(tmp_path / f"a{form.suffix}").alpha.astype(int) - ALPHA).max() <= 2


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_jpeg_is_laid_on_white(tmp_path, kind):
    top = np.iinfo(kind).max
    clear = Picture(np.zeros((16, 16, 3), kind), np.full((16, 16), 0, kind))
    half = Picture(np.zeros((16, 16, 3), kind), np.full((16, 16), top // 2, kind))
    for picture, level in ((clear, 255), (half, 128)):
        write(picture, tmp_path / "a.jpg")
        assert np.abs(np.asarray(Image.open(tmp_path / "a.jpg")).astype(int) - level).max() <= 1


def test_sixteen_bits_are_rounded_to_eight_not_cut(tmp_path):
    levels = np.array([[0, 128, 129, 257 * 7 + 128, 257 * 7 + 129, 65535]], np.uint16)
    write(Picture.from_array(np.repeat(levels[:, :, None], 3, 2)), tmp_path / "a.webp", quality=100)
    assert read(tmp_path / "a.webp").pixels[0, :, 0].tolist() == [0, 0, 1, 7, 8, 255]


def test_quality_changes_the_size_and_webp_100_is_lossless(tmp_path):
    for suffix in ("jpg", "webp", "avif"):
        for quality in (30, 95):
            write(Picture(SMOOTH), tmp_path / f"{quality}.{suffix}", quality=quality)
        assert (tmp_path / f"30.{suffix}").stat().st_size < (tmp_path / f"95.{suffix}").stat().st_size
    write(Picture(SMOOTH), tmp_path / "a.webp", quality=100)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.webp")), SMOOTH)


def photographed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = "José 漢字".encode()
    exif.get_ifd(0x8769)[0x829A] = 1 / 250
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6" dc:rights="mine"/></x:xmpmeta>'
    Image.fromarray(SMOOTH).save(tmp_path / "photo.jpg", exif=exif, xmp=xmp, dpi=(300, 300))
    return read(tmp_path / "photo.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
def test_exif_is_kept_with_its_orientation_reset(tmp_path, suffix):
    write(photographed(tmp_path), tmp_path / f"a.{suffix}")
    image = Image.open(tmp_path / f"a.{suffix}")
    assert image.size == (48, 64)
    exif = image.getexif()
    assert exif.get(0x0112, 1) == 1
    assert exif[0x013B].encode("latin-1").decode() == "José 漢字"
    assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 250)
    assert [float(part) for part in exif.get_ifd(0x8825)[2]] == [48.0, 51.0, 29.6]
    assert exif.get_ifd(0x8769)[0xA002] == 48  # the width in pixels is the new one


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_xmp_is_kept_with_its_orientation_reset(tmp_path, suffix):
    write(photographed(tmp_path), tmp_path / f"a.{suffix}")
    xmp = read(tmp_path / f"a.{suffix}").metadata.xmp
    assert b'tiff:Orientation="1"' in xmp
    assert b'dc:rights="mine"' in xmp


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_density_is_kept(tmp_path, suffix):
    write(photographed(tmp_path), tmp_path / f"a.{suffix}")
    assert Image.open(tmp_path / f"a.{suffix}").info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_metadata_can_be_left_out_and_the_profile_stays(tmp_path, suffix):
    photo = photographed(tmp_path)
    icc = bytes(pyvips.Operation.call("profile_load", "p3"))
    write(Picture(photo.pixels, None, icc, photo.metadata), tmp_path / f"a.{suffix}", strip_metadata=True)
    data = (tmp_path / f"a.{suffix}").read_bytes()
    assert b"Jos" not in data
    assert b"mine" not in data
    assert read(tmp_path / f"a.{suffix}").icc == icc


def test_no_thumbnail_is_left_which_would_be_turned_the_old_way(tmp_path):
    thumbnail = pyvips.Image.black(16, 12).jpegsave_buffer()
    image = pyvips.Image.new_from_array(SMOOTH)
    image.set_type(pyvips.GValue.blob_type, "jpeg-thumbnail-data", thumbnail)
    image.jpegsave(str(tmp_path / "photo.jpg"))
    assert thumbnail in (tmp_path / "photo.jpg").read_bytes()
    write(read(tmp_path / "photo.jpg"), tmp_path / "a.jpg")
    assert thumbnail not in (tmp_path / "a.jpg").read_bytes()


def test_limits_of_formats_are_known_before_encoding(tmp_path):
    long = Picture(np.zeros((1, 65536, 1), np.uint8))
    for suffix in ("jpg", "webp", "avif"):
        with pytest.raises(PictureError, match=r"65536 x 1 is too large for .*png and tiff allow more"):
            write(long, tmp_path / f"a.{suffix}")
    write(long, tmp_path / "a.png")
    assert read(tmp_path / "a.png").width == 65536
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
def test_no_metadata_is_invented(tmp_path, suffix):
    write(Picture(SMOOTH), tmp_path / f"a.{suffix}")
    image = Image.open(tmp_path / f"a.{suffix}")
    assert dict(image.getexif()) == {}
    assert image.info.get("dpi", (72, 72)) == pytest.approx((72, 72), abs=0.1)


def test_a_quality_out_of_range_is_refused(tmp_path):
    for quality in (0, 101):
        with pytest.raises(UsageError, match="between 1 and 100"):
            write(Picture(SMOOTH), tmp_path / "a.jpg", quality=quality)


def test_limits_are_those_of_the_encoders(tmp_path):
    """The largest size that is let through is one that the encoder takes."""
    for form in FORMATS:
        if form.max_side < 10**6:
            side = form.max_side
            write(Picture(np.zeros((1, side, 1), np.uint8)), tmp_path / f"a{form.suffix}")
            assert read(tmp_path / f"a{form.suffix}").width == side


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(PictureError, match=r"a\.psd: pictures are written as"):
        write(Picture(SMOOTH), tmp_path / "a.psd")


LIMITED = """
import resource, sys, numpy as np
from pathlib import Path
from aimanga.images import Picture, write
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write(Picture(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)), Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_disk_that_takes_no_more_is_an_error_and_leaves_nothing(tmp_path):
    """A limit on the size of files stands for a full disk: to the encoder both are a write that fails."""
    command = [sys.executable, "-c", LIMITED, tmp_path / "a.png"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.startswith(f"PictureError {tmp_path / 'a.png'}: cannot be written")
    assert list(tmp_path.iterdir()) == []


ENCODE = """
import sys, numpy as np
from pathlib import Path
from aimanga.images import Picture, write
noise = np.random.default_rng(0).integers(0, 256, (4000, 4000, 3), np.uint8)
print("ready", flush=True)
write(Picture(noise), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("suffix", ["avif", "webp"])
def test_ctrl_c_ends_a_long_encoding_and_leaves_nothing(tmp_path, suffix):
    process = subprocess.Popen(
        [sys.executable, "-c", ENCODE, tmp_path / f"a.{suffix}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(1)  # encoding this picture takes several times as long
    assert len(list(tmp_path.iterdir())) == 1, "the encoder is not at work"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert list(tmp_path.iterdir()) == []
