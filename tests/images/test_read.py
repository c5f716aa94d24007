"""Files made by Pillow, an independent encoder, have to be read as Pillow reads them."""

import struct
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image

from aimanga.errors import PictureError
from aimanga.images import PictureFile, read

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (9, 13, 3), np.uint8)
GRAY = RNG.integers(0, 256, (9, 13), np.uint8)
ALPHA = RNG.integers(0, 256, (9, 13), np.uint8)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "gif", "bmp"])
def test_rgb_without_loss(tmp_path, suffix):
    colours = RGB if suffix != "gif" else np.repeat(RGB[:, :, :1] & 0xC0, 3, 2)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colours).save(path, lossless=True) if suffix == "webp" else Image.fromarray(colours).save(path)
    picture = read(path)
    pixels = picture.pixels if picture.pixels.shape[2] == 3 else np.repeat(picture.pixels, 3, 2)
    np.testing.assert_array_equal(pixels, colours)
    assert picture.alpha is None
    assert picture.icc is None


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_gray_stays_gray(tmp_path, suffix):
    Image.fromarray(GRAY).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}").pixels[:, :, 0], GRAY)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path, suffix):
    deep = RNG.integers(0, 65536, (9, 13), np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{suffix}")
    picture = read(tmp_path / f"a.{suffix}")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels[:, :, 0], deep)
    assert PictureFile(tmp_path / f"a.{suffix}").header.bits == 16


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha(tmp_path, suffix):
    image = Image.fromarray(np.dstack((RGB, ALPHA)))
    image.save(tmp_path / f"a.{suffix}", **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    picture = read(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(picture.pixels, RGB)
    np.testing.assert_array_equal(picture.alpha, ALPHA)


def test_gray_with_alpha(tmp_path):
    Image.fromarray(np.dstack((GRAY, ALPHA)), "LA").save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.to_array(), np.dstack((GRAY, ALPHA)))
    header = PictureFile(tmp_path / "a.png").header
    assert (header.width, header.height, header.samples, header.bits, header.alpha) == (13, 9, 2, 8, True)


def test_palette_with_transparency(tmp_path):
    indices = RNG.integers(0, 4, (9, 13), np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    image.save(tmp_path / "a.png", transparency=bytes([255, 128, 0, 255]))
    picture = read(tmp_path / "a.png")
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)
    np.testing.assert_array_equal(picture.pixels, palette[indices])
    np.testing.assert_array_equal(picture.alpha, np.array([255, 128, 0, 255], np.uint8)[indices])


def test_single_bits(tmp_path):
    bits = RNG.integers(0, 2, (9, 13), np.uint8)
    for suffix in ("png", "tif"):
        Image.fromarray(bits * 255).convert("1").save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}").pixels[:, :, 0], bits * 255)


def test_jpeg_is_decoded_as_by_another_decoder(tmp_path):
    smooth = np.asarray(Image.fromarray(RGB).resize((130, 90), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=90)
    theirs = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(read(tmp_path / "a.jpg").pixels - theirs).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """The eight orientations, solved by hand on a picture with four different corners (EXIF 2.3, tag 0x0112)."""
    upright = np.array([[10, 60, 110], [160, 210, 250]], np.uint8)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    big = np.kron(stored, np.ones((8, 8), np.uint8))
    Image.fromarray(big).save(tmp_path / "a.jpg", exif=exif, quality=100)
    picture = read(tmp_path / "a.jpg")
    assert np.abs(picture.pixels[::8, ::8, 0].astype(int) - upright).max() <= 2
    header = PictureFile(tmp_path / "a.jpg").header
    assert (header.width, header.height) == (picture.width, picture.height) == (24, 16)


def test_cmyk_becomes_srgb(tmp_path):
    """White, and the pure inks on their own: each lacks its complement."""
    inks = np.zeros((16, 64, 4), np.uint8)
    for index in range(3):
        inks[:, 16 + 16 * index : 32 + 16 * index, index] = 255
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.jpg", quality=100)
    picture = read(tmp_path / "a.jpg")
    white, cyan, magenta, yellow = picture.pixels[8, 8::16].astype(int)
    assert white.min() >= 250
    assert cyan.argmin() == 0 and magenta.argmin() == 1 and yellow.argmin() == 2
    assert picture.icc is None


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    """A small file that announces 100,000 x 100,000 pixels."""
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    (tmp_path / "bomb.png").write_bytes(data + png_chunk(b"IEND", b""))
    with pytest.raises(PictureError, match=r"bomb\.png: 100000 x 100000 is more than \d+ pixels.*--max-pixels"):
        read(tmp_path / "bomb.png")


def test_the_pixel_limit_can_be_moved(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", max_pixels=9 * 13).width == 13
    with pytest.raises(PictureError, match="more than 116 pixels"):
        read(tmp_path / "a.png", max_pixels=9 * 13 - 1)


def animation(path):
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **(
        {"lossless": True} if path.suffix == ".webp" else {}
    ))  # fmt: skip


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "png"])
def test_an_animation_is_refused_or_its_first_page_taken(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    animation(path)
    with pytest.raises(PictureError, match="animation or a file of several pages.*--first-page"):
        read(path)
    picture = read(path, first_page=True)
    assert (picture.height, picture.width) == (8, 8)
    assert np.unique(picture.pixels).tolist() == [10]


def test_broken_files_name_themselves_and_the_cause(tmp_path):
    Image.fromarray(np.kron(RGB, np.ones((20, 20, 1), np.uint8))).save(tmp_path / "good.png")
    Image.fromarray(np.kron(RGB, np.ones((20, 20, 1), np.uint8))).save(tmp_path / "good.jpg")
    for name in ("good.png", "good.jpg"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / f"cut-{name}").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.jpg").write_text("this is no picture")
    (tmp_path / "empty.png").touch()
    for name, cause in {
        "cut-good.png": "cannot be read",
        "cut-good.jpg": "cannot be read",
        "text.jpg": "cannot be read",
        "empty.png": "the file is empty",
    }.items():
        with pytest.raises(PictureError, match=f"{name}: .*{cause}"):
            read(tmp_path / name)


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        read(tmp_path / "no.png")


def test_float_samples_are_refused(tmp_path):
    Image.fromarray(RNG.random((9, 13), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="samples of type float"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["漢字 тест 🦜.png", "a[page=1].png", "a[1]", "%20.png", "-o.png", "a\nb.png"])
def test_any_name(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / name, format="png")
    np.testing.assert_array_equal(read(tmp_path / name).pixels, RGB)


def test_a_name_that_is_not_unicode(tmp_path):
    path = tmp_path / b"\xff\xfe.png".decode("utf-8", "surrogateescape")
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(path)
    np.testing.assert_array_equal(read(path).pixels, RGB)


def test_avif_of_ten_and_twelve_bits_becomes_sixteen(tmp_path):
    ramp = np.repeat(np.linspace(0, 65535, 64, dtype=np.uint16)[None, :, None], 64, 0).repeat(3, 2)
    image = pyvips.Image.new_from_array(ramp, interpretation="rgb16")
    image.heifsave(str(tmp_path / "a.avif"), compression="av1", bitdepth=12, lossless=True)
    picture = read(tmp_path / "a.avif")
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels.astype(int) - ramp).max() < 1000
    assert len(np.unique(picture.pixels)) > 60


@pytest.mark.parametrize(("bands", "space"), [(5, "srgb"), (5, "b-w"), (4, "b-w")])
def test_channels_that_nobody_named_are_refused(tmp_path, bands, space):
    image = pyvips.Image.black(8, 8, bands=bands).copy(interpretation=space)
    image.tiffsave(str(tmp_path / "a.tif"))
    with pytest.raises(PictureError, match="channels are neither"):
        read(tmp_path / "a.tif")


def test_density_is_turned_with_the_picture_and_unknown_where_nothing_is_said(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 150))
    assert read(tmp_path / "a.jpg").metadata.pixels_per_mm == pytest.approx((150 / 25.4, 300 / 25.4))
    Image.fromarray(RGB).save(tmp_path / "a.webp")
    assert read(tmp_path / "a.webp").metadata.pixels_per_mm is None


def test_metadata_is_kept_as_it_was(tmp_path):
    exif = Image.Exif()
    exif[0x013B] = "José 漢字".encode()
    exif.get_ifd(0x8769)[0x927C] = b"maker\0note"
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300), xmp=b"<x:xmpmeta/>")
    metadata = read(tmp_path / "a.jpg").metadata
    assert "José 漢字".encode() in metadata.exif
    assert b"maker\0note" in metadata.exif
    assert metadata.xmp == b"<x:xmpmeta/>"
    assert metadata.pixels_per_mm == pytest.approx((300 / 25.4, 300 / 25.4))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "avif", "bmp"])
@pytest.mark.parametrize("height", [1, 7, 100])
def test_a_file_by_rows_is_the_file_as_often_as_wanted(tmp_path, suffix, height):
    Image.fromarray(np.kron(RGB, np.ones((4, 4, 1), np.uint8))).save(tmp_path / f"a.{suffix}")
    file = PictureFile(tmp_path / f"a.{suffix}")
    for _ in range(2):
        bands = list(file.bands(height))
        assert {len(rows) for rows in bands[:-1]} <= {height}
        np.testing.assert_array_equal(np.concatenate(bands), read(tmp_path / f"a.{suffix}").to_array())


def test_bitmaps_with_palettes_of_one_bit_cut_and_too_large(tmp_path):
    Image.fromarray(RGB).quantize(16).save(tmp_path / "palette.bmp")
    np.testing.assert_array_equal(
        read(tmp_path / "palette.bmp").pixels, np.asarray(Image.fromarray(RGB).quantize(16).convert("RGB"))
    )
    Image.fromarray(GRAY > 99).save(tmp_path / "bit.bmp")
    np.testing.assert_array_equal(read(tmp_path / "bit.bmp").pixels[:, :, 0], 255 * (GRAY > 99))
    with pytest.raises(PictureError, match="13 x 9 is more than 100 pixels"):
        read(tmp_path / "palette.bmp", max_pixels=100)
    Image.fromarray(np.kron(RGB, np.ones((9, 9, 1), np.uint8))).save(tmp_path / "whole.bmp")
    (tmp_path / "cut.bmp").write_bytes((tmp_path / "whole.bmp").read_bytes()[:4000])
    (tmp_path / "head.bmp").write_bytes(b"BM nothing behind it")
    for name in ("cut", "head"):
        with pytest.raises(PictureError, match=f"{name}.bmp: cannot be read as a picture"):
            read(tmp_path / f"{name}.bmp")


def test_a_file_that_changes_between_two_readings_is_an_error(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    file = PictureFile(tmp_path / "a.png")
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="changed while"):
        list(file.bands(4))
