"""Colours, checked against LittleCMS through Pillow."""

import io

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from aimanga.images import Picture, read, write

RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (9, 13, 3), np.uint8)


def profile(name):
    return bytes(pyvips.Operation.call("profile_load", name))


def linear(icc):
    """A profile with its tone curves replaced by the identity."""
    data = bytearray(icc)
    for index in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * index
        if bytes(data[entry : entry + 4]) in (b"rTRC", b"gTRC", b"bTRC", b"kTRC"):
            offset = int.from_bytes(data[entry + 4 : entry + 8], "big")
            # A curve of no entries is the identity (ICC.1:2010, 10.5).
            data[offset : offset + 12] = b"curv" + bytes(8)
    return bytes(data)


def test_display_p3_keeps_its_values_and_its_profile(tmp_path):
    """A colour outside sRGB, which converting there and back would clip."""
    p3 = profile("p3")
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=p3)
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.icc == p3
    for suffix in ("png", "jpg", "webp", "tif", "avif"):
        write(picture, tmp_path / f"b.{suffix}")
        assert read(tmp_path / f"b.{suffix}").icc == p3


def test_scene_linear_becomes_srgb(tmp_path):
    Image.fromarray(RGB).save(
        tmp_path / "a.png", icc_profile=linear(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    )
    picture = read(tmp_path / "a.png")
    assert picture.icc is None
    light = RGB / 255
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    assert np.abs(picture.pixels - 255 * srgb).max() <= 2


def test_cmyk_with_a_profile_is_converted_as_littlecms_does_it(tmp_path):
    cmyk = profile("cmyk")
    inks = np.kron(RNG.integers(0, 256, (4, 4, 4), np.uint8), np.ones((16, 16, 1), np.uint8))
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif", icc_profile=cmyk)
    theirs = ImageCms.profileToProfile(
        Image.fromarray(inks, "CMYK"),
        ImageCms.ImageCmsProfile(io.BytesIO(cmyk)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    ours = read(tmp_path / "a.tif").pixels.astype(int)
    assert np.abs(ours - np.asarray(theirs)).max() <= 4


@pytest.mark.parametrize("gray", [False, True])
def test_a_profile_for_other_channels_is_ignored(tmp_path, gray):
    array = RGB[:, :, 0] if gray else RGB
    Image.fromarray(array).save(tmp_path / "a.png", icc_profile=profile("cmyk"))
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.to_array().squeeze(), array)
    assert picture.icc is None


def test_a_damaged_profile_does_not_harm_the_picture(tmp_path):
    damaged = profile("p3")[:100] + bytes(400)
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=damaged)
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, RGB)


def test_a_gray_profile_stays(tmp_path):
    gray = profile("sgrey")
    Image.fromarray(RGB[:, :, 0]).save(tmp_path / "a.png", icc_profile=gray)
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels[:, :, 0], RGB[:, :, 0])
    assert picture.icc == gray


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_formats_without_gray_get_srgb_instead_of_a_gray_profile(tmp_path, suffix):
    """Gray of gamma 1.0 at code 55 is as bright as sRGB at 128."""
    write(Picture(np.full((16, 16, 1), 55, np.uint8), icc=linear(profile("sgrey"))), tmp_path / f"a.{suffix}")
    back = read(tmp_path / f"a.{suffix}")
    assert np.abs(back.pixels.astype(int) - 128).max() <= 2


def test_scene_linear_gray_becomes_gray(tmp_path):
    Image.fromarray(np.full((4, 4), 55, np.uint8)).save(tmp_path / "a.png", icc_profile=linear(profile("sgrey")))
    picture = read(tmp_path / "a.png")
    assert picture.pixels.shape == (4, 4, 1)
    assert np.abs(picture.pixels.astype(int) - 128).max() <= 2


def test_an_untagged_picture_stays_untagged(tmp_path):
    write(Picture.from_array(RGB), tmp_path / "a.png")
    assert "icc_profile" not in Image.open(tmp_path / "a.png").info
